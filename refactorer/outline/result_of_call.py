"""A call that is entered leaves the statement around it: what it returned goes in its place."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply
from refactorer.outline.refusal import PlainerView


def returned_statement(
    program: Program, line: cst.CSTNode, call: cst.Call, value: cst.BaseExpression | None
) -> list[cst.CSTNode]:
    """The calling statement with the returned expression in the place of the call; nothing if no one wants it."""
    assert isinstance(line, cst.SimpleStatementLine)
    if len(line.body) == 1 and isinstance(line.body[0], cst.Expr) and line.body[0].value is call:
        if value is None or not any(isinstance(part, (cst.Call, cst.Await)) for part in walk(value)):
            return []
        return [line.with_changes(body=[cst.Expr(value)])]
    small = line.body[0]
    if len(line.body) > 1 or not isinstance(small, (cst.Assign, cst.Expr, cst.AugAssign)):
        raise PlainerView(call, "the call that trains stands inside a larger statement")
    if isinstance(small, cst.AugAssign) and not isinstance(small.target, cst.Name):
        raise PlainerView(call, "what the call that trains is added to is read before it")
    first = _evaluated_first(program, small, call)
    for part, variable in program.used([small]) if first is None else ():
        by_others = any(seen.scope.function is not variable.owner for seen in variable.writes)
        if by_others and program.access(part) != "write" and not program.contains(call, part):
            raise PlainerView(call, f"{variable.name} is read before the call that trains, which may change it")
    around = _only_call_around(small, call)
    allowed = (around, around.func) if isinstance(around, cst.Call) else ()
    for part in walk(small) if first is None else ():
        early = isinstance(part, _EARLY) and not (isinstance(small, cst.Assign) and _is_target(program, part))
        if early and not program.contains(call, part) and part not in allowed:
            raise PlainerView(call, "the call that trains stands inside a larger expression")
    return [apply(line, {call: _fitting(program.parent[call], value) if value is not None else cst.Name("None")})]


def _fitting(outer: cst.CSTNode, value: cst.BaseExpression) -> cst.BaseExpression:
    """The value, in parentheses where it would mean something else in the place of the call."""
    whole = isinstance(outer, (cst.Assign, cst.AugAssign, cst.Expr))
    argument = isinstance(outer, cst.Arg) and not isinstance(value, cst.Tuple)
    atom = isinstance(value, (cst.Name, cst.Attribute, cst.Call, cst.Subscript))
    if whole or argument or atom or value.lpar:
        return value
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


_EARLY = (
    cst.Call, cst.Subscript, cst.Attribute, cst.Lambda, cst.BaseComp, cst.IfExp, cst.BooleanOperation,
)  # fmt: skip


def _evaluated_first(program: Program, small: cst.CSTNode, call: cst.Call) -> cst.CSTNode | None:
    """The value of an assignment whose evaluation begins with the call: `acc = test().to(device) / n`."""
    node: cst.CSTNode = call
    while isinstance(small, cst.Assign) and node is not small.value:
        outer = program.parent[node]
        begins = isinstance(outer, (cst.Attribute, cst.Subscript)) and outer.value is node
        begins = begins or (isinstance(outer, cst.Call) and outer.func is node)
        begins = begins or (isinstance(outer, cst.BinaryOperation) and outer.left is node)
        if not begins:
            return None
        node = outer
    return node if isinstance(small, cst.Assign) else None


def _is_target(program: Program, node: cst.CSTNode) -> bool:
    """Whether an attribute is plainly assigned to: its object is looked up behind the value."""
    return isinstance(node, cst.Attribute) and isinstance(program.parent.get(node), cst.AssignTarget)


def _only_call_around(small: cst.CSTNode, call: cst.Call) -> cst.CSTNode | None:
    """`history.append(train(...))`: the call has nothing but a plain method around it."""
    outer = small.value if isinstance(small, cst.Expr) else None
    if isinstance(outer, cst.Call) and any(arg.value is call for arg in outer.args[:1]):
        return outer
    return None
