"""Converts a script together with the functions of other files that train its models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import libcst as cst

from refactorer.diagnostics import Diagnostic
from refactorer.emit.check import unbound_names
from refactorer.idioms.evaluation.out_of_sight import IN_ANOTHER_FILE
from refactorer.options import Options
from refactorer.project.combined import Combined, combined
from refactorer.project.default_types import keeps_default_types
from refactorer.project.facts import Facts, facts_of
from refactorer.project.files import ALONE, SCRIPT, Others
from refactorer.project.handed_on import handed_on, reaches, replaces
from refactorer.project.modules import Function, Modules
from refactorer.project.named_imports import named_imports
from refactorer.project.names import Names
from refactorer.project.networks import is_network
from refactorer.project.own_runtime import hidden_by, own_runtime
from refactorer.project.remains import changed_copies, definitions, settled
from refactorer.project.script import Script
from refactorer.project.stays import Stays
from refactorer.project.unimported import Unimported
from refactorer.result import Converted, Refused, Result, Unchanged
from refactorer.source import syntax_problem

if TYPE_CHECKING:
    from refactorer.converter import Analysis, Finding

TAKEN, LEFT = "N108", "N109"
_TRAINS = re.compile("epoch|optim|train", re.IGNORECASE)
_STEP = re.compile(r"\bdef (?:validation|test)_step\(")
Found = TypeVar("Found", "Diagnostic", "Finding")


def convert_file(
    text: str, *, path: str = "<string>", options: Options | None = None, others: Others = ALONE
) -> Result:
    """Converts the text of one script; never raises for bad input.

    Functions that compute gradients and stand in one of the `others` are taken in, and the evaluations beside them.
    Nothing is taken in for a text of which no other files are known.
    """
    modules = Modules(others)
    named = named_imports(text, modules)
    return named.result_of(_Files(named.text, path, modules, _knowing(options, named.text, modules)).result(), text)


def analyze_file(text: str, *, path: str = "<string>", others: Others = ALONE) -> Analysis:
    """What the converter sees in a script and the functions that it takes in, with the outcome of a conversion."""
    modules = Modules(others)
    named = named_imports(text, modules)
    files = _Files(named.text, path, modules, _knowing(None, named.text, modules), analyzes=True)
    result, made = named.result_of(files.result(), text), files.taken
    analysis = files.analyses[named.text if made is None else made.text]
    findings = analysis.findings if made is None else tuple(placed(made, one) for one in analysis.findings)
    findings = named.in_file(findings, path)
    return replace(analysis, findings=findings, diagnostics=result.diagnostics, result=result)


def _knowing(options: Options | None, text: str, modules: Modules) -> Options:
    """The options, with what the files of the project say about their classes and torch's default types."""
    return replace(
        options or Options(),
        default_types=keeps_default_types(text, modules),
        is_network=lambda name: is_network(modules, facts_of(text), name),
    )


