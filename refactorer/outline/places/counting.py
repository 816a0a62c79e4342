"""Counts of batches that the script makes itself, where the Trainer's `global_step` is the same number.

global_step = 0
for epoch in range(epochs):
    for batch in loader:
        ...
        optimizer.step()
        global_step += 1
        writer.add_scalar("loss", loss, global_step)

The Trainer counts the steps of the optimizer: as many as batches where each of them ends in one.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.outline.comments import comments_of
from refactorer.outline.control import returns
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_END,
    EPOCH_START,
    STEP,
    VALIDATION_HOOKS,
)
from refactorer.outline.places.accumulators import assigned_pairs
from refactorer.outline.places.plain_starts import plain_start
from refactorer.outline.places.supplied import Supplying

_OF_BATCH = (STEP, AFTER_BACKWARD, BEFORE_STEP, BATCH_END)
_BETWEEN_BATCHES = (EPOCH_START, EPOCH_END, *VALIDATION_HOOKS)


class Counting(Supplying):
    """Gives a home to the counts that `global_step` is the same as, and takes out the lines that count."""

    def supply(self) -> None:
        super().supply()
        if not self._steps_once_a_batch():
            return
        for hook in (STEP, BATCH_END):
            for line in list(self.outline.hooks.get(hook, [])):
                if returns([line]):
                    break
                self._leave_to_trainer(hook, line)

    def _steps_once_a_batch(self) -> bool:
        """Whether every batch of a training ends in one step of the one optimizer."""
        outline, roles = self.outline, self.roles
        plain = outline.automatic and not outline.accumulates and not outline.stepping and not outline.always
        known = roles.renewed is None and (roles.optimizer is not None or roles.held is not None)
        *others, last = outline.hooks[STEP]
        ends = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return)
        return plain and known and not returns(others if ends else outline.hooks[STEP])

    def _leave_to_trainer(self, hook: str, line: cst.CSTNode) -> None:
        variable = self._counted(line)
        first = plain_start(self, variable) if variable is not None else None
        start = self._start(variable, first) if variable is not None and first is not None else None
        if variable is None or first is None or start is None or self._is_seen_otherwise(variable):
            return
        ahead = self._ahead(variable, hook, line)
        if ahead is None or any(not -1 <= start + more <= 1 for more in (0, *ahead.values())):
            return
        self.homes.expression[variable] = _count(start)
        self.homes.at.update({node: _count(start + more) for node, more in ahead.items()})
        self.homes.needless[variable] = first
        self.outline.edit(hook, {line: None})
        if not self.outline.hooks[hook] and hook == BATCH_END:
            del self.outline.hooks[hook]

    def _counted(self, line: cst.CSTNode) -> Variable | None:
        """The variable of a line `x += 1`, if no other line of the training binds it."""
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
        if not isinstance(small, cst.AugAssign) or not isinstance(small.operator, cst.AddAssign) or comments_of(line):
            return None
        variable = self.outline.variable(small.target) if isinstance(small.target, cst.Name) else None
        one = isinstance(small.value, cst.Integer) and small.value.value == "1"
        return variable if one and variable is not None and len(variable.writes) == 2 else None

    def _start(self, variable: Variable, line: cst.SimpleStatementLine) -> int | None:
        """The number from which the script counts, as a line in front of the training says."""
        small = line.body[0]
        if not isinstance(small, cst.Assign) or len(small.targets) > 1:
            return None
        given = {self.outline.variable(name): value for name, value in assigned_pairs(small)}
        if len(given) == 1 and comments_of(line):
            return None
        value, below = given[variable], 1
        if isinstance(value, cst.UnaryOperation) and isinstance(value.operator, cst.Minus):
            value, below = value.expression, -1
        return below * value.evaluated_value if isinstance(value, cst.Integer) else None

    def _is_seen_otherwise(self, variable: Variable) -> bool:
        """Whether more than the hooks of the epochs looks at a count, or at another time."""
        outline = self.outline
        hooks = {hook for hook, body in self._ordered() if outline.mentions(variable, *body)}
        known = {*_OF_BATCH, *_BETWEEN_BATCHES}
        midway = outline.asked is not None and not hooks.isdisjoint(VALIDATION_HOOKS)
        others = outline.mentions(variable, *self.configuration.moved) or not hooks <= known or midway
        kept = self._shared(variable) or self._is_lent(variable) or self._captured(variable)
        return others or kept or variable in self._read_behind_asked or variable in self.read_behind_training()

    def _ahead(self, variable: Variable, counting: str, line: cst.CSTNode) -> dict[cst.CSTNode, int] | None:
        """By how much the count is ahead of the steps, for each name that reads it; None where it is behind them."""
        found: dict[cst.CSTNode, int] = {}
        for hook, body in self._ordered():
            more = _comes_behind(hook, counting) - (hook == BATCH_END) if hook in _OF_BATCH else 0
            for other in body:
                if other is line:
                    more += 1
                    continue
                for node, used in self.outline.uses(other):
                    if used is variable and (more < 0 or found.setdefault(node, more) != more):
                        return None
        return found


def _count(more: int) -> cst.BaseExpression:
    """How often the optimizer has stepped, and some more."""
    added = {-1: " - 1", 0: "", 1: " + 1"}[more]
    return cst.parse_expression(f"self.global_step{added}")


def _comes_behind(hook: str, other: str) -> bool:
    """Whether a hook runs behind another one for the same batch."""
    return _OF_BATCH.index(hook) > _OF_BATCH.index(other)
