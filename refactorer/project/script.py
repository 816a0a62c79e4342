"""The script that takes functions in: where it uses functions of other files, and which names it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence
from refactorer.project.facts import Facts, Imported
from refactorer.project.files import SCRIPT
from refactorer.project.modules import Function, Modules


@dataclass(frozen=True)
class Use:
    """A place where a file mentions a function of a project's file: `evaluate`, or `engine.evaluate`."""

    function: Function
    node: cst.BaseExpression
    imported: Imported
    called: bool


class Script:
    """The script as a program, with the facts about its text."""

    def __init__(self, text: str, facts: Facts, modules: Modules) -> None:
        self.text, self.facts, self.modules = text, facts, modules
        self.program = Program(cst.parse_module(text), text)
        self.uses = list(uses(self.program, SCRIPT, facts, modules))
        self.starred = modules.starred(SCRIPT, facts)
        """The names that `from ... import *` may bind, or None where they are not known."""
        named = {name.value for name in self.program.find(cst.Name) if name in self.program.variables}
        self.names = named | (self.starred or set())

    def of(self, function: Function) -> list[Use]:
        return [use for use in self.uses if use.function == function]

    def binds(self, name: str) -> bool:
        """Whether a name is a variable of the script, or may be."""
        return name in self.program.scope[self.program.module].variables or name in (self.starred or ())

    def called(self) -> list[Function]:
        """The functions of other files that the script calls, in the order of the text."""
        return list(dict.fromkeys(use.function for use in self.uses if use.called))


def uses(program: Program, base: str, facts: Facts, modules: Modules) -> Iterator[Use]:
    """The mentions of functions of other files in a file that goes by the reference `base`."""
    for variable in program.scope[program.module].variables.values():
        one = facts.imported(variable.name)
        meaning = modules.meaning(base, one) if one is not None and len(variable.writes) == 1 else None
        for seen in variable.reads if one is not None and meaning is not None else ():
            yield from _use(program, modules, one, meaning, seen)  # type: ignore[arg-type]


def _use(program: Program, modules: Modules, one: Imported, meaning: Function | str, seen: Occurrence) -> Iterator[Use]:
    node: cst.CSTNode = seen.node
    while isinstance(meaning, str):
        parent = program.parent[node]
        inner = modules.member(meaning, parent.attr.value) if isinstance(parent, cst.Attribute) else None
        if inner is None:
            return
        node, meaning = parent, inner
    around = program.parent[node]
    assert isinstance(node, (cst.Name, cst.Attribute))
    yield Use(meaning, node, one, isinstance(around, cst.Call) and around.func is node)
