"""Variables of a part that a decision has settled: `loader = train_loader`, where it was one of several loaders."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.idioms.dividing.learning import assigned, is_set_first
from refactorer.outline.comments import comments_of
from refactorer.outline.training.known_values import Value, constant
from refactorer.outline.training.specialise import CannotSpecialise, specialise


def settled(program: Program, part: cst.FunctionDef, before: set[tuple[str, str]]) -> cst.FunctionDef:
    """A part without the variables that only give another name to something; `before` are lines of the whole function.

    A variable that the script itself sets in the same line, whatever the argument is, stays.
    """
    edits: dict[cst.CSTNode, Edit] = {}
    known: dict[Variable, Value] = {}
    gone: list[cst.CSTNode] = []
    for line, variable, value in _lines(program, part):
        if (variable.name, _code(value)) in before:
            continue
        plain = constant(value)
        if plain is not None:
            known[variable] = plain
            gone.append(line)
        elif _means_the_same(program, part, variable, value):
            edits |= {seen.node: value.with_changes(lpar=[], rpar=[]) for seen in variable.reads}
            edits[line] = Removed(comments_of(line))
    if known:
        try:
            body = specialise(program, part.body.body, known, (), gone)
        except CannotSpecialise:
            return part
        return part.with_changes(body=part.body.with_changes(body=body))
    return apply(part, edits)


def assignments(program: Program, function: cst.FunctionDef) -> set[tuple[str, str]]:
    """Which variables a function sets to what, in the lines that are the only ones to set them."""
    return {(variable.name, _code(value)) for _, variable, value in _lines(program, function)}


def _lines(
    program: Program, function: cst.FunctionDef
) -> Iterator[tuple[cst.SimpleStatementLine, Variable, cst.BaseExpression]]:
    for line in program.find(cst.SimpleStatementLine, function):
        target = assigned(line)
        variable = program.variables.get(target) if target is not None else None
        if variable is None or len(variable.writes) != 1 or variable.owner is not program.scope[function]:
            continue
        if variable.reads and is_set_first(program, variable, line):
            yield line, variable, line.body[0].value  # type: ignore[attr-defined]


def _means_the_same(program: Program, part: cst.FunctionDef, variable: Variable, value: cst.BaseExpression) -> bool:
    """Whether another variable may be named instead wherever a variable is read."""
    other = program.variables.get(value) if isinstance(value, cst.Name) else None
    scope = program.scope[part]
    if other is None or other.owner is None or any(seen.scope.function is not scope for seen in variable.reads):
        return False
    if any(seen.access == "update" or seen.scope.lookup(other.name) is not other for seen in variable.reads):
        return False
    if other.owner is scope and not isinstance(program.definition(other), cst.Param):
        return False
    return all(seen.scope.function is other.owner for seen in other.writes)


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
