"""`disable=` of a progress bar, as an argument of the Trainer."""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.progress.bars import Bar
from refactorer.idioms.progress.effects import is_simple
from refactorer.idioms.shapes import negated
from refactorer.outline.outline import Outline


def switch_obstacle(outline: Outline, bar: Bar, given: cst.BaseExpression | None) -> str | None:
    """Why what switches a bar off cannot be asked in front of the training; `given` is what another bar asks for."""
    if bar.disabled is None or _code(bar.disabled) == "True":
        wanted = "True"
    elif not is_simple(outline.program, bar.disabled):
        return "what disables it calls something"
    elif not _is_known_in_front(outline, bar.disabled):
        return "what disables it is not known in front of the training"
    else:
        wanted = _code(negated(bar.disabled))
    if bar.disabled is not None and _code(bar.disabled) == "True":
        return None
    return "another one is disabled otherwise" if given is not None and _code(given) != wanted else None


def _is_known_in_front(outline: Outline, node: cst.BaseExpression) -> bool:
    program, driver = outline.program, outline.site.driver
    places = [outline.site.epoch_loop, *outline.consumed]
    for _, variable in outline.uses(node):
        if variable.owner not in (None, driver, program.scope[program.module]):
            return False
        if variable.owner is driver or variable.owner is None:
            visible = True
        else:
            visible = driver.lookup(variable.name) is variable
        bound = [seen.node for seen in variable.writes if seen.node in program.order]
        if not visible or any(program.contains(place, seen) for place in places for seen in bound):
            return False
    return True


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
