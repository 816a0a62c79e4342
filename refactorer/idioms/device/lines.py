"""Lines that do nothing any more once a move or a wrapper has been taken out of them."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.outline.blocks import is_pass
from refactorer.outline.outline import Outline

_BARE = cst.SimpleWhitespace("")


def text_of(node: cst.CSTNode) -> str:
    """The text of a node."""
    return cst.Module([]).code_for_node(node)


def keyword(name: str, value: str) -> cst.Arg:
    """An argument by its name."""
    return cst.Arg(cst.parse_expression(value), keyword=cst.Name(name), equal=cst.AssignEqual(_BARE, _BARE))


def bracketed(node: cst.BaseExpression) -> cst.BaseExpression:
    """An operation in parentheses, since it may come to stand in front of a method call or over several lines."""
    operation = isinstance(node, (cst.BinaryOperation, cst.UnaryOperation, cst.IfExp, cst.Tuple))
    if node.lpar or not (operation or _breaks(node)):
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _breaks(node: cst.BaseExpression) -> bool:
    """Whether an expression goes over several lines that no brackets of its own hold together."""
    text = text_of(node)
    try:
        cst.parse_expression(text if "\n" in text else "x")
    except cst.ParserSyntaxError:
        return True
    return False


def assigns_itself(line: cst.CSTNode) -> bool:
    """Whether a line is `x = x` or `x, y = x, y`."""
    return isinstance(line, cst.SimpleStatementLine) and all(_is_idle(small) for small in line.body)


def _is_idle(small: cst.BaseSmallStatement) -> bool:
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return False
    names, values = names_in(small.targets[0].target), names_in(small.value)
    if isinstance(small.value, cst.Subscript):
        return text_of(small.targets[0].target) == text_of(small.value) and not _calls_something(small.value)
    alike = [n.value for n in names] == [n.value for n in values] and bool(names)
    plain = isinstance(small.value, cst.Name) or (
        isinstance(small.value, cst.Tuple) and len(names) == len(small.value.elements)
    )
    return alike and plain


def _calls_something(node: cst.CSTNode) -> bool:
    return any(isinstance(part, cst.Call) for part in walk(node))


def idle_lines(body: Iterable[cst.CSTNode]) -> set[cst.CSTNode]:
    """The lines of a hook that assign variables to themselves."""
    return {line for line in walk(*body) if assigns_itself(line)}


def drop_idle(outline: Outline, hook: str, before: set[cst.CSTNode]) -> None:
    """Takes the lines out that have come to assign variables to themselves; the script's own such lines stay."""
    idle = idle_lines(outline.hooks[hook]) - before
    if idle:
        outline.edit(hook, dict.fromkeys(idle))


def bare_texts(lines: Iterable[cst.CSTNode]) -> list[str]:
    """The texts of the lines that do something, without the comments around them."""
    return [_bare(line) for line in lines if not assigns_itself(line) and not is_pass(line)]


def _bare(line: cst.CSTNode) -> str:
    if isinstance(line, cst.SimpleStatementLine):
        line = line.with_changes(trailing_whitespace=cst.TrailingWhitespace())
    return text_of(line.with_changes(leading_lines=())).strip()