class _Files:
    """One script and the files around it; `taken` is what its result was made of, if functions were taken in.

    `analyses` are those of the texts that were converted on the way, where they are wanted.
    """

    def __init__(self, text: str, path: str, modules: Modules, options: Options, *, analyzes: bool = False) -> None:
        self.text, self.path, self.modules, self.options, self.analyzes = text, path, modules, options, analyzes
        self.taken: Combined | None = None
        self.analyses: dict[str, Analysis] = {}

    def result(self) -> Result:
        result = self._with_others()
        hiding = own_runtime(self.modules) if isinstance(result, Converted) and self._needs_runtime() else None
        return result if hiding is None else Refused(self.path, (hidden_by(hiding, self.path),))

    def _needs_runtime(self) -> bool:
        return self.options.target == "runtime"

    def _with_others(self) -> Result:
        plain = self._converted(self.text)
        if isinstance(plain, Converted):
            return self._with_evaluations(plain)
        facts = facts_of(self.text) if isinstance(plain, Unchanged) and _TRAINS.search(self.text) else None
        if facts is None or not any(self.modules.learns(one) for one in self.modules.called_by(SCRIPT, facts)):
            return plain
        try:
            script = Script(self.text, facts, self.modules)
            training = [one for one in script.called() if self.modules.learns(one)]
            needed = self._with_inner(training, self.modules.learns)
            return self._with(script, needed, self._evaluating(script, needed)) if needed else plain
        except Stays as stays:
            noted = (self._left(script, stays),) if self._steps(stays.function) else ()
            return replace(plain, diagnostics=(*plain.diagnostics, *noted))
        except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError):
            return plain  # Python reads one of the files, but LibCST does not

    def _with_evaluations(self, plain: Converted) -> Result:
        """The result for a script that trains by itself, with evaluations of other files if the Trainer runs them."""
        overlooked = any(note.code == "N102" and note.message.endswith(IN_ANOTHER_FILE) for note in plain.diagnostics)
        facts = facts_of(self.text) if overlooked else None
        if facts is None:
            return plain
        try:
            script = Script(self.text, facts, self.modules)
            evaluating = self._evaluating(script, [])
            result = self._with(script, [], evaluating) if evaluating else plain
        except (Stays, cst.ParserSyntaxError, cst.CSTValidationError, RecursionError):
            result = plain
        taken = any(note.code == TAKEN for note in result.diagnostics)
        if taken and _evaluations(result) > _evaluations(plain) and _literal(result) <= _literal(plain):
            return result
        self.taken = None
        return plain

    def _steps(self, function: Function) -> bool:
        """Whether a function trains: it steps an optimizer, itself or in others that compute gradients."""
        every = self._with_inner([function], self.modules.learns)
        return any(path[-1] == "step" for one in every for path in self.modules.facts_of(one).calls(one.name).names)

    def _converted(self, text: str) -> Result:
        if not self.analyzes:
            from refactorer.converter import convert_text

            return convert_text(text, path=self.path, options=self.options, used=self.modules.others.used)
        from refactorer.converter import analyze_text

        self.analyses[text] = analyze_text(text, path=self.path, options=self.options, used=self.modules.others.used)
        return self.analyses[text].result

    def _with(self, script: Script, needed: list[Function], evaluating: list[Function]) -> Result:
        """The result with all functions that train, and as many evaluations as become part of it.

        Raises:
            Stays: one of the functions that train does not become part of it, or no evaluation if there are none.
        """
        self._refuse(script, needed or evaluating)
        while True:
            made = self._combined(script, needed, evaluating)
            result = self._converted(made.text)
            if not isinstance(result, Converted) and evaluating and needed:
                evaluating = []
                continue
            if not isinstance(result, Converted):
                raise Stays(made.definitions[0].function, _reason(result))
            left = definitions(result.after)
            stuck = [one.function for one in made.definitions if one.name in left and one.function in needed]
            if stuck:
                raise Stays(stuck[0], _why_left(result))
            changed = [one for one in changed_copies(made, left) if one in evaluating]
            if not changed:
                return self._settled(script, made, result)
            evaluating = [one for one in evaluating if one not in changed]

    def _with_inner(self, functions: Iterable[Function], wanted: Callable[[Function], bool]) -> list[Function]:
        """Functions with those that they call of the same kind."""
        found = list(functions)
        for function in found:
            found += [one for one in self.modules.callees(function) if wanted(one) and one not in found]
        return found

    def _evaluating(self, script: Script, training: list[Function]) -> list[Function]:
        """The evaluations that the script calls, or its training, as far as they can be taken in."""
        called = [*script.called(), *(inner for one in training for inner in self.modules.callees(one))]
        found = self._with_inner(filter(self.modules.evaluates, dict.fromkeys(called)), self.modules.evaluates)
        return [one for one in found if self._obstacle(script, one) is None]

    def _combined(self, script: Script, needed: list[Function], evaluating: list[Function]) -> Combined:
        """The script with functions taken in; evaluations that cannot be are left out, and no longer in the list."""
        first = (needed or evaluating)[0]
        while True:
            evaluating[:] = self._reached(script, needed, evaluating)
            if not needed and not evaluating:
                raise Stays(first, "it cannot be taken in")
            try:
                return combined(script, [*needed, *evaluating], Names(script, self.modules, self._patched))
            except Stays as stays:
                if stays.function not in evaluating:
                    raise
                evaluating.remove(stays.function)

    def _reached(self, script: Script, needed: list[Function], evaluating: list[Function]) -> list[Function]:
        """The evaluations that the script calls, or a function that is taken in."""
        found = [*needed, *(one for one in evaluating if script.of(one))]
        for function in found:
            found += [one for one in self.modules.callees(function) if one in evaluating and one not in found]
        return found[len(needed) :]

    @cached_property
    def _everything(self) -> dict[str, Facts]:
        """The facts about the script and all files that its imports lead to, by their references."""
        every = {SCRIPT: facts_of(self.text), **{name: self.modules.facts(name) for name in self.modules.others.files}}
        return {name: facts for name, facts in every.items() if facts is not None}

    @cached_property
    def _patched(self) -> frozenset[str]:
        return self.modules.others.replaced().union(*(facts.patched for facts in self._everything.values()))

    def _refuse(self, script: Script, functions: list[Function]) -> None:
        """Raises Stays where names may mean something else than they seem to."""
        self._refuse_project(script, functions[0])
        for function in functions:
            obstacle = self._obstacle(script, function)
            if obstacle is not None:
                raise Stays(function, obstacle)

    def _refuse_project(self, script: Script, first: Function) -> None:
        if any(file.path == self.path for file in self.modules.others.files.values()):
            raise Stays(first, "another file imports the script")
        if any(facts.opaque or replaces(facts) for facts in self._everything.values()):
            raise Stays(first, "a file of the project may set variables of others out of sight")
        if "__main__" in self._handed_on:
            raise Stays(first, "a file of the project imports the script")
        if any(facts.reroutes for facts in self._everything.values()):
            raise Stays(first, "a file of the project changes where modules are found")
        if script.starred is None:
            raise Stays(first, "the script has a `from ... import *`, which may bind any name")

    @cached_property
    def _handed_on(self) -> frozenset[str]:
        """The references of modules that are values somewhere, `__main__` for the script itself."""
        every = (handed_on(self.modules, base, facts) for base, facts in self._everything.items())
        return frozenset(reference for found in every for reference in found)

    def _obstacle(self, script: Script, function: Function) -> str | None:
        """Why a call of a function may run another one, or why it is not only called."""
        if any(reaches(one, function.module) for one in self._handed_on):
            return "its module is handed on, and its variables may be bound by another name"
        every = (one for facts in self._everything.values() for one in facts.imports if one.name == function.name)
        if self._patched & {function.name, *(one.bound for one in every)}:
            return "a file of the project may put something else in its place"
        if any(use.imported.bound in (script.starred or ()) for use in script.of(function)):
            return "a `from ... import *` of the script may bind its name"
        return None if all(use.called for use in script.of(function)) else "the script hands it on"

    def _settled(self, script: Script, made: Combined, result: Converted) -> Converted:
        after = settled(made, result.after, Unimported(self.modules))
        if syntax_problem(after, path=self.path) or unbound_names(after) - unbound_names(made.text):
            raise Stays(made.definitions[0].function, "the result did not pass the final check")
        self.taken = made
        notes = tuple(placed(made, note) for note in result.diagnostics)
        return Converted(self.path, self.text, after, (*self._taken_in(script, made, result.after), *notes))

    def _taken_in(self, script: Script, made: Combined, after: str) -> Iterator[Diagnostic]:
        """What is said about the functions that are a part of the script now."""
        left = definitions(after)
        entered = [one.function for one in made.definitions if one.name not in left]
        for module in dict.fromkeys(function.module for function in entered):
            names = [f"{function.name}()" for function in entered if function.module == module]
            are = "are" if len(names) > 1 else "is"
            message = f"{' and '.join(names)} of {self.modules.others.files[module].path} {are} part of this file now"
            yield Diagnostic(TAKEN, message, _TAKEN_HINT, self.path, self._line(script, module), 1)

    def _line(self, script: Script, module: str) -> int:
        """The line of the import that leads to a file."""
        lines = (use.imported.line for use in script.uses if use.function.module == module)
        return next(lines, 0)

    def _left(self, script: Script, stays: Stays) -> Diagnostic:
        function, where = stays.function, self.modules.file_of(stays.function).path
        message = f"{function.name}() of {where} computes gradients and stays there: {stays.reason}"
        return Diagnostic(LEFT, message, _LEFT_HINT.format(where), self.path, self._line(script, function.module), 1)


_TAKEN_HINT = "later changes of the function in its own file do not reach this one"
_LEFT_HINT = "convert {} to have a Trainer there, or move the function into this file"


def placed(made: Combined, found: Found) -> Found:
    """A diagnostic or a finding of the combined text, where the user has its line."""
    place = made.places[found.line - 1] if 0 < found.line <= len(made.places) else None
    return replace(found, line=place.line, path=place.path or found.path) if place is not None else found


def _evaluations(result: Result) -> int:
    """How many evaluations the Trainer runs in a result."""
    return len(_STEP.findall(result.after)) if isinstance(result, Converted) else 0


def _literal(result: Result) -> int:
    """How much of a result is literal."""
    return sum(note.code in ("N101", "N103", "N104") for note in result.diagnostics)


def _reason(result: Result) -> str:
    """Why a script with functions taken in was not converted."""
    messages = [found.message for found in result.diagnostics if found.code.startswith(("R", "E"))]
    return messages[0] if messages else "the script does not train with it"


def _why_left(result: Converted) -> str:
    """Why the definition of a function would be left in the script."""
    plainer = [found.message for found in result.diagnostics if found.code == "N103"]
    return plainer[0].split(": ", 1)[-1] if plainer else "a whole training runs in it"
