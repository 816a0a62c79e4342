"""Which function of which file a name means, and which of these functions compute gradients or evaluate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from refactorer.project.facts import Facts, Imported, facts_of
from refactorer.project.files import SCRIPT, OtherFile, Others, member_of, reference_from

_QUIET = ("no_grad", "inference_mode")


@dataclass(frozen=True)
class Function:
    """A function at the top of another file, by the reference of that file."""

    module: str
    name: str


class Modules:
    """The files around a script, as far as its imports lead."""

    def __init__(self, others: Others) -> None:
        self.others = others
        self._learning: dict[Function, bool] = {}

    def file(self, reference: str) -> OtherFile | None:
        return self.others.files.get(reference)

    def facts(self, reference: str) -> Facts | None:
        file = self.file(reference)
        return facts_of(file.text) if file is not None else None

    def file_of(self, function: Function) -> OtherFile:
        """The file of a function that was found."""
        return self.others.files[function.module]

    def facts_of(self, function: Function) -> Facts:
        """The facts about the file of a function that was found."""
        facts = self.facts(function.module)
        assert facts is not None
        return facts

    # --- names ----------------------------------------------------------------------------------------------------

    def reference(self, base: str, one: Imported) -> str | None:
        """The reference of the module that an import of another one (or of the script, `SCRIPT`) names."""
        return reference_from(base, base == SCRIPT or self.is_package(base), one.level, one.module)

    def meaning(self, base: str, one: Imported) -> Function | str | None:
        """What an import of a module (or of the script, `SCRIPT`) binds: a function, or the reference of a module."""
        reference = self.reference(base, one)
        if reference is None:
            return None
        if not one.whole:
            return self.member(reference, one.name)
        return reference if one.renamed else one.bound

    def member(self, reference: str, name: str, seen: frozenset[Function] = frozenset()) -> Function | str | None:
        """What `reference.name` means; None where that is neither a function nor a module of the project."""
        facts, here = self.facts(reference), Function(reference, name)
        if facts is None or not facts.bindings(name):
            return member_of(reference, name) if facts is None or not facts.starred else None
        if facts.function(name) is not None:
            return here
        one = facts.imported(name)
        if one is None or here in seen or name in facts.rebound:
            return None
        base = self.reference(reference, one)
        if base is None or one.whole:
            return self.meaning(reference, one) if one.whole else None
        return self.member(base, one.name, seen | {here})

    def called(self, base: str, facts: Facts, path: tuple[str, ...]) -> Function | None:
        """The function of another file that a dotted name means in a file, `a.b.f` being `("a", "b", "f")`."""
        one = facts.imported(path[0])
        meaning = self.meaning(base, one) if one is not None else None
        for name in path[1:]:
            meaning = self.member(meaning, name) if isinstance(meaning, str) else None
        return meaning if isinstance(meaning, Function) else None

    def starred(self, base: str, facts: Facts, seen: frozenset[str] = frozenset()) -> frozenset[str] | None:
        """All names that `from ... import *` may bind in a file; None where they are not known."""
        found: set[str] = set()
        for one in facts.imports:
            if one.name != "*":
                continue
            reference = self.reference(base, one) or ""
            source = self.facts(reference)
            inner = self.starred(reference, source, seen | {base}) if source is not None and base not in seen else None
            if source is None or inner is None:
                return None
            parts = (
                name.removeprefix(f"{reference}.") for name in self.others.files if name.startswith(f"{reference}.")
            )
            found.update(source.names, inner, (part.split(".")[0] for part in parts))
        return frozenset(found)

    def is_package(self, reference: str) -> bool:
        file = self.file(reference)
        return file is not None and file.package

    def is_hidden(self, reference: str) -> bool:
        """Whether the package of a module gives something else by its name."""
        parent, _, last = reference.rpartition(".")
        return bool(parent.strip(".")) and self.member(parent, last) != reference

    # --- functions ------------------------------------------------------------------------------------------------

    def definition(self, function: Function) -> ast.FunctionDef:
        return self.facts_of(function).functions[function.name]

    def callees(self, function: Function) -> Iterator[Function]:
        """The functions of the project's files that a function calls."""
        yield from self.called_by(function.module, self.facts_of(function), function.name)

    def called_by(self, base: str, facts: Facts, function: str = "") -> Iterator[Function]:
        """The functions of the project's files that a file calls, or one function of the file."""
        for path in facts.calls(function).names:
            if base != SCRIPT and len(path) == 1 and facts.function(path[0]) is not None:
                yield Function(base, path[0])
                continue
            found = self.called(base, facts, path)
            if found is not None:
                yield found

    def learns(self, function: Function) -> bool:
        """Whether a function computes gradients, itself or through others that it calls."""
        if function not in self._learning:
            self._learning[function] = False  # for functions that call each other
            own = self.facts_of(function).calls(function.name).backward
            self._learning[function] = own or any(self.learns(inner) for inner in self.callees(function))
        return self._learning[function]

    def evaluates(self, function: Function) -> bool:
        """Whether a function looks like an evaluation, or calls one: a loop without gradients or in evaluation mode."""
        return not self.learns(function) and self._looks_like_evaluation(function, frozenset())

    def _looks_like_evaluation(self, function: Function, seen: frozenset[Function]) -> bool:
        nodes = list(ast.walk(self.definition(function)))
        loops = any(isinstance(node, ast.For) for node in nodes)
        if loops and any(isinstance(node, ast.Attribute) and node.attr in ("eval", *_QUIET) for node in nodes):
            return True
        inner = (one for one in self.callees(function) if one not in seen)
        return any(self._looks_like_evaluation(one, seen | {function}) for one in inner)
