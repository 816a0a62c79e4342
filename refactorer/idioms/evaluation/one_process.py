"""Evaluations that one process may run by itself, while the others go on.

if rank == 0:
    accuracy = evaluate(model, val_loader)  # becomes `self.validate(alone=True)`

Nobody else joins it then: it goes over all of the data, and adds up no sums. `if local_rank == -1:` is no such
condition, since -1 is the number of no process: all of them meet it, or none does.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.parts import Evaluation
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.outline import Outline

_WORDS = ("rank", "master", "main_proc", "is_main", "chief", "first_worker")


def may_be_alone(outline: Outline, found: Evaluation) -> bool:
    """Whether some processes may run an evaluation that others do not."""
    around = [node for node in outline.program.ancestors(found.line) if isinstance(node, cst.If)]
    branches = [node for node in around if outline.program.contains(node.body, found.line)]
    met = [part for node in branches for part in _conditions(node.test)]
    if any(_names_process(part) and _is_minus_one(part) for part in met):
        return False
    return any(_names_process(node.test) for node in (*around, *_leaving(outline, found)))


def _leaving(outline: Outline, found: Evaluation) -> Iterator[cst.If]:
    """The conditions in front of an evaluation under which its hook ends."""
    order = outline.program.order
    place = order.get(found.line, len(order))
    conditions = (node for node in walk(*outline.lines(found.asks)) if isinstance(node, cst.If))
    earlier = (node for node in conditions if order.get(node, place) < place)
    return (node for node in earlier if loop_jumps([node]) or returns([node]))


def _conditions(test: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """What has to be true, all of it."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        yield from _conditions(test.left)
        yield from _conditions(test.right)
    else:
        yield test


def _is_minus_one(test: cst.BaseExpression) -> bool:
    """`local_rank == -1`"""
    target = test.comparisons[0] if isinstance(test, cst.Comparison) and len(test.comparisons) == 1 else None
    number = target.comparator if target is not None and isinstance(target.operator, cst.Equal) else None
    return number is not None and number.deep_equals(cst.parse_expression("-1"))


def _names_process(test: cst.BaseExpression) -> bool:
    """Whether a condition looks like one that holds in one process only."""
    names = [node.value for node in walk(test) if isinstance(node, cst.Name)]
    names += [node.attr.value for node in walk(test) if isinstance(node, cst.Attribute)]
    return any(word in name.lower() for name in names for word in _WORDS)
