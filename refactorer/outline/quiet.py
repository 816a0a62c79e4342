"""Code that may run without gradients: under a `with` that may switch them off, or called from there."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.training.anchors import uses_of


def may_be_quiet(program: Program, node: cst.CSTNode) -> bool:
    """Whether a `with` block around a piece of code may switch gradients off."""
    around = (outer for outer in program.ancestors(node) if isinstance(outer, cst.With))
    managers = [item.item for outer in around for item in outer.items]
    names = [program.qualified_name(manager.func) for manager in managers if isinstance(manager, cst.Call)]
    return any(name is None or name.startswith("torch.") for name in names)


def may_be_run_quietly(program: Program, node: cst.CSTNode, seen: frozenset[cst.CSTNode] = frozenset()) -> bool:
    """Whether a call may be made without gradients, also by what calls the function that it stands in."""
    around = list(program.ancestors(node))
    managers = [item.item for outer in around if isinstance(outer, cst.With) for item in outer.items]
    if any(not isinstance(manager, cst.Call) for manager in managers) or may_be_quiet(program, node):
        return True
    for function in around:
        if not isinstance(function, cst.FunctionDef) or function in seen:
            continue
        names = [program.qualified_name(d.decorator) for d in function.decorators]
        if any(name is None or name.startswith("torch.") for name in names):
            return True
        if any(may_be_run_quietly(program, use, seen | {function}) for use in uses_of(program, function)):
            return True
    return False
