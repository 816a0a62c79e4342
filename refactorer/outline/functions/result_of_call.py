"""A call that is entered leaves the statement around it: what it returned goes in its place."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import children, walk
from refactorer.emit.edits import apply
from refactorer.outline.refusal import PlainerView
from refactorer.outline.worked_out import computes


def returned_statement(
    program: Program, line: cst.CSTNode, call: cst.Call, value: cst.BaseExpression | None
) -> list[cst.CSTNode]:
    """The calling statement with the returned expression in the place of the call; nothing if no one wants it."""
    assert isinstance(line, cst.SimpleStatementLine)
    if len(line.body) == 1 and isinstance(line.body[0], cst.Expr) and line.body[0].value is call:
        if value is None or not does_something(program, value):
            return []
        return [line.with_changes(body=[cst.Expr(value)])]
    small = line.body[0]
    if len(line.body) > 1 or not isinstance(small, (cst.Assign, cst.Expr, cst.AugAssign)):
        raise PlainerView(call, "the call stands inside a larger statement")
    if isinstance(small, cst.AugAssign) and not isinstance(small.target, cst.Name):
        raise PlainerView(call, "what the call is added to is read before it")
    if small not in program.order:
        raise PlainerView(call, "another call in its statement has been entered")
    _check_order(program, small, call)
    _check_strings(program, call, value)
    return [apply(line, {call: value if value is not None else cst.Name("None")})]


def does_something(program: Program, value: cst.BaseExpression) -> bool:
    """Whether somebody may notice that an expression is not evaluated: it calls, or asks for what is worked out."""
    return any(
        isinstance(part, (cst.Call, cst.Await))
        or (isinstance(part, cst.Attribute) and computes(program, part.attr.value))
        for part in walk(value)
    )


def returned_value(
    program: Program, line: cst.CSTNode, call: cst.Call, value: cst.BaseExpression | None
) -> cst.BaseExpression:  # fmt: skip
    """What a line `return function(...)` returns, with the value of the call in its place.

    Raises:
        PlainerView: the line does more, or the value would mean something else there.
    """
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Return) or small.value is None:
        raise PlainerView(call, "the call stands inside a larger statement")
    _check_order(program, small, call)
    _check_strings(program, call, value)
    given = value if value is not None else cst.Name("None")
    return given if small.value is call else apply(small.value, {call: given})


def _check_order(
    program: Program, small: cst.Assign | cst.Expr | cst.AugAssign | cst.Return, call: cst.Call
) -> None:  # fmt: skip
    """Raises unless what Python evaluates in front of the call is the same behind it, and the call runs once."""
    first = [small.target] if isinstance(small, cst.AugAssign) else []
    early = [*first, *((_in_front(small.value, call) if small.value is not None else None) or [])]
    for part, variable in program.used(early):
        by_others = any(seen.scope.function is not variable.owner for seen in variable.writes)
        if by_others and program.access(part) != "write":
            raise PlainerView(call, f"{variable.name} is read before the call, which may change it")
    if _may_not_run(program, call) or not all(_is_lasting(program, part) for part in early):
        raise PlainerView(call, "the call stands inside a larger expression")


def _in_front(node: cst.CSTNode, call: cst.Call) -> list[cst.CSTNode] | None:
    """The largest parts of an expression that are evaluated before a call in it; None without the call."""
    parts: list[cst.CSTNode] = []
    for child in children(node):
        if child is call:
            return parts
        inner = _in_front(child, call)
        if inner is not None:
            return [*parts, *inner]
        parts.append(child)
    return [] if node is call else None


def _may_not_run(program: Program, call: cst.Call) -> bool:
    """Whether an expression around a call may leave it out, or make it later or more than once."""
    node: cst.CSTNode = call
    while isinstance(around := program.parent.get(node), _PARTS):
        if isinstance(around, (cst.Lambda, cst.BaseComp, cst.CompFor, cst.CompIf, cst.Await, cst.Yield)):
            return True
        if isinstance(around, cst.IfExp) and node is not around.test:
            return True
        if isinstance(around, cst.BooleanOperation) and node is not around.left:
            return True
        if isinstance(around, cst.Comparison) and node not in (around.left, around.comparisons[0]):
            return True
        node = around
    return False


def _is_lasting(program: Program, part: cst.CSTNode) -> bool:
    """Whether a part of an expression means the same behind the training: a name, a literal, a method, a count."""
    if isinstance(part, (cst.Name, cst.BaseNumber, cst.SimpleString)) or not isinstance(part, _PARTS):
        return True
    if isinstance(part, (cst.StarredElement, cst.StarredDictElement)) or (isinstance(part, cst.Arg) and part.star):
        return False
    if isinstance(part, (cst.Tuple, cst.List, cst.Dict, cst.Arg, cst.BaseElement, cst.BaseDictElement)):
        return all(_is_lasting(program, child) for child in children(part))
    if isinstance(part, cst.Attribute):
        outer = program.parent.get(part)
        return isinstance(outer, cst.Call) and outer.func is part and _is_method(program, part.value)
    inside = list(walk(part))
    if any(isinstance(child, (cst.Call, cst.Subscript, cst.Attribute, cst.BaseComp, cst.Await)) for child in inside):
        return False
    return all(_is_count(program, variable) for _, variable in program.used([part]))


def _is_method(program: Program, owner: cst.BaseExpression) -> bool:
    """Whether the object whose method is called is a name, a module, or an entry that stays in a dictionary."""
    imported = program.qualified_name(owner) is not None
    return isinstance(owner, cst.Name) or imported or _is_own_entry(program, owner)


def _is_own_entry(program: Program, node: cst.BaseExpression) -> bool:
    """`losses["train"]` of `losses = {"train": [], ...}`, which is only subscripted and printed, and in no function."""
    if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Name) or len(node.slice) != 1:
        return False
    variable, index = program.variables.get(node.value), node.slice[0].slice
    made = program.bound_to(variable.writes[0].node) if variable is not None and len(variable.writes) == 1 else None
    if variable is None or not isinstance(made, cst.Dict) or not isinstance(index, cst.Index):
        return False
    key = index.value
    keys = [
        e.key.value for e in made.elements if isinstance(e, cst.DictElement) and isinstance(e.key, cst.SimpleString)
    ]
    if not isinstance(key, cst.SimpleString) or key.value not in keys:
        return False
    return all(_leaves_entries(program, seen, variable) for seen in variable.reads)


def _leaves_entries(program: Program, seen: Occurrence, variable: Variable) -> bool:
    """Whether a place that reads a dictionary keeps to its entries as they are, and hands it to nobody."""
    place = program.parent.get(seen.node)
    if seen.scope is not variable.owner:
        return False
    if isinstance(place, cst.Subscript) and place.value is seen.node:
        return not isinstance(program.parent.get(place), (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Del))
    call = program.parent.get(place) if isinstance(place, cst.Arg) else None
    return isinstance(call, cst.Call) and program.qualified_name(call.func) in ("builtins.print", "builtins.len")


def _is_count(program: Program, variable: Variable) -> bool:
    """Whether a variable only ever holds a number of a `range`."""
    places = [program.parent.get(seen.node) for seen in variable.writes]
    sources = [place.iter if isinstance(place, cst.For) else None for place in places]
    return bool(sources) and all(
        isinstance(source, cst.Call) and program.qualified_name(source.func) == "builtins.range" for source in sources
    )


_PARTS = (
    cst.BaseExpression,
    cst.Arg,
    cst.BaseElement,
    cst.BaseDictElement,
    cst.ComparisonTarget,
    cst.Index,
    cst.SubscriptElement,
    cst.BaseFormattedStringContent,
    cst.CompFor,
    cst.CompIf,
)
_NOT_IN_STRINGS = (cst.BaseString, cst.Dict, cst.Set, cst.Lambda)


def _check_strings(program: Program, call: cst.Call, value: cst.BaseExpression | None) -> None:
    """Raises if a string around the call may not have the value in it."""
    if value is None or not _inside_string(program, call):
        return
    if any(isinstance(part, _NOT_IN_STRINGS) for part in walk(value)):
        raise PlainerView(call, "the call stands inside a string")


def _inside_string(program: Program, call: cst.Call) -> bool:
    """Whether a call stands in an f-string, where the quotes and braces of another expression could end it."""
    node: cst.CSTNode | None = program.parent.get(call)
    while isinstance(node, _PARTS) and not isinstance(node, cst.FormattedStringExpression):
        node = program.parent.get(node)
    return isinstance(node, cst.FormattedStringExpression)
