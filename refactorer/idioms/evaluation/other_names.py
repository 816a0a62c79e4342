"""Names under which an evaluation knows values that it did not compute, which may need gradients.

    tl = loss  # of the training
    with torch.no_grad():
        best = kept[0]
    print(tl - best)  # has a gradient if one of the two has

A new name changes nothing. What is computed from it depends on whether gradients are on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.outline.outline import Outline
from refactorer.outline.torch_names import unmoved

_GIVING = {f"builtins.{name}" for name in ("max", "min", "next", "getattr", "list", "tuple", "dict", "sorted", "iter")}
_SAYING = {f"builtins.{name}" for name in ("print", "len", "int", "float", "str", "range", "format", "repr", "type")}
_COMPUTING = (cst.BinaryOperation, cst.UnaryOperation, cst.AugAssign, cst.Subscript)


def computes(program: Program, line: cst.CSTNode) -> bool:
    """Whether a statement makes something new of the values that it names, instead of handing them on."""
    for node in walk(line):
        if isinstance(node, _COMPUTING) and not isinstance(getattr(node, "operator", None), cst.Not):
            return True
        name = program.qualified_name(node.func) if isinstance(node, cst.Call) else None
        if name is not None and name.startswith("builtins.") and name not in _SAYING:
            return True
    return False


def names_bound(line: cst.CSTNode) -> set[cst.Name]:
    """The names that plain assignments of a statement bind."""
    assigns = (node for node in walk(line) if isinstance(node, cst.Assign))
    return {name for node in assigns for target in node.targets for name in names_in(target.target)}


def other_names(
    outline: Outline, lines: Iterable[cst.CSTNode], quiet: Sequence[cst.CSTNode], known: Callable[[Variable], bool]
) -> set[Variable]:
    """The variables that some lines bind to what may need gradients; `quiet` are the lines that run without them.

    `known` says of the variables that the lines read which ones hold nothing of the kind.
    """
    silent = {id(node) for node in walk(*quiet) if isinstance(node, (cst.Assign, cst.For))}
    assigns = [node for node in walk(*lines, *quiet) if isinstance(node, (cst.Assign, cst.For))]
    found: set[Variable] = set()
    grown = True
    while grown:
        before = len(found)
        for node in assigns:
            value = node.value if isinstance(node, cst.Assign) else node.iter
            if _gives(outline, value, id(node) in silent, found, known):
                targets = [t.target for t in node.targets] if isinstance(node, cst.Assign) else [node.target]
                names = (outline.variable(name) for target in targets for name in names_in(target))
                found |= {variable for variable in names if variable is not None}
        grown = len(found) > before
    return found


def _gives(
    outline: Outline, value: cst.CSTNode, silent: bool, found: Collection[Variable], known: Callable[[Variable], bool]
) -> bool:
    """Whether an expression may give what needs gradients: any that mentions it, or hands it on if `silent`."""
    value = unmoved(value)
    parts: list[cst.CSTNode] = []
    if not silent:
        parts = [node for node in walk(value) if isinstance(node, cst.Name)]
    elif isinstance(value, (cst.Attribute, cst.Subscript)):
        parts = [value.value]
    elif isinstance(value, (cst.List, cst.Tuple, cst.Set, cst.Dict)):
        parts = [element.value for element in value.elements]
    elif isinstance(value, cst.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, cst.BooleanOperation):
        parts = [value.left, value.right]
    elif isinstance(value, cst.Call):
        own = outline.program.function(value.func) is not None
        if own or outline.program.qualified_name(value.func) in _GIVING:
            parts = [arg.value for arg in value.args]
        elif isinstance(value.func, cst.Attribute) and value.func.attr.value in ("values", "items", "get", "pop"):
            parts = [value.func.value]
    if isinstance(value, cst.Name):
        variable = outline.variable(value)
        return variable is not None and variable.owner is not None and (variable in found or not known(variable))
    return any(_gives(outline, part, silent, found, known) for part in parts)
