"""A copy of statements for one value of a variable: conditions on the value are decided, branches not taken go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments

_TRUE, _FALSE = cst.Name("True"), cst.Name("False")
_SWITCH = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")


class CannotSpecialise(Exception):
    """The variable is used in a way whose meaning for one value is not worked out."""


def specialise(
    program: Program, lines: Sequence[cst.CSTNode], variable: Variable, value: cst.SimpleString
) -> list[cst.CSTNode]:
    """The lines for one value of a variable that they only read.

    Raises:
        CannotSpecialise: the value stands in a place where no constant can.
    """
    block = cst.IndentedBlock([*lines, cst.SimpleStatementLine([cst.Pass()])])  # type: ignore[list-item]
    done = block.visit(_Specialiser(program, variable, value))
    assert isinstance(done, cst.IndentedBlock)
    return list(done.body[:-1])


class _Specialiser(cst.CSTTransformer):
    def __init__(self, program: Program, variable: Variable, value: cst.SimpleString) -> None:
        super().__init__()
        self.program, self.variable, self.value = program, variable, value

    def _is_it(self, node: cst.CSTNode) -> bool:
        return self.program.variables.get(node) is self.variable

    # --- expressions ----------------------------------------------------------------------------------------------

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        if not self._is_it(original_node):
            return updated_node
        return self._quoted_for(original_node).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _quoted_for(self, node: cst.Name) -> cst.SimpleString:
        """The value, in other quotes than the formatted string that the name stands in."""
        around = [outer for outer in self.program.ancestors(node) if isinstance(outer, cst.FormattedString)]
        if not around or not any(string.quote in self.value.value for string in around):
            return self.value
        other = "'" if self.value.value.startswith('"') else '"'
        if any(other == string.quote for string in around):
            raise CannotSpecialise
        return cst.SimpleString(f"{other}{self.value.raw_value}{other}")

    def leave_FormattedStringExpression(
        self, original_node: cst.FormattedStringExpression, updated_node: cst.FormattedStringExpression
    ) -> cst.BaseFormattedStringContent:
        if not self._is_it(original_node.expression) or original_node.conversion is not None:
            return updated_node
        spec = cst.Module([]).code_for_node(cst.FormattedString(list(original_node.format_spec or ())))[2:-1]
        if original_node.equal or "{" in spec:
            raise CannotSpecialise
        text = str(self.value.evaluated_value)
        try:
            return cst.FormattedStringText(format(text, spec))
        except ValueError as error:
            raise CannotSpecialise from error

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        decided = self._decided(original_node)
        if decided is None:
            return updated_node
        return (_TRUE if decided else _FALSE).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _decided(self, node: cst.Comparison) -> bool | None:
        if len(node.comparisons) != 1:
            return None
        other = node.comparisons[0]
        left, right = (self._constant(part) for part in (node.left, other.comparator))
        if isinstance(other.operator, (cst.In, cst.NotIn)) and isinstance(left, str):
            among = self._constants(other.comparator)
            return None if among is None else (left in among) is isinstance(other.operator, cst.In)
        if isinstance(other.operator, (cst.Equal, cst.NotEqual)) and left is not None and right is not None:
            return (left == right) is isinstance(other.operator, cst.Equal)
        return None

    def _constant(self, node: cst.BaseExpression) -> str | None:
        if self._is_it(node):
            node = self.value
        return str(node.evaluated_value) if isinstance(node, cst.SimpleString) else None

    def _constants(self, node: cst.BaseExpression) -> list[str | None] | None:
        if not isinstance(node, (cst.List, cst.Tuple, cst.Set)):
            return None
        found = [self._constant(element.value) for element in node.elements]
        return None if None in found else found

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        known = _known(updated_node.expression)
        if not isinstance(updated_node.operator, cst.Not) or known is None:
            return updated_node
        return _FALSE if known else _TRUE

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """`True and x` is `x`; on the right a constant is only dropped where a condition is all that is asked for."""
        left, right = _known(updated_node.left), _known(updated_node.right)
        neutral = isinstance(updated_node.operator, cst.And)
        if left is not None:
            return updated_node.right if left is neutral else (_TRUE if left else _FALSE)
        if right is neutral and self._is_condition(original_node):
            return updated_node.left
        return updated_node

    def _is_condition(self, node: cst.CSTNode) -> bool:
        parent = self.program.parent.get(node)
        return isinstance(parent, (cst.If, cst.IfExp)) and parent.test is node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        known = _known(updated_node.test)
        return updated_node if known is None else updated_node.body if known else updated_node.orelse

    # --- statements -----------------------------------------------------------------------------------------------

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.If | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        parent = self.program.parent.get(original_node)
        if isinstance(parent, cst.If) and parent.orelse is original_node:
            return updated_node  # an `elif`, which the `if` decides
        lines = _taken(updated_node)
        return _flat(lines) if lines is not None else _without_decided(updated_node)

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.With | cst.FlattenSentinel[cst.BaseStatement]:
        call = original_node.items[0].item if len(original_node.items) == 1 else None
        if not isinstance(call, cst.Call) or self.program.qualified_name(call.func) not in _SWITCH:
            return updated_node
        new = updated_node.items[0].item
        known = _known(new.args[0].value) if isinstance(new, cst.Call) and len(new.args) == 1 else None
        if known is None or not isinstance(call.func, cst.Attribute):
            return updated_node
        if known and self._learns_anyway(original_node):
            return _flat(_opened(updated_node, updated_node.body))
        if known:
            return updated_node
        quiet = cst.Call(call.func.with_changes(attr=cst.Name("no_grad")))
        return updated_node.with_changes(items=[updated_node.items[0].with_changes(item=quiet)])

    def _learns_anyway(self, node: cst.With) -> bool:
        """Whether nothing in the file may have switched gradients off around a piece of code."""
        program = self.program
        for call in program.calls:
            if program.qualified_name(call.func) in _SWITCH and not isinstance(program.parent[call], cst.WithItem):
                return False
        outer = (
            item.item for around in program.ancestors(node) if isinstance(around, cst.With) for item in around.items
        )
        names = [program.qualified_name(manager.func) for manager in outer if isinstance(manager, cst.Call)]
        return not any(name is None or name.startswith("torch.") for name in names)

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        return updated_node if updated_node.body else updated_node.with_changes(body=[_pass()])


def _flat(lines: list[cst.CSTNode]) -> cst.FlattenSentinel[cst.BaseStatement]:
    return cst.FlattenSentinel(cast("list[cst.BaseStatement]", lines))


def _known(node: cst.BaseExpression) -> bool | None:
    return {"True": True, "False": False}.get(node.value) if isinstance(node, cst.Name) else None


def _pass() -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Pass()])


def _taken(node: cst.If) -> list[cst.CSTNode] | None:
    """The lines that a decided `if` comes to; None for one that is not decided."""
    known = _known(node.test)
    if known is None:
        return None
    if known:
        return _opened(node, node.body)
    if node.orelse is None:
        return []
    if isinstance(node.orelse, cst.Else):
        return _opened(node.orelse, node.orelse.body)
    return _taken(node.orelse) or [_without_decided(node.orelse.with_changes(leading_lines=node.leading_lines))]


def _without_decided(node: cst.If) -> cst.If:
    """An `if` whose `elif` parts are only those that are not decided."""
    orelse = node.orelse
    if not isinstance(orelse, cst.If):
        return node
    lines = _taken(orelse)
    if lines is None:
        return node.with_changes(orelse=_without_decided(orelse))
    new = cst.Else(cst.IndentedBlock(lines)) if lines else None  # type: ignore[arg-type]
    return node.with_changes(orelse=new)


def _opened(node: cst.CSTNode, body: cst.BaseSuite) -> list[cst.CSTNode]:
    """The lines of a block without its header, whose comments and blank lines stay above them."""
    lines = block_lines(body)
    above = [line for line in getattr(node, "leading_lines", ()) if line.comment is None]
    first = lines[0]
    if isinstance(first, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
        kept = [*comments_of(node), *first.leading_lines]
        lines[0] = first.with_changes(leading_lines=[*above[:1], *kept])
    footer = footer_of(node)
    return lines if not footer else [*lines[:-1], with_comments(lines[-1], footer)]
