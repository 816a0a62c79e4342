"""What a name gets out of a tuple: the element of a function's result that stands in its place."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.control import returns, suspensions


def tuple_place(program: Program, name: cst.CSTNode) -> cst.BaseExpression | None:
    """The expression for one name of `a, b = make()`: the element that the only `return` of `make` has there.

    A call of an imported function is given itself: it stands for each of the parts that it returns.
    """
    element = program.parent.get(name)
    target = program.parent.get(element) if isinstance(element, cst.Element) else None
    place = program.parent.get(target) if isinstance(target, (cst.Tuple, cst.List)) else None
    assign = program.parent.get(place) if isinstance(place, cst.AssignTarget) else None
    if not isinstance(assign, cst.Assign) or not isinstance(target, (cst.Tuple, cst.List)):
        return None
    index = [e.value for e in target.elements].index(name)  # type: ignore[arg-type]
    value = _returned(program, assign.value) or assign.value
    if isinstance(value, cst.Tuple) and len(value.elements) == len(target.elements):
        return value.elements[index].value
    return value if isinstance(value, cst.Call) and program.qualified_name(value.func) is not None else None


def tuple_element(program: Program, name: cst.CSTNode) -> cst.BaseExpression | None:
    """As `tuple_place`, for tuples that this file writes out; None for what comes out of anything else."""
    value = tuple_place(program, name)
    element = program.parent.get(value) if value is not None else None
    return value if isinstance(element, cst.Element) else None


def value_of(program: Program, name: cst.CSTNode) -> cst.BaseExpression | None:
    """What an assignment binds a name to, alone or in a tuple that the file writes out; None for any other way."""
    return program.bound_to(name) or tuple_element(program, name)


def _returned(program: Program, value: cst.BaseExpression) -> cst.BaseExpression | None:
    """What a call of a function of this file returns, if it has one `return`."""
    function = program.function(value.func) if isinstance(value, cst.Call) else None
    results = returns(function.body.body) if function is not None and not function.decorators else []
    return results[0].value if len(results) == 1 else None


def gives_tuples(program: Program, call: cst.Call, length: int) -> bool:
    """Whether a function of the file returns a tuple of this length, written out, in any case."""
    function = program.function(call.func)
    if function is None or function.decorators or function.asynchronous or suspensions(function.body.body):
        return False
    last = function.body.body[-1]
    ends = isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return)
    return ends and all(_is_tuple(found.value, length) for found in returns(function.body.body))


def _is_tuple(value: cst.BaseExpression | None, length: int) -> bool:
    plain = isinstance(value, cst.Tuple) and all(isinstance(element, cst.Element) for element in value.elements)
    return plain and len(value.elements) == length  # type: ignore[union-attr]
