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


def is_counted(outline: Outline, iterable: cst.CSTNode | None, seen: frozenset[Variable] = frozenset()) -> bool:
    """Whether an iterable is `tqdm(enumerate(...))`, in any case, whose items begin with a number."""
    if isinstance(iterable, cst.Call):
        name = outline.program.qualified_name(iterable.func) or ""
        wraps = "tqdm" in name.lower() and bool(iterable.args)
        return name == "builtins.enumerate" or (wraps and is_counted(outline, iterable.args[0].value, seen))
    variable = outline.variable(iterable)
    if variable is None or variable in seen:
        return variable is not None
    values = [outline.program.bound_to(write.node) for write in variable.writes]
    return bool(values) and all(is_counted(outline, value, seen | {variable}) for value in values)


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
