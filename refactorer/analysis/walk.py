"""Walking LibCST trees quickly: only the children that carry meaning, never whitespace or punctuation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import TypeVar, Union

import libcst as cst

STATEMENTS = (cst.SimpleStatementLine, cst.BaseCompoundStatement)
Node = TypeVar("Node", bound=cst.CSTNode)

_PUNCTUATION = {
    "lpar", "rpar", "lbracket", "rbracket", "lbrace", "rbrace", "comma", "semicolon", "equal", "dot", "colon",
    "leading_lines", "lines_after_decorators", "lines_after_module_docstring", "header", "footer", "indent", "newline",
    "trailing_whitespace", "encoding", "default_indent", "default_newline", "has_trailing_newline",
    "first_colon", "second_colon",
}  # fmt: skip


@cache
def child_fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The names of the fields of a node class that can hold meaningful nodes."""
    return tuple(
        field.name
        for field in fields(kind)
        if field.type not in (str, bool)
        and (
            (field.name not in _PUNCTUATION and not field.name.startswith(("whitespace", "_", "star")))
            or field.name in ("star_arg", "star_kwarg", "starred_argument")
        )
    )


Kind = Union[type[Node], tuple[type[Node], ...]]
# `issubclass` with its answers kept: it and `isinstance` are slow for the abstract classes of LibCST.
is_kind: Callable[[type, Union[type, tuple[type, ...]]], bool] = cache(issubclass)
is_node_class: Callable[[type], bool] = cache(lambda kind: issubclass(kind, cst.CSTNode))


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The direct children of a node, in source order for all nodes that this project reads."""
    found: list[cst.CSTNode] = []
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if value is None:
            continue
        kind = type(value)
        if kind is tuple or kind is list:
            found += [item for item in value if is_node_class(type(item))]
        elif is_node_class(kind):
            found.append(value)
    return found


def holds(nodes: Iterable[cst.CSTNode], wanted: cst.CSTNode) -> bool:
    """Whether a node is one of some trees, or inside."""
    return any(node is wanted for node in walk(*nodes))


def walk(*nodes: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Every node of the trees, parents first."""
    stack = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        inner = children(node)
        if inner:
            inner.reverse()
            stack += inner


def find(kind: Kind[Node], *nodes: cst.CSTNode) -> list[Node]:
    """Every node of a kind in the trees, parents first."""
    return [node for node in walk(*nodes) if is_kind(type(node), kind)]  # type: ignore[misc]
