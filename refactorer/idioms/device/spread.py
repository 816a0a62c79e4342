"""Networks in `DataParallel`, which moves every tensor that it is given to its devices by itself."""

from __future__ import annotations

import libcst as cst

from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_NAMES = ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel")


def is_spread(outline: Outline, call: cst.Call) -> bool:
    """Whether a call surely gives its arguments to a network in `DataParallel`.

    Any other network may want an argument on the CPU, such as the lengths of sequences.
    """
    program, driver = outline.program, outline.site.driver
    variable = outline.variable(call.func)
    if variable is None or variable.owner is None or variable.owner.node not in (driver.node, program.module):
        return False
    last = max(variable.writes, key=lambda seen: seen.order, default=None)
    if last is None or any(seen.scope is not variable.owner for seen in variable.writes):
        return False
    line = program.statement(last.node)
    value = program.bound_to(last.node)
    made = unmoved(value) if value is not None else None
    early = program.order[line] < program.order[outline.site.epoch_loop]
    reached = early and program.contains(program.parent[line], outline.site.epoch_loop)
    return reached and isinstance(made, cst.Call) and program.qualified_name(made.func) in _NAMES
