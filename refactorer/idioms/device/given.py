"""What the driver gives to a parameter of a function that is entered: `train(model, loader, args.cuda)`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.outline.functions.inline import values_given
from refactorer.outline.outline import Outline


def given_to(outline: Outline, variable: Variable) -> list[cst.BaseExpression]:
    """What each call gives to a parameter that keeps its value, in names of the driver; none if that is not known."""
    program = outline.program
    parameter = program.definition(variable)
    function = program.enclosing_function(parameter) if isinstance(parameter, cst.Param) else None
    if not isinstance(parameter, cst.Param) or function not in outline.consumed:
        return []
    values = values_given(program, parameter) or []
    places = (outline.site.driver, program.scope[program.module])
    seen = all(used.owner in places for _, used in program.used(values))
    return values if seen else []
