"""A loader that is made right in front of its evaluation: `val_dataloader` makes it, each time the module asks for one.

For a test it is `test_dataloader`.

def evaluate(model, dataset):
    losses = []
    loader = DataLoader(dataset, batch_size=8)  # goes to `val_dataloader`, with all that it needs
    for x, y in loader:
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.modes import uses_mode
from refactorer.idioms.evaluation.parts import Evaluation
from refactorer.idioms.shapes import mode_line
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

_PLAIN = (cst.BaseNumber, cst.SimpleString, cst.List, cst.Dict, cst.Tuple, cst.Element)


def apart(
    outline: Outline, roles: Roles, found: Evaluation, lines: Sequence[cst.CSTNode]
) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """The lines in front of a loop that make its loader, and the rest; all keep their order, but for plain starts."""
    iterable = found.source(outline).iterable
    assert iterable is not None
    used = {variable for _, variable in outline.uses(iterable)}
    writes = [any(outline.is_write(n) and v in used for n, v in outline.uses(line)) for line in lines]
    if not any(writes):
        return [], list(lines)
    end = len(lines) - writes[::-1].index(True)
    front = list(lines[:end])
    waits = [line for line in front if _can_wait(outline, roles, found, line, [*front, iterable])]
    return [line for line in front if line not in waits], [*waits, *lines[end:]]


def _can_wait(
    outline: Outline, roles: Roles, found: Evaluation, line: cst.CSTNode, front: Sequence[cst.CSTNode]
) -> bool:
    """Whether a line does the same behind those that make the loader: `total = 0`, `model.eval()`."""
    others = [other for other in front if other is not line]
    if mode_line(outline, line, roles.model, "eval"):
        assert roles.model is not None
        return not uses_mode(outline, roles.model, *others)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or not all(isinstance(part, _PLAIN) for part in walk(small.value)):
        return False
    variables = {outline.variable(name) for target in small.targets for name in names_in(target.target)}
    own = all(v is not None and v.owner is not None and v.owner.node is found.function for v in variables)
    plain = all(names_in(target.target) for target in small.targets)
    return own and plain and not any(v in variables for _, v in outline.uses(*others))
