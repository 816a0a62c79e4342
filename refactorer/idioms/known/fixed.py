"""Numbers that are known in front of the training, and that nothing changes during it."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.may_run import MayRun
from refactorer.outline.objects.constructed import is_behind_for_good
from refactorer.outline.objects.held import reflections
from refactorer.outline.outline import EPOCH_START, Outline
from refactorer.outline.places.liveness import Liveness
from refactorer.outline.setting import may_set, may_set_variables

_PARTS = (cst.Name, cst.Integer, cst.Attribute, cst.BinaryOperation, cst.BaseBinaryOp)


def fixed(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """An expression for the value that a node has in every step, to be evaluated in front of the training."""
    variable = outline.variable(node) if isinstance(node, cst.Name) else None
    line = parameter_line(outline, variable) if variable is not None else None
    if line is not None:
        small = line.body[0]
        assert isinstance(small, cst.Assign)
        return fixed(outline, small.value)
    if not all(isinstance(part, _PARTS) for part in walk(node) if isinstance(part, (cst.BaseExpression, *_PARTS))):
        return None
    named = {found for _, found in outline.uses(node)}
    attributes = {part.attr.value for part in walk(node) if isinstance(part, cst.Attribute)}
    stays = all(_keeps_its_value(outline, found) for found in named) and not _stored(outline, attributes)
    return node if stays else None


def parameter_line(outline: Outline, variable: Variable) -> cst.SimpleStatementLine | None:
    """The line at the start of the epoch that gives a parameter of an entered function its only value."""
    if len(variable.writes) != 1 or not isinstance(outline.program.parent.get(variable.writes[0].node), cst.Param):
        return None
    for line in outline.hooks.get(EPOCH_START, []):
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
        if isinstance(small, cst.Assign) and small.targets[0].target is variable.writes[0].node:
            assert isinstance(line, cst.SimpleStatementLine)
            return line
    return None


def _keeps_its_value(outline: Outline, variable: Variable) -> bool:
    """Whether the driver can name a variable, has bound it for certain, and nothing binds it during the training."""
    program, driver = outline.program, outline.site.driver
    if driver.lookup(variable.name) is not variable or not variable.writes:
        return False
    if variable.owner is driver and variable not in Liveness(outline, ()).surely_bound():
        return False
    places = [outline.site.epoch_loop, *outline.consumed]
    return not any(
        seen.scope is not variable.owner or any(program.contains(place, seen.node) for place in places)
        for seen in variable.writes
    )


def _stored(outline: Outline, attributes: set[str]) -> bool:
    """Whether one of some attributes, or any variable by way of its module, may get another value in the training."""
    program = outline.program
    by_name = (place for place in reflections(program) if not is_behind_for_good(outline, place))
    if attributes and next(by_name, None) is not None:
        return True
    running = MayRun(program, [outline.site.epoch_loop, *outline.consumed])
    return may_set(running, attributes) if attributes else may_set_variables(running)
