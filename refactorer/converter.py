"""From text to text: every training of a file, one after the other. Never imports torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.diagnostics import Diagnostic
from refactorer.emit.check import unbound_names
from refactorer.emit.long_lines import shortened
from refactorer.idioms import progress
from refactorer.idioms.accumulation.kept_back import FLAG, with_flags
from refactorer.idioms.accumulation.named_conditions import spelled_out
from refactorer.idioms.dividing import divided
from refactorer.idioms.evaluation import OVERLOOKED
from refactorer.idioms.evaluation.copies import is_left_over, with_copies
from refactorer.idioms.evaluation.obstacles import OF_A_CLASS, USED_ELSEWHERE
from refactorer.idioms.evaluation.opened_bars import with_opened_bars
from refactorer.idioms.evaluation.opened_guards import with_opened_guards
from refactorer.idioms.evaluation.rounds import with_rounds
from refactorer.kept_names import exported, marked, unmarked
from refactorer.lightning.remedies import with_remedy
from refactorer.lightning.traps import CODE as TRAP_CODE
from refactorer.options import Options
from refactorer.original_lines import OriginalLines, Prepared
from refactorer.outline.batches import ROUND, is_round
from refactorer.outline.outline import Note
from refactorer.outline.places.unbound import CAUGHT, asked_for
from refactorer.outline.refusal import LeftOver, Refusal, Split
from refactorer.outline.training.elsewhere import gradients_elsewhere
from refactorer.outline.training.phases import written_out
from refactorer.outline.training.site import Site, candidates
from refactorer.pipeline import convert_site
from refactorer.result import Converted, Failed, Refused, Result, Unchanged
from refactorer.source import syntax_problem

_MOST_TRAININGS = 10_000
_OWN_MODES = "self.automatic_modes = False"
_LITERAL = {"N101", "N103"}
_BY_HAND = {"N101", "N107", "N111"}
_BACKWARD = re.compile(r"\bbackward\s*\(")
_EVALUATES = re.compile(r"\bdef (validation|test)_step\(")


@dataclass(frozen=True)
class Finding:
    """Something that the analysis recognised, such as a training loop. Line and column are 1-based.

    `path` is that of another file of the project, if it stands there, and None for the file itself.
    """

    kind: str
    message: str
    line: int
    column: int
    path: str | None = None


@dataclass(frozen=True)
class Analysis:
    """What is in a file and what a conversion of it would give."""

    findings: tuple[Finding, ...]
    diagnostics: tuple[Diagnostic, ...]
    result: Result


def convert_text(
    text: str, *, path: str = "<string>", options: Options | None = None, used: Sequence[str] = ()
) -> Result:
    """Converts the text of one script; never raises for bad input.

    `used` are names of the script, and methods as `.method`, that other files use: those stay.
    Those with an `=` at their end may be replaced by others.
    """
    text = marked(text, [*exported(text), *used])
    refused: list[tuple[Options, Result]] = []
    for form in (options or Options()).forms():
        result = _Conversion(text, path, form).result()
        if not _is_trapped(result):
            return unmarked(result)
        refused.append((form, result))
    for form, result in refused:
        while _is_trapped(result) and (remedied := with_remedy(form, result.diagnostics)) is not None:
            form, result = remedied, _Conversion(text, path, remedied).result()
        if not _is_trapped(result):
            break
    return unmarked(result)


def _is_trapped(result: Result) -> bool:
    """Whether one of the traps of Lightning's own Trainer refused a training."""
    return any(diagnostic.code == TRAP_CODE for diagnostic in result.diagnostics)


def analyze_text(
    text: str, *, path: str = "<string>", options: Options | None = None, used: Sequence[str] = ()
) -> Analysis:
    """What the converter sees in a script, with the outcome of a conversion."""
    conversion = _Conversion(marked(text, [*exported(text), *used]), path, options or Options())
    result = unmarked(conversion.result())
    return Analysis(conversion.findings(), result.diagnostics, result)


