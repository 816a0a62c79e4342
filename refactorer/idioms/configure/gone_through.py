"""What lines that choose parameters go through, or look for a name in: it has to be the same at the training.

no_decay = ["bias", "LayerNorm.weight"]
chosen = [p for n, p in model.named_parameters() if not any(part in n for part in no_decay)]

A list may change by another name, an iterator is empty once it has been asked, and a container of a class of the script
runs its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libcst as cst

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.outline import Outline

_ALL = ("builtins.list", "builtins.dict", "builtins.any", "builtins.all", "itertools.chain")
_BUT_FIRST = ("builtins.filter", "builtins.map")
_ASKING = {
    f"builtins.{name}" for name in ("list", "tuple", "set", "any", "all", "len", "print", "enumerate", "sorted")
}  # fmt: skip
_NEW = ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted")
_DISPLAYS = (cst.List, cst.Tuple, cst.Set)
_AT_ONCE = (cst.ListComp, cst.GeneratorExp, cst.Dict, cst.Call, cst.BaseString, *_DISPLAYS)


def goes_through_known(outline: Outline, moved: Mapping[Variable, cst.BaseExpression]) -> bool:
    """Whether all that some expressions go through is the same at the training; they are bound to variables there."""
    program = outline.program
    if any(node.name.value == "__eq__" for node in program.find(cst.FunctionDef)):
        return False
    return all(
        _is_known(outline, found, value, moved) for value in moved.values() for found in _gone_through(program, value)
    )


def _gone_through(program: Program, value: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    for node in walk(value):
        if isinstance(node, cst.CompFor):
            yield node.iter
        elif isinstance(node, cst.ComparisonTarget) and isinstance(node.operator, (cst.In, cst.NotIn)):
            yield node.comparator
        elif isinstance(node, cst.Call):
            name = program.qualified_name(node.func)
            args = node.args if name in _ALL else node.args[1:] if name in _BUT_FIRST else ()
            yield from (arg.value for arg in args if arg.keyword is None)
        elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
            sides = (node.left, node.right)
            yield from () if any(isinstance(side, cst.BaseNumber) for side in sides) else sides


def _is_known(
    outline: Outline, node: cst.BaseExpression, value: cst.BaseExpression, moved: Mapping[Variable, cst.BaseExpression]
) -> bool:
    """Whether a container is made at once, or bound by the expression itself, or nothing can change it."""
    program = outline.program
    if isinstance(node, cst.BinaryOperation):
        return all(_is_known(outline, part, value, moved) for part in (node.left, node.right))
    if isinstance(node, cst.IfExp):
        return all(_is_known(outline, part, value, moved) for part in (node.body, node.orelse))
    if isinstance(node, cst.Attribute):
        named = (found for found in program.find(cst.Attribute) if found.attr.value == node.attr.value)
        return is_setting(program, node) and all(_is_only_gone_through(program, found) for found in named)
    if not isinstance(node, cst.Name):
        return isinstance(node, _AT_ONCE)
    variable = outline.variable(node)
    if variable is None:
        return False
    if variable in moved:
        return _is_known(outline, moved[variable], moved[variable], moved)
    own = all(program.contains(value, seen.node) for seen in variable.writes)
    return own or _stays_as_made(program, variable)


def _stays_as_made(program: Program, variable: Variable) -> bool:
    """Whether a variable holds a container that the script makes, and only goes through."""
    made = program.assigned_value(variable)
    constant = isinstance(made, _DISPLAYS) and all(is_constant(element.value) for element in made.elements)
    if isinstance(made, cst.BaseString) or (constant and isinstance(made, cst.Tuple)):
        return True
    new = isinstance(made, cst.Call) and program.qualified_name(made.func) in _NEW
    if not constant and not new and not isinstance(made, cst.ListComp):
        return False
    return all(_is_only_gone_through(program, seen.node) for seen in variable.reads)


def _is_only_gone_through(program: Program, node: cst.CSTNode) -> bool:
    parent = program.parent[node]
    if isinstance(parent, (cst.CompFor, cst.For)):
        return parent.iter is node
    if isinstance(parent, cst.ComparisonTarget):
        return isinstance(parent.operator, (cst.In, cst.NotIn))
    call = program.parent[parent] if isinstance(parent, cst.Arg) and not parent.star else None
    return isinstance(call, cst.Call) and program.qualified_name(call.func) in _ASKING
