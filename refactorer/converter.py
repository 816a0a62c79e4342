"""From text to text: the pipeline of the conversion, and what it found on the way. Never imports torch."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.diagnostics import Diagnostic
from refactorer.emit.assemble import assemble
from refactorer.idioms import automatic, configure, device, evaluation
from refactorer.idioms.jumps import leave_epoch, on_lines
from refactorer.outline.control import loop_jumps
from refactorer.outline.epochs import epochs_of
from refactorer.outline.homes import Placing, accumulators, new_name
from refactorer.outline.optimizers import find_roles
from refactorer.outline.outline import (
    EPOCH_END,
    VALIDATION_END,
    VALIDATION_START,
    VALIDATION_STEP,
    Outline,
    build,
)
from refactorer.outline.refusal import Refusal
from refactorer.outline.site import Site, candidates
from refactorer.result import Converted, Failed, Refused, Result, Unchanged


@dataclass(frozen=True)
class Finding:
    """Something that the analysis recognised, such as a training loop. Line and column are 1-based."""

    kind: str
    message: str
    line: int
    column: int


@dataclass(frozen=True)
class Analysis:
    """What is in a file and what a conversion of it would give."""

    findings: tuple[Finding, ...]
    diagnostics: tuple[Diagnostic, ...]
    result: Result


def convert_text(text: str, *, path: str = "<string>", target: str = "runtime") -> Result:
    """Converts the text of one script; never raises for bad input.

    `target` is "runtime" or "lightning".
    """
    return _Conversion(text, path, target).result()


def analyze_text(text: str, *, path: str = "<string>") -> Analysis:
    """What the converter sees in a script, with the outcome of a conversion."""
    conversion = _Conversion(text, path, "runtime")
    result = conversion.result()
    return Analysis(conversion.findings(), result.diagnostics, result)


class _Conversion:
    def __init__(self, text: str, path: str, target: str) -> None:
        self.text, self.path, self.target = text, path, target
        self.seen: list[tuple[str, str, cst.CSTNode]] = []
        self.program: Program | None = None

    def result(self) -> Result:
        if "backward" not in self.text:
            return Unchanged(self.path)
        try:
            module = cst.parse_module(self.text)
        except cst.ParserSyntaxError as error:
            where = Diagnostic(
                "E002", f"this is not valid Python: {error.message}", "correct the syntax first",
                self.path, error.raw_line, error.raw_column + 1,
            )  # fmt: skip
            return Failed(self.path, (where,))
        program = Program(module)
        try:
            return self._first_sound(program)
        except Refusal as refusal:
            return Refused(self.path, (self._diagnostic(program, refusal),))
        except RecursionError:
            deep = Diagnostic("E900", "the file is nested too deeply", "split the deepest expression", self.path)
            return Failed(self.path, (deep,))

    def _first_sound(self, program: Program) -> Result:
        """The result for the first view of the training that can be placed; the last refusal when none can."""
        views = len(candidates(program))
        if not views:
            return Unchanged(self.path)
        self.program = program
        for index in range(views):
            site = candidates(program)[index]
            self._see(site)
            try:
                return self._convert(program, site)
            except Refusal:
                if index == views - 1:
                    raise
            program = self.program = Program(program.module)
        raise AssertionError("unreachable")

    def _see(self, site: Site) -> None:
        self.seen = [("training-loop", "training loop over epochs", site.epoch_loop)]
        if site.form == "epochs":
            self.seen.append(("batch-loop", "loop over the batches", site.batch_loop))

    def _convert(self, program: Program, site: Site) -> Result:
        if self.target == "lightning":
            raise Refusal("R501", site.epoch_loop, "scripts are not yet written for pytorch_lightning alone",
                          "use --target runtime")  # fmt: skip
        outline = build(program, site)
        roles = find_roles(outline)
        evaluation.apply(outline, roles)
        outline.without_globals()
        device.apply(outline, roles)
        _end_of_epoch(outline)
        automatic.apply(outline, roles)
        configuration = configure.apply(outline, roles)
        _leave_epoch(outline)
        _reduce_sums(outline)
        epochs = epochs_of(outline)
        homes = Placing(outline, roles, configuration, epochs).run()
        for variable in (*roles.optimizers, *configuration.stepped):
            if not configuration.moved and variable not in homes.arguments:
                homes.arguments.append(variable)
                homes.attribute_for(variable)
        after = assemble(outline, roles, configuration, homes, epochs)
        notes = tuple(
            Diagnostic(code, message, hint, self.path, *program.position(node))
            for code, node, message, hint in outline.notes
        )
        return self._checked(program, after.code, notes)

    def _checked(self, program: Program, after: str, notes: tuple[Diagnostic, ...]) -> Result:
        """A result is given out only if it is Python, is stable, and uses no name that nothing binds."""
        compile(after, self.path, "exec", dont_inherit=True)
        second = Program(cst.parse_module(after))
        unknown = set(second.unbound) - set(program.unbound) - set(dir(builtins))
        if unknown or candidates(second):
            name = ", ".join(sorted(unknown)) or "a second training loop"
            raise Refusal("R900", None, f"the result did not pass the final check ({name})",
                          "please report this script " + (__import__("os").environ.get("DBG","") and after))  # fmt: skip
        return Converted(self.path, self.text, after, notes)

    def findings(self) -> tuple[Finding, ...]:
        """What was recognised; positions take time, so a conversion does not ask for them."""
        if self.program is None:
            return ()
        return tuple(Finding(kind, message, *self.program.position(node)) for kind, message, node in self.seen)

    def _diagnostic(self, program: Program, refusal: Refusal) -> Diagnostic:
        line, column = program.position(refusal.node) if refusal.node is not None else (0, 0)
        return Diagnostic(refusal.code, refusal.message, refusal.hint, self.path, line, column)


def _end_of_epoch(outline: Outline) -> None:
    """An epoch may only be left from its last hook."""
    for hook in (VALIDATION_START, VALIDATION_STEP):
        found = loop_jumps(outline.hooks.get(hook, []))
        if found:
            raise Refusal(
                "R301", found[0], "the epoch is left before its end", "leave it in the last lines of the epoch"
            )


def _leave_epoch(outline: Outline) -> None:
    last = VALIDATION_END if outline.evaluation is not None else EPOCH_END
    body = outline.hooks.get(last)
    if body is None:
        return
    outline.edit(last, on_lines(body, leave_epoch(body)))


def _reduce_sums(outline: Outline) -> None:
    """Sums that were made by hand over an evaluation are added up across processes."""
    if outline.evaluation is None:
        return
    sums = accumulators(outline, outline.hooks[VALIDATION_START], outline.hooks[VALIDATION_STEP])
    if not sums:
        return
    reads = [cst.Arg(new_name(outline, v)) for v in sums]
    writes = [new_name(outline, v, "write") for v in sums]
    target = writes[0] if len(writes) == 1 else cst.Tuple([cst.Element(n) for n in writes], lpar=[], rpar=[])
    value = cst.Call(cst.parse_expression("self.sum_across_ranks"), reads)
    line = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])
    outline.hooks[VALIDATION_END] = [line, *outline.hooks[VALIDATION_END]]
