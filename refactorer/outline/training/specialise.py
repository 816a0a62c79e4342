"""A copy of statements for known values of variables: conditions on them are decided, branches not taken go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import libcst as cst

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import comments_of, with_comments
from refactorer.outline.quiet import may_be_quiet, may_be_run_quietly
from refactorer.outline.training.decided import opened, taken, without_decided, word_of
from refactorer.outline.training.known_values import PRESENT, UNKNOWN, Value, compared, truth, value_of, written
from refactorer.outline.worked_out import is_set_at_once

_TRUE, _FALSE = cst.Name("True"), cst.Name("False")
_SWITCH = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")
_WITH_GRADIENTS = ("torch.enable_grad", "torch.autograd.enable_grad")
_JUMPS = (cst.Continue, cst.Break, cst.Return, cst.Raise)
_NUMERIC = (
    cst.Name, cst.BaseNumber, cst.BinaryOperation, cst.BaseBinaryOp, cst.Comparison, cst.ComparisonTarget,
    cst.BaseCompOp,
)  # fmt: skip
_ATOMS = (cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.SimpleString, cst.BaseNumber)


class CannotSpecialise(Exception):
    """A variable is used in a way whose meaning for one value is not worked out."""


def specialise(
    program: Program,
    lines: Sequence[cst.CSTNode],
    known: Mapping[Variable, Value],
    calls: Sequence[cst.Call] = (),
    gone: Collection[cst.CSTNode] = (),
) -> list[cst.CSTNode]:
    """The lines for known values of variables that they only read; `calls` are those that run them.

    The lines in `gone`, which set such variables, are left out; their comments stay.

    Raises:
        CannotSpecialise: a value stands in a place where no constant can.
    """
    block = cst.IndentedBlock(list(lines))  # type: ignore[arg-type]
    try:
        done = block.visit(_Specialiser(program, known, block, calls, gone))
    except cst.CSTValidationError as error:  # brackets that a keyword without a space behind it needs
        raise CannotSpecialise from error
    assert isinstance(done, cst.IndentedBlock)
    for node in walk(done):
        owner = node.value if isinstance(node, (cst.Attribute, cst.Subscript)) else None
        if isinstance(owner, cst.Name) and owner.value in ("None", "True", "False"):
            raise CannotSpecialise
    return list(done.body)


def specialised(program: Program, node: cst.BaseExpression, known: Mapping[Variable, Value]) -> cst.BaseExpression:
    """An expression for known values of variables.

    Raises:
        CannotSpecialise: a value stands in a place where no constant can.
    """
    done = node.visit(_Specialiser(program, known, node))
    return cast("cst.BaseExpression", done)


class _Specialiser(cst.CSTTransformer):
    def __init__(
        self,
        program: Program,
        known: Mapping[Variable, Value],
        outer: cst.CSTNode,
        calls: Sequence[cst.Call] = (),
        gone: Collection[cst.CSTNode] = (),
    ) -> None:
        super().__init__()
        self.program, self.known, self.outer, self.calls, self.gone = program, known, outer, calls, gone
        self.left: set[cst.CSTNode] = set()  # nodes, not their ids: those of nodes that are gone come again
        self.chosen: dict[cst.CSTNode, cst.BaseExpression] = {}
        self.last: set[cst.CSTNode] = set()

    def _value(self, node: cst.CSTNode) -> Value | None:
        variable = self.program.variables.get(node)
        return self.known.get(variable) if variable is not None else None

    # --- expressions ----------------------------------------------------------------------------------------------

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        value = self._value(original_node)
        if value is None or (value is PRESENT and not self._is_condition(original_node)):
            return updated_node
        if self._is_condition(original_node):
            new: cst.BaseExpression = _TRUE if truth(value) else _FALSE
        else:
            new = self._quoted_for(original_node, value)
        return new.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _quoted_for(self, node: cst.Name, value: Value) -> Value:
        """The value, in other quotes than the formatted string that the name stands in."""
        around = [outer for outer in self.program.ancestors(node) if isinstance(outer, cst.FormattedString)]
        if not isinstance(value, cst.SimpleString) or not any(string.quote in value.value for string in around):
            return value
        other = "'" if value.value.startswith('"') else '"'
        if any(other == string.quote for string in around):
            raise CannotSpecialise
        return cst.SimpleString(f"{other}{value.raw_value}{other}")

    def leave_FormattedStringExpression(
        self, original_node: cst.FormattedStringExpression, updated_node: cst.FormattedStringExpression
    ) -> cst.BaseFormattedStringContent:
        value = self._value(original_node.expression)
        if value is None or value is PRESENT or original_node.conversion is not None:
            return updated_node
        spec = cst.Module([]).code_for_node(cst.FormattedString(list(original_node.format_spec or ())))[2:-1]
        if original_node.equal or "{" in spec:
            raise CannotSpecialise
        try:
            return cst.FormattedStringText(written(value, spec))
        except (TypeError, ValueError) as error:
            raise CannotSpecialise from error

    def leave_FormattedString(
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> cst.BaseExpression:
        """A string that shows nothing any more is a plain one."""
        texts = [part.value for part in updated_node.parts if isinstance(part, cst.FormattedStringText)]
        text = "".join(texts)
        shown = any(isinstance(part, cst.FormattedStringExpression) for part in original_node.parts)
        simple = updated_node.start.lower() in ("f'", 'f"') and not {"{", "}"} & set(text)
        if len(texts) < len(updated_node.parts) or not shown or not simple:
            return updated_node
        string = cst.SimpleString(updated_node.quote + text + updated_node.quote)
        return string.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        decided = self._decided(original_node)
        if decided is None:
            return updated_node
        return (_TRUE if decided else _FALSE).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _decided(self, node: cst.Comparison) -> bool | None:
        if len(node.comparisons) != 1:
            return None
        other = node.comparisons[0]
        left = self._meaning(node.left)
        if isinstance(other.operator, (cst.In, cst.NotIn)):
            among = self._meanings(other.comparator)
            if left in (UNKNOWN, PRESENT) or among is None:
                return None
            return (left in among) is isinstance(other.operator, cst.In)
        decided = compared(left, other.operator, self._meaning(other.comparator))
        if decided is None and isinstance(other.operator, (cst.Is, cst.IsNot)) and isinstance(left, str):
            raise CannotSpecialise
        return decided

    def _meaning(self, node: cst.BaseExpression) -> object:
        return value_of(self._value(node) or node)

    def _meanings(self, node: cst.BaseExpression) -> list[object] | None:
        if not isinstance(node, (cst.List, cst.Tuple, cst.Set)):
            return None
        found = [self._meaning(element.value) for element in node.elements]
        return None if any(value in (UNKNOWN, PRESENT) for value in found) else found

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        known = self._truth(original_node.expression, updated_node.expression)
        if not isinstance(updated_node.operator, cst.Not) or known is None:
            return updated_node
        return (_FALSE if known else _TRUE).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """`True and x` is `x`; on the right a constant is only dropped where a condition is all that is asked for."""
        left = self._truth(original_node.left, updated_node.left)
        right = self._truth(original_node.right, updated_node.right)
        neutral = isinstance(updated_node.operator, cst.And)
        if left is not None:
            return _instead(updated_node, updated_node.right if left is neutral else updated_node.left)
        if right is not None and self._is_condition(original_node):
            if right is neutral:
                return _instead(updated_node, updated_node.left)
            if all(self._shows_nothing(part) for part in walk(original_node.left)):
                return _instead(updated_node, _TRUE if right else _FALSE)
        return updated_node

    def _truth(self, original: cst.BaseExpression, updated: cst.BaseExpression) -> bool | None:
        value = self._value(original)
        return truth(value) if value is not None else word_of(updated)

    def _shows_nothing(self, part: cst.CSTNode) -> bool:
        """Whether nobody can tell whether a part of an expression is evaluated."""
        known = isinstance(part, cst.Attribute) and (
            is_setting(self.program, part) or is_set_at_once(self.program, part)
        )
        return known or isinstance(part, _NUMERIC)

    def _is_condition(self, node: cst.CSTNode) -> bool:
        """Whether all that is asked of an expression is whether it counts as true."""
        parent = self.program.parent.get(node)
        while isinstance(parent, cst.BooleanOperation):
            node, parent = parent, self.program.parent.get(parent)
        return isinstance(parent, (cst.If, cst.IfExp)) and parent.test is node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        known = word_of(updated_node.test)
        if known is None:
            return updated_node
        self.chosen[original_node] = original_node.body if known else original_node.orelse
        new = updated_node.body if known else updated_node.orelse
        parent = self.program.parent.get(original_node)
        bare = isinstance(parent, (cst.Assign, cst.Arg, cst.Expr)) and isinstance(new, _ATOMS)
        return new if bare and not _has_lines(new) else _instead(updated_node, new)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """`model.train(is_train)` is a switch to one of the modes."""
        func, args = original_node.func, original_node.args
        if not isinstance(func, cst.Attribute) or func.attr.value != "train" or len(args) != 1:
            return updated_node
        known = word_of(updated_node.args[0].value)
        asked = known is not None and word_of(args[0].value) is None and args[0].star == "" and args[0].keyword is None
        if not asked or self._has_own_modes() or not isinstance(updated_node.func, cst.Attribute):
            return updated_node
        name = updated_node.func.attr.with_changes(value="train" if known else "eval")
        return updated_node.with_changes(func=updated_node.func.with_changes(attr=name), args=[])

    def _has_own_modes(self) -> bool:
        """Whether a class of the file may mean something else by `train(False)` or `eval()`."""
        named = (node for node in self.program.find(cst.FunctionDef) if node.name.value in ("train", "eval"))
        methods = (node for node in named if class_of_method(self.program, node) is not None)
        return any(node.name.value == "eval" or len(node.params.params) != 1 for node in methods)

    # --- statements -----------------------------------------------------------------------------------------------

    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.If | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        parent = self.program.parent.get(original_node)
        if isinstance(parent, cst.If) and parent.orelse is original_node:
            return updated_node  # an `elif`, which the `if` decides
        lines = taken(updated_node)
        if lines is None:
            return without_decided(updated_node)
        if lines and _jumps(lines[-1]):
            self.last.add(lines[-1])
        return _flat(lines)

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.With | cst.FlattenSentinel[cst.BaseStatement]:
        if len(original_node.items) != 1:
            return updated_node
        item = original_node.items[0]
        call = self.chosen.get(item.item, item.item)
        name = self.program.qualified_name(call.func) if isinstance(call, cst.Call) else None
        if call is not item.item and item.asname is None:
            learning = name in _WITH_GRADIENTS and self._learns_anyway(original_node)
            if learning or name == "contextlib.nullcontext":
                return _flat(opened(updated_node, updated_node.body))
        if name not in _SWITCH:
            return updated_node if call is item.item else _without_brackets(updated_node)
        return self._switched(original_node, updated_node)

    def _switched(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.With | cst.FlattenSentinel[cst.BaseStatement]:
        """`with torch.set_grad_enabled(...)` as what it comes to."""
        new = updated_node.items[0].item
        known = word_of(new.args[0].value) if isinstance(new, cst.Call) and len(new.args) == 1 else None
        if known is None or not isinstance(new, cst.Call) or not isinstance(new.func, cst.Attribute):
            return updated_node
        if known and self._learns_anyway(original_node):
            return _flat(opened(updated_node, updated_node.body))
        if known:
            return updated_node
        quiet = cst.Call(new.func.with_changes(attr=cst.Name("no_grad")))
        return updated_node.with_changes(items=[updated_node.items[0].with_changes(item=quiet)])

    def _learns_anyway(self, node: cst.With) -> bool:
        """Whether nothing in the file may have switched gradients off around a piece of code."""
        program = self.program
        for call in program.calls:
            if program.qualified_name(call.func) in _SWITCH and not isinstance(program.parent[call], cst.WithItem):
                return False
        return not may_be_quiet(program, node) and not any(may_be_run_quietly(program, c) for c in self.calls)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine:
        does_nothing = all(map(_is_decided, original_node.body, updated_node.body))
        if original_node in self.gone or does_nothing:
            updated_node = updated_node.with_changes(body=[cst.Pass()])
            self.left.add(updated_node)
        return updated_node

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """What stands behind a jump that is surely made goes, and so does a `continue` at the end of a loop."""
        lines: list[cst.CSTNode] = []
        waiting: list[cst.EmptyLine] = []
        for line in updated_node.body:
            if line in self.left:
                waiting += comments_of(line)
                continue
            lines.append(with_comments(line, waiting) if waiting else line)
            waiting = []
            if line in self.last:
                in_loop = isinstance(self.program.parent.get(original_node), (cst.For, cst.While))
                if in_loop and _is_only(line, cst.Continue) and not comments_of(lines[-1]):
                    lines.pop()
                break
        if not lines and original_node is not self.outer:
            lines = [_pass()]
        footer = [*waiting, *updated_node.footer]
        return updated_node.with_changes(body=lines, footer=footer)


def _is_decided(before: cst.BaseSmallStatement, after: cst.BaseSmallStatement) -> bool:
    """Whether a statement has become one that does nothing: `model.train() if training else None`, or an `assert`."""
    if isinstance(before, cst.Expr) and isinstance(after, cst.Expr):
        return isinstance(before.value, (cst.IfExp, cst.BooleanOperation)) and isinstance(after.value, cst.Name)
    if isinstance(before, cst.Assert) and isinstance(after, cst.Assert):
        return word_of(after.test) is True and word_of(before.test) is None
    return False


def _is_only(line: cst.CSTNode, kind: type[cst.CSTNode]) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 and isinstance(line.body[0], kind)


def _jumps(line: cst.CSTNode) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[-1], _JUMPS)


def _instead(old: cst.BaseExpression, new: cst.BaseExpression) -> cst.BaseExpression:
    """An expression in the place of another, in whose brackets it may have stood."""
    if not old.lpar or new.lpar:
        return new
    return new.with_changes(lpar=old.lpar, rpar=old.rpar)


def _has_lines(node: cst.CSTNode) -> bool:
    return "\n" in cst.Module([]).code_for_node(node)


def _without_brackets(node: cst.With) -> cst.With:
    """`with (torch.no_grad()):` without the brackets that an expression needed."""
    item = node.items[0].item
    spaced = not isinstance(node.whitespace_after_with, cst.SimpleWhitespace) or node.whitespace_after_with.value
    if not isinstance(item, cst.Call) or not spaced or _has_lines(node.items[0]):
        return node
    bare = node.items[0].with_changes(item=item.with_changes(lpar=[], rpar=[]))
    default = cst.MaybeSentinel.DEFAULT
    return node.with_changes(items=[bare], lpar=default, rpar=default)


def _flat(lines: list[cst.CSTNode]) -> cst.FlattenSentinel[cst.BaseStatement]:
    return cst.FlattenSentinel(cast("list[cst.BaseStatement]", lines))


def _pass() -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Pass()])
