"""Small shapes that several idioms look for."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.objects.held import held_by
from refactorer.outline.objects.optimizers import Held
from refactorer.outline.outline import Outline

_EQUALITIES = (cst.Equal, cst.NotEqual)
_OPPOSITES: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.Is: cst.IsNot, cst.IsNot: cst.Is, cst.In: cst.NotIn, cst.NotIn: cst.In,
    cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal,
}  # fmt: skip


def only_call(line: cst.CSTNode) -> cst.Call | None:
    """The call that a line consists of: `x.step()`."""
    if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 and isinstance(line.body[0], cst.Expr):
        value = line.body[0].value
        return value if isinstance(value, cst.Call) else None
    return None


def method_line(outline: Outline, line: cst.CSTNode, owner: Variable | Held | None, method: str) -> cst.Call | None:
    """The call of a line `owner.method(...)`."""
    call = only_call(line)
    if call is None or owner is None or not isinstance(call.func, cst.Attribute):
        return None
    named = outline.variable(call.func.value) if isinstance(owner, Variable) else held_by(outline, call.func.value)
    return call if named == owner and call.func.attr.value == method else None


def mode_line(outline: Outline, line: cst.CSTNode, variable: Variable | None, method: str) -> bool:
    """Whether a line is `variable.train()` or `variable.eval()`, without an argument that would change its meaning."""
    call = method_line(outline, line, variable, method)
    return call is not None and not call.args


def method_name(node: cst.CSTNode | None) -> str:
    """The name of the method that a call calls; empty where there is none."""
    named = isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    return node.func.attr.value if named else ""  # type: ignore[union-attr]


def method_calls(outline: Outline, method: str) -> list[cst.Call]:
    """Every call of a method of this name in the file, on whatever object."""
    return [
        call for call in outline.program.calls
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == method
    ]  # fmt: skip


def trains(outline: Outline, block: cst.CSTNode) -> bool:
    """Whether all backward passes of the training stand in a block."""
    return all(holds([block], call) for call in outline.site.backwards)


def statement(code: str) -> cst.SimpleStatementLine:
    """One line of new code."""
    line = cst.parse_statement(code)
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def waits_for_ctrl_c(program: Program, node: cst.Try | cst.TryStar) -> bool:
    """Whether a `try` catches nothing but Ctrl-C."""
    return all(program.qualified_name(handler.type) == "builtins.KeyboardInterrupt" for handler in node.handlers)


def negated(test: cst.BaseExpression) -> cst.BaseExpression:
    """The opposite of a condition, where there is one that means the same for any objects, NaN among them."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return test.expression
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        opposite = _OPPOSITES.get(type(test.comparisons[0].operator))
        if opposite is not None and (opposite not in _EQUALITIES or is_constant(test.comparisons[0].comparator)):
            return test.with_changes(comparisons=[test.comparisons[0].with_changes(operator=opposite())])
    atom = isinstance(test, (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.Comparison)) or test.lpar
    held = test if atom else test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), held)


def is_none(node: cst.CSTNode) -> bool:
    """Whether an expression is the word None."""
    return isinstance(node, cst.Name) and node.value == "None"


def is_false(node: cst.CSTNode) -> bool:
    """Whether an expression is the word False."""
    return isinstance(node, cst.Name) and node.value == "False"


def is_none_test(node: cst.CSTNode) -> bool:
    """Whether an expression is `x is None` or `x is not None`."""
    if not isinstance(node, cst.Comparison) or len(node.comparisons) != 1:
        return False
    second = node.comparisons[0]
    return isinstance(second.operator, (cst.Is, cst.IsNot)) and is_none(second.comparator)


def key_of(node: cst.CSTNode) -> str | None:
    """The text between the brackets of `config["lr"]`; None for any other expression."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return None
    place = node.slice[0].slice
    value = place.value if isinstance(place, cst.Index) else None
    text = value.evaluated_value if isinstance(value, cst.SimpleString) else None
    return text if isinstance(text, str) else None
