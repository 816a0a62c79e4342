"""Names under which an evaluation knows values that it did not compute, which may need gradients.

    tl = loss  # of the training
    with torch.no_grad():
        best = kept[0]
    print(tl - best)  # has a gradient if one of the two has

A new name changes nothing. What is computed from it depends on whether gradients are on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.evaluation.filled import STORING
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_GIVING = {f"builtins.{name}" for name in ("max", "min", "next", "getattr", "list", "tuple", "dict", "sorted", "iter")}
_SAYING = {f"builtins.{name}" for name in ("print", "len", "int", "float", "str", "range", "format", "repr", "type")}
COMPUTING_FUNCTIONS = ("numpy.", "torch.cat", "torch.stack", "torch.tensor")
COMPUTING_METHODS = ("mean", "sum", "std", "max", "min", "astype", "long", "float", "double")
_HANDING_OUT = ("values", "items", "get", "pop", "parameters", "named_parameters", "modules", "children")
_COMPUTING = (cst.BinaryOperation, cst.UnaryOperation, cst.AugAssign, cst.Subscript)


def computes(program: Program, line: cst.CSTNode) -> bool:
    """Whether a statement makes something new of the values that it names, instead of handing them on."""
    for node in walk(line):
        if isinstance(node, _COMPUTING) and not isinstance(getattr(node, "operator", None), cst.Not):
            return True
        name = program.qualified_name(node.func) if isinstance(node, cst.Call) else None
        if name is not None and name.startswith(("builtins.", *COMPUTING_FUNCTIONS)) and name not in _SAYING:
            return True
        if (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value in COMPUTING_METHODS
        ):
            return True
    return False


def names_bound(line: cst.CSTNode) -> set[cst.Name]:
    """The names that plain assignments of a statement bind."""
    assigns = (node for node in walk(line) if isinstance(node, cst.Assign))
    return {name for node in assigns for target in node.targets for name in names_in(target.target)}


def other_names(
    outline: Outline, lines: Iterable[cst.CSTNode], quiet: Sequence[cst.CSTNode], known: Callable[[Variable], bool]
) -> set[Variable]:
    """The variables that some lines bind to what may need gradients, or put it into.

    `quiet` are the lines that run without gradients; `known` says of the variables that the lines read which ones hold
    nothing of the kind.
    """
    silent = {id(node) for node in walk(*quiet)}
    nodes = [node for node in walk(*lines, *quiet) if isinstance(node, (cst.Assign, cst.AugAssign, cst.For, cst.Expr))]
    nodes = [node for node in nodes if id(node) not in silent or not _adds_to_number(outline, node)]
    bound = [(id(node) in silent, targets, values) for node in nodes for targets, values in _bindings(node)]
    found: set[Variable] = set()
    grown = True
    while grown:
        before = len(found)
        for quietly, targets, values in bound:
            if any(_gives(outline, value, quietly, found, known) for value in values):
                names = [name for target in targets for name in _named(outline, target)]
                found |= {variable for name in names if (variable := outline.variable(name)) is not None}
        grown = len(found) > before
    return found


def _bindings(node: cst.CSTNode) -> Iterator[tuple[Sequence[cst.CSTNode], Sequence[cst.CSTNode]]]:
    """What a statement binds or puts something into, and the values that it gives them."""
    if isinstance(node, cst.Assign):
        yield [target.target for target in node.targets], [node.value]
    elif isinstance(node, cst.AugAssign):
        yield [node.target], [node.value]
    elif isinstance(node, cst.For):
        yield [node.target], [node.iter]
    elif isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        call, given = node.value, [arg.value for arg in node.value.args]
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in STORING:
            yield [call.func.value], given
        elif isinstance(call.func, cst.Name) and call.func.value != "print":
            yield given, given


def _adds_to_number(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a statement adds to a variable that begins as a number: such a sum is computed, and keeps nothing."""
    variable = outline.variable(node.target) if isinstance(node, cst.AugAssign) else None
    writes = variable.writes if variable is not None else []
    starts = [seen.node for seen in writes if not isinstance(outline.program.parent.get(seen.node), cst.AugAssign)]
    return bool(starts) and all(isinstance(outline.program.bound_to(start), cst.BaseNumber) for start in starts)


def _named(outline: Outline, target: cst.CSTNode) -> list[cst.Name]:
    """The names that a target binds, or that of the object that it is a part of."""
    root = root_of(outline, target)
    return [root] if isinstance(root, cst.Name) else names_in(target)


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
        elif isinstance(value.func, cst.Attribute) and value.func.attr.value in _HANDING_OUT:
            parts = [value.func.value]
    if isinstance(value, cst.Name):
        variable = outline.variable(value)
        return variable is not None and variable.owner is not None and (variable in found or not known(variable))
    return any(_gives(outline, part, silent, found, known) for part in parts)
