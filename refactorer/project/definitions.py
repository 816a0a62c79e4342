"""The definition of a function of another file, as it would stand in the script."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.emit.edits import apply
from refactorer.original_lines import same_line
from refactorer.outline.functions.arguments import every_parameter
from refactorer.project.modules import Function
from refactorer.project.names import Names, dotted_name, mentioned
from refactorer.project.script import uses
from refactorer.project.stays import Stays

_OF_THE_FILE = ("__name__", "__file__", "__doc__", "__package__", "__spec__", "__builtins__")
_VARIABLES = ("globals", "locals", "vars", "dir", "eval", "exec")
_FRAMES = ("inspect.", "sys._getframe", "builtins.__import__")


@dataclass(frozen=True)
class Definition:
    """What the script gets: the name and the code of a function, and where each line of the code comes from."""

    function: Function
    name: str
    code: str
    lines: tuple[int, ...]
    """The line of the other file of each line of the code, counting from 1."""


@lru_cache(maxsize=16)
def program_of(text: str) -> Program:
    """The program of another file, with line feeds as its only line ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Program(cst.parse_module(text), text)


def definition(function: Function, given: dict[Function, str], names: Names, indent: str) -> Definition:
    """The function under its name in `given`, where all that are taken in with it have theirs.

    Raises:
        Stays: it would mean something else in the script.
    """
    modules = names.modules
    facts = modules.facts_of(function)
    if facts.starred and modules.starred(function.module, facts) is None:
        raise Stays(function, "its file has a `from ... import *`, which may bind any name")
    program = program_of(modules.file_of(function).text)
    node = next(one for one in program.find(cst.FunctionDef) if _is_top(program, one, function.name))
    _refuse(function, program, node)
    edits: dict[cst.CSTNode, cst.CSTNode | None] = {}
    _drop_annotations(program, node, edits)
    _name_taken(function, program, node, given, names, edits)
    values = [parameter.default for parameter in every_parameter(node.params) if parameter.default is not None]
    defaults = {name for value in values for name in program.find(cst.Name, value)}
    for name, variable in mentioned(program, node):
        if name not in edits and not any(isinstance(outer, cst.Annotation) for outer in program.ancestors(name)):
            new = names.expression(function, program, variable)
            if name in defaults and "." in new:
                raise Stays(function, f"{variable.name}, which is bound again, is a default of it")
            if new != variable.name:
                edits[name] = cst.parse_expression(new)
    new_node = apply(node.with_changes(leading_lines=[], name=cst.Name(given[function]), returns=None), edits)
    code = cst.Module([], default_indent=indent).code_for_node(new_node)
    before = cst.Module([]).code_for_node(node.with_changes(leading_lines=[]))
    return Definition(function, given[function], code, _lines(facts.functions[function.name], before, code))


def _is_top(program: Program, node: cst.FunctionDef, name: str) -> bool:
    return node.name.value == name and program.parent[node] is program.module


def _refuse(function: Function, program: Program, node: cst.FunctionDef) -> None:
    yields = any(program.enclosing_function(one) is node for one in program.find(cst.Yield, node))
    if node.asynchronous is not None or yields:
        raise Stays(function, "it is a generator or a coroutine")
    if program.find(cst.Global, node):
        raise Stays(function, "it binds global variables of its file")
    if any(line.relative for line in program.find(cst.ImportFrom, node)):
        raise Stays(function, "it imports from its own package")
    for name, variable in mentioned(program, node):
        call = program.parent[name]
        calls = isinstance(call, cst.Call) and call.func is name
        of_object = variable.name in ("vars", "dir") and isinstance(call, cst.Call) and bool(call.args)
        asks = variable.owner is None and variable.name in _VARIABLES and calls and not of_object
        if variable.name in _OF_THE_FILE or asks:
            raise Stays(function, f"it asks for {variable.name}, which belongs to its file")
        if (program.qualified_name(dotted_name(program, name)) or "").startswith(_FRAMES):
            raise Stays(function, "it looks at code that runs")


def _drop_annotations(program: Program, node: cst.FunctionDef, edits: dict[cst.CSTNode, cst.CSTNode | None]) -> None:
    """Nothing reads the annotations of a function that is only called, nor works out those of its variables."""
    for parameter in every_parameter(node.params):
        if parameter.annotation is not None:
            edits[parameter] = parameter.with_changes(annotation=None, equal=cst.MaybeSentinel.DEFAULT)
    for line in program.find(cst.AnnAssign, node):
        named = (program.variables.get(name) for name in program.find(cst.Name, line.annotation))
        foreign = any(variable is not None and variable.owner is not None for variable in named)
        if foreign and line.value is not None and program.scope_of(line).kind == "function":
            edits[line] = cst.Assign([cst.AssignTarget(line.target)], line.value)


def _name_taken(
    function: Function, program: Program, node: cst.FunctionDef, given: dict[Function, str], names: Names,
    edits: dict[cst.CSTNode, cst.CSTNode | None],
) -> None:  # fmt: skip
    """Calls of functions that are taken in too go by the names that those have in the script."""
    facts = names.modules.facts_of(function)
    found: list[tuple[Function, cst.CSTNode, bool]] = [
        (use.function, use.node, use.called) for use in uses(program, function.module, facts, names.modules)
    ]
    for name, variable in mentioned(program, node):
        if facts.function(variable.name) is not None:
            call = program.parent[name]
            called = isinstance(call, cst.Call) and call.func is name
            found.append((Function(function.module, variable.name), name, called))
    for other, place, called in found:
        if other in given and program.contains(node, place):
            if not called:
                raise Stays(other, f"{function.name}() hands it on")
            if not _is_free(program, place, given[other]):
                raise Stays(other, f"{function.name}() has a variable of the name that the script has for it")
            edits[place] = cst.Name(given[other])
            edits.update({inner: inner for inner in program.find(cst.Name, place) if inner is not place})


def _is_free(program: Program, place: cst.CSTNode, name: str) -> bool:
    """Whether no function around a mention has a variable of a name."""
    around = (program.scope.get(outer) for outer in program.ancestors(place))
    return all(scope is None or scope.kind == "module" or name not in scope.variables for scope in around)


def _lines(node: ast.FunctionDef, before: str, code: str) -> tuple[int, ...]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    count = code.count("\n") + 1
    if count == before.count("\n") + 1:
        return tuple(range(first, first + count))
    return tuple(first + same_line(before, code, line) - 1 for line in range(1, count + 1))
