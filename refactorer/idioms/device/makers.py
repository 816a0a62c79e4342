"""What makes the batches: whether a batch can be an object with a `to()` of its own, and whether it is counted."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.device.data import only_moves
from refactorer.idioms.device.twins import passed_on
from refactorer.outline.outline import Outline

_LOADERS = ("torch_geometric.loader.", "torch_geometric.data.", "dgl.dataloading.")


def gives_plain_batches(outline: Outline, iterable: cst.BaseExpression | None) -> bool:
    """Whether the `to()` of a batch surely moves its tensors and does nothing else.

    So it is where the whole script, or all that the loader is made of, is code whose ways are known.
    """
    program = outline.program
    if not program.star_imports and all(map(only_moves, program.imports.values())):
        return True
    maker = _seen_through(outline, iterable)
    name = program.qualified_name(maker.func) if isinstance(maker, cst.Call) else None
    return maker is not None and (name or "").startswith(_LOADERS) and _is_known(outline, maker, set())


def is_counted(outline: Outline, iterable: cst.BaseExpression | None) -> bool:
    """Whether an iterable is `tqdm(enumerate(...))`, whose items begin with a number."""
    value = outline.program.assigned_value(outline.variable(iterable)) if isinstance(iterable, cst.Name) else iterable
    while isinstance(value, cst.Call) and value.args:
        name = outline.program.qualified_name(value.func) or ""
        if name == "builtins.enumerate":
            return True
        if not name.startswith("tqdm."):
            return False
        value = value.args[0].value
    return False


def _seen_through(outline: Outline, iterable: cst.BaseExpression | None) -> cst.BaseExpression | None:
    """What makes a loader: seen through progress bars, and through the parameter of the driver."""
    program = outline.program
    while isinstance(iterable, (cst.Call, cst.Name)):
        if isinstance(iterable, cst.Call):
            name = program.qualified_name(iterable.func) or ""
            if not iterable.args or not (name.startswith("tqdm.") or name == "builtins.enumerate"):
                return iterable
            iterable = iterable.args[0].value
            continue
        variable = outline.variable(iterable)
        origin = next((v for v, parameter in passed_on(outline).items() if parameter is variable), variable)
        iterable = program.assigned_value(origin)
    return None


def _is_known(outline: Outline, node: cst.CSTNode, seen: set[Variable]) -> bool:
    """Whether all that an expression is computed from comes from known libraries and from the file itself."""
    program = outline.program
    for name in walk(node):
        variable = program.variables.get(name)
        if not isinstance(name, cst.Name) or variable is None or variable in seen or variable.owner is None:
            continue
        seen.add(variable)
        for write in variable.writes:
            full = program.imports.get(write.node)
            value = program.bound_to(write.node)
            if full is not None:
                if not only_moves(full):
                    return False
            elif value is None or not _is_known(outline, value, seen):
                return False
    return True