@dataclass
class _Conversion:
    """One file. `text` is what the trainings converted so far have made of it."""

    original: str
    path: str
    options: Options
    text: str = ""
    notes: list[Diagnostic] = field(default_factory=list)
    seen: list[Callable[[], Finding]] = field(default_factory=list)
    left_over: list[tuple[str, str]] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = OriginalLines(self.original, self.parts)

    def result(self) -> Result:
        self.text = self.original
        if "backward" not in self.original:
            return Unchanged(self.path)
        try:
            program = self._parsed()
        except cst.ParserSyntaxError as error:
            unread = "LibCST, which reads the file, does not know syntax that stands here"
            where = Diagnostic("E900", unread, "write this line in another way", self.path, error.raw_line)
            return Failed(self.path, (syntax_problem(self.original, path=self.path) or where,))
        except cst.CSTValidationError as error:
            return self._unspaced(error)
        try:
            return self._asking(program, self._best(program))
        except RecursionError:
            deep = Diagnostic("E900", "the file is nested too deeply", "split the deepest expression", self.path)
            return Failed(self.path, (deep,))
        except cst.CSTValidationError as error:
            return self._unspaced(error)

    def _unspaced(self, error: cst.CSTValidationError) -> Failed:
        """Python needs no space between `return` and a bracket, but the syntax trees of LibCST do in some cases."""
        hint = "put spaces between keywords and the brackets and quotes beside them, as in `return (a if b else c)`"
        message = f"LibCST cannot hold code of this file or what it becomes: {error}"
        return Failed(self.path, (Diagnostic("E900", message.rstrip("."), hint, self.path),))

    def _best(self, program: Program) -> Result:
        plain = self._in_phases(program) or self._divided(program)
        return plain or self._kept_back(program) or self._every_training(program)

    def _kept_back(self, program: Program) -> Result | None:
        """The result for the script with flags for `no_sync()`, if the Trainer then averages gradients as they say."""
        if self.options.target == "lightning" or not (self.options.applies("N107") and self.options.applies("N111")):
            return None
        plain = spelled_out(program)
        text = with_flags(Program(cst.parse_module(plain), plain) if plain is not None else program) or plain
        if text is None:
            return None
        other = _Conversion(self.original, self.path, self.options, text)
        result = other._every_training(other._parsed())
        if not isinstance(result, Converted) or result.after.count(FLAG) > self.original.count(FLAG):
            return None
        if any(note.code in _BY_HAND for note in result.diagnostics):
            return None
        self.seen = other.seen
        return result

    def _in_phases(self, program: Program) -> Result | None:
        """The result for the script with its phases written out, if that has the structure that it is done for."""
        text = written_out(program) if self.options.target != "lightning" else None
        if text is None:
            return None
        other = _Conversion(self.original, self.path, self.options, text)
        result = other._every_training(other._parsed())
        if not isinstance(result, Converted):
            return None
        if _LITERAL & {note.code for note in result.diagnostics} and not self._is_nicer(result):
            return None
        self.seen = other.seen
        return result

    def _is_nicer(self, result: Converted) -> bool:
        """Whether a result that is literal in part evaluates as the Trainer does, and the script as it is would not."""
        if not _beauty(result)[0]:
            return False
        plain = _Conversion(self.original, self.path, self.options, self.text)
        before = plain._every_training(plain._parsed())
        return isinstance(before, Converted) and _beauty(before) < _beauty(result)

    def _divided(self, program: Program) -> Result | None:
        """The result for the script with functions for training and others for evaluation, if it can be converted."""
        done = divided(program)
        if done is None:
            return None
        other = _Conversion(self.original, self.path, self.options, done.text, parts=done.parts)
        result = other._every_training(other._parsed())
        if not isinstance(result, Converted):
            return None
        if not done.loops:
            plain = _Conversion(self.original, self.path, self.options, self.original)
            before = plain._every_training(plain._parsed())
            if isinstance(before, Converted) and _beauty(before) >= _beauty(result):
                self.seen = plain.seen
                return before
        self.seen = other.seen
        return result

    def _asking(self, program: Program, result: Result) -> Result:
        """The result, or that for the script with variables that are None instead of unbound, where that is needed."""
        needed = isinstance(result, Refused) and any(found.message == CAUGHT for found in result.diagnostics)
        text = asked_for(program) if needed else None
        if text is None:
            return result
        other = _Conversion(self.original, self.path, self.options, text)
        asking = other._parsed()
        again = other._best(asking)
        self.seen = other.seen
        return again

    def _candidates(self, program: Program) -> list[Site]:
        return candidates(program, begun=bool(self.seen))

    def _parsed(self) -> Program:
        return Program(cst.parse_module(self.text), self.text)

    def _every_training(self, first: Program) -> Result:
        program = first
        for _ in range(_MOST_TRAININGS):
            try:
                sites = self._candidates(program)
            except Refusal as refusal:
                return Refused(self.path, (self._diagnostic(program, refusal),))
            if not sites:
                break
            try:
                self._convert_first(program, sites)
            except Refusal as refusal:
                return Refused(self.path, (self._diagnostic(self.program, refusal),))
            if not _BACKWARD.search(self.text):
                break
            program = self._parsed()
        return self._checked() if self.text is not self.original else self._nothing(first)

    def _nothing(self, program: Program) -> Result:
        """There is no training to convert; gradients for the loop of another file are worth a note."""
        try:
            note = gradients_elsewhere(program)
        except Refusal as refusal:
            return Refused(self.path, (self._diagnostic(program, refusal),))
        return Unchanged(self.path, (self._at(program, note[1], note[0], *note[2:]),) if note is not None else ())

    def _checked(self) -> Result:
        """A result is given out only if it is Python and uses no name that nothing binds."""
        problem = syntax_problem(self.text, path=self.path)
        if problem and (own := syntax_problem(self.original, path=self.path)):
            # Python's compiler finds more than a parser does: a `from __future__` that is not at the top, say.
            return Failed(self.path, (own,))
        unknown = [problem.message] if problem else sorted(unbound_names(self.text) - unbound_names(self.original))
        if unknown:
            message = f"the result did not pass the final check ({', '.join(unknown)})"
            return Refused(self.path, (Diagnostic("R900", message, "please report this script", self.path),))
        return Converted(self.path, self.original, shortened(self.original, self.text), tuple(self._still_true()))

    def _still_true(self) -> list[Diagnostic]:
        """The notes, without those on evaluations that a later training has moved."""
        if len(_EVALUATES.findall(self.text)) == len(_EVALUATES.findall(self.original)):
            return self.notes
        before, after = self.original.splitlines(), {line.strip() for line in self.text.splitlines()}
        loops = [note for note in self.notes if note.code == "N102" and note.message.startswith(OVERLOOKED)]
        headers = [before[note.line - 1].strip() if note.line else "" for note in loops]
        moved = [note for note, header in zip(loops, headers) if header.startswith("for ") and header not in after]
        return [note for note in self.notes if note not in moved]

    def _convert_first(self, program: Program, sites: list[Site]) -> None:
        """Converts the first training in the first view of it that can be placed.

        Raises:
            Refusal: none can; this is that of the last, most literal view.
        """
        self.program = program
        first: Refusal | None = None
        for index in range(len(sites)):
            try:
                if not self._convert_copies(self.program, sites, index, first):
                    self._accept(sites[index], *self._placed(self.program, sites, index), first)
                return
            except Refusal as refusal:
                if index == len(sites) - 1 or refusal.code == TRAP_CODE:
                    self._see(self.program, sites[index])
                    raise
                first = first or refusal
            # A view that is given up has left new names in the program; the next one starts afresh.
            self.program = Program(program.module, program.text)
            sites = self._candidates(self.program)

    def _convert_copies(self, program: Program, sites: list[Site], index: int, given_up: Refusal | None) -> bool:
        """Converts with functions of their own for the evaluations of the training, if none of them is left over."""
        if not self.options.applies("N102"):
            return False
        self.left_over = []
        for copied, originals in self._prepared(program, sites[index]):
            other = Program(copied)
            try:
                placed, module, notes = self._placed(other, self._candidates(other), index, list(originals))
            except LeftOver as refusal:
                self.left_over += [
                    (originals[name].name.value if name in originals else "", _renamed(reason, originals))
                    for name, reason in refusal.reasons
                ]
                continue
            except Refusal:
                continue
            once = any(is_round(loop) for loop in other.find(cst.For))
            if once and module.code.count(_OWN_MODES) > self.text.count(_OWN_MODES):
                continue  # the literal form reads better
            if not is_left_over(module.code, (*originals, ROUND)):
                functions = other.find(cst.FunctionDef)
                copies = {line: originals[line.name.value] for line in functions if line.name.value in originals}
                self.lines.prepared = Prepared(copied.code, program, copies)
                self._accept(sites[index], placed, module, notes, given_up)
                return True
        return False

    def _prepared(self, program: Program, site: Site) -> Iterator[tuple[cst.Module, dict[str, cst.FunctionDef]]]:
        """Files that do the same and show an evaluation in a form that can be moved, the one with most of it first."""
        if self.options.target != "lightning":
            yield from with_rounds(program, site)
            yield from with_opened_bars(program, site) if self.options.applies(progress.CODE) else ()
            yield from with_opened_guards(program, site)
        yield from with_copies(program, site)

    def _placed(
        self, program: Program, sites: list[Site], index: int, copies: Sequence[str] = ()
    ) -> tuple[Program, cst.Module, list[Note]]:
        """One view of a training converted: its step divided among hooks, or in one piece where it has to be.

        Raises:
            Refusal: neither can be placed.
        """
        try:
            return program, *convert_site(program, sites[index], self.options, None, copies)
        except Split as split:
            undivided = split.message
        again = Program(program.module, program.text)
        return again, *convert_site(again, self._candidates(again)[index], self.options, undivided, copies)

    def _accept(
        self, site: Site, program: Program, module: cst.Module, notes: list[Note], given_up: Refusal | None
    ) -> None:
        self._see(self.program, site)
        given_up = given_up or site.apart
        if given_up is not None:
            message = f"the structure is plainer than usual: {given_up.message}"
            plainer = ("N103", given_up.node, message, "nothing to do; the plainer structure trains the same")
            notes = [plainer, *(note for note in notes if note[0] != "N106")]  # which follows from it
        self.notes += [self._at(program, node, code, self._why(message), hint) for code, node, message, hint in notes]
        self.text = module.code

    def _why(self, message: str) -> str:
        """A message, with the reason why no copy of a function helped where it only says that one would be needed."""
        if message.endswith(OF_A_CLASS):
            return next((reason for name, reason in self.left_over if name and f" {name}()" in message), message)
        place = message.split(":")[0] + ":"
        known = (reason for _, reason in self.left_over if reason.startswith(place) and reason != message)
        return next(known, message) if message.endswith(USED_ELSEWHERE) else message

    # --- findings -------------------------------------------------------------------------------------------------

    def findings(self) -> tuple[Finding, ...]:
        """What was recognised; positions take time, so a conversion does not ask for them."""
        return tuple(finding() for finding in self.seen)

    def _see(self, program: Program, site: Site) -> None:
        text = self.text

        def see(kind: str, message: str, node: cst.CSTNode) -> None:
            self.seen.append(lambda: Finding(kind, message, *self.lines.position(program, node, text)))

        see("training-loop", _WHAT[site.form], site.epoch_loop)
        if site.form == "epochs":
            see("batch-loop", "loop over the batches", site.batch_loop)

    def _diagnostic(self, program: Program, refusal: Refusal) -> Diagnostic:
        return self._at(program, refusal.node, refusal.code, refusal.message, refusal.hint)

    def _at(self, program: Program, node: cst.CSTNode | None, code: str, message: str, hint: str) -> Diagnostic:
        line, column = self.lines.position(program, node, self.text) if node is not None else (0, 0)
        return Diagnostic(code, message, hint, self.path, line, column)


def _renamed(message: str, originals: dict[str, cst.FunctionDef]) -> str:
    """A message about copies of functions, about the functions themselves."""
    for name, function in originals.items():
        message = message.replace(name, function.name.value)
    return message


def _beauty(result: Converted) -> tuple[bool, int]:
    """How little of a result is literal."""
    notes = [note.code for note in result.diagnostics]
    return "def validation_step(" in result.after, -sum(notes.count(code) for code in (*_LITERAL, "N102", "N104"))


_WHAT = {
    "epochs": "training loop over epochs",
    "whole": "training loop over epochs of one batch",
    "steps": "training loop over steps",
}
