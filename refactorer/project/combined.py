"""The script with the definitions of functions of other files in it, and where each of its lines comes from."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.emit.edits import apply
from refactorer.project.definitions import Definition, definition, program_of
from refactorer.project.facts import Imported
from refactorer.project.joining import Place, joined
from refactorer.project.modules import Function
from refactorer.project.names import Added, Names
from refactorer.project.script import Script
from refactorer.project.stays import Stays


@dataclass(frozen=True)
class Combined:
    """A text that does what the script does, with functions of other files defined in it.

    Imports that bound these functions bind `hidden` names instead, so that each can be found again and be put back.
    """

    text: str
    places: tuple[Place, ...]
    definitions: tuple[Definition, ...]
    added: tuple[Added, ...]
    hidden: dict[str, Imported]
    mentions: dict[str, str]
    """What the script calls a function that it reaches through a module, by the name of its definition."""
    through: frozenset[str]
    """The names of these modules in the script."""


def combined(script: Script, functions: list[Function], names: Names) -> Combined:
    """The script with some functions taken in, all of which it calls, or one of the others does.

    Raises:
        Stays: one of them cannot be taken in.
    """
    programs = [program_of(names.modules.file_of(function).text) for function in functions]
    given = {function: _name(script, function, names, programs) for function in functions}
    module = script.program.module
    made = [definition(function, given, names, module.default_indent) for function in functions]
    hidden: dict[str, Imported] = {}
    mentions: dict[str, str] = {}
    through: set[str] = set()
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for function in functions:
        for use in script.of(function):
            if isinstance(use.node, cst.Attribute):
                edits[use.node] = cst.Name(given[function])
                mentions[given[function]] = module.code_for_node(use.node)
                through.add(use.imported.bound)
            elif use.imported not in hidden.values():
                hidden[names.unused([f"imported_{use.imported.bound}"], script.program)] = use.imported
    for placeholder, one in hidden.items():
        edits.update(_hide(script, one, placeholder))
    lines = apply(module, edits).code.split("\n")
    if "\r" in script.text.replace("\r\n", ""):
        raise Stays(functions[0], "the script has line ends of several kinds")
    if len(lines) != script.text.count("\n") + 1:
        raise Stays(functions[0], "a call of it spreads over several lines")
    text, places = joined(script, lines, made, names)
    return Combined(text, places, tuple(made), tuple(names.added), hidden, mentions, frozenset(through))


def _name(script: Script, function: Function, names: Names, programs: list[Program]) -> str:
    """The name of the definition: that of the import, or one that nothing else has."""
    bound = {use.imported.bound for use in script.of(function) if isinstance(use.node, cst.Name)}
    through = [use for use in script.of(function) if isinstance(use.node, cst.Attribute)]
    if len(bound) > 1 or (bound and through):
        raise Stays(function, "the script has several names for it")
    if bound:
        return bound.pop()
    last = function.module.rpartition(".")[2]
    return names.unused([function.name, f"{last}_{function.name}"], *programs)


def _hide(script: Script, one: Imported, placeholder: str) -> dict[cst.CSTNode, cst.CSTNode]:
    """The edit by which an import binds a placeholder."""
    for alias in script.program.find(cst.ImportAlias):
        name = alias.asname.name if alias.asname is not None else alias.name
        if isinstance(name, cst.Name) and name.value == one.bound and name in script.program.imports:
            return {alias: alias.with_changes(asname=cst.AsName(cst.Name(placeholder)))}
    raise AssertionError(one)
