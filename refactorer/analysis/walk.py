"""Walking LibCST trees quickly: only the children that carry meaning, never whitespace or punctuation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache

import libcst as cst

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
        if (field.name not in _PUNCTUATION and not field.name.startswith(("whitespace", "_", "star")))
        or field.name in ("star_arg", "star_kwarg", "starred_argument")
    )


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The direct children of a node, in source order for all nodes that this project reads."""
    for name in child_fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, (list, tuple)):
            for item in value:
                if isinstance(item, cst.CSTNode):
                    yield item


def walk(*nodes: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Every node of the trees, parents first."""
    stack = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(children(node))))


def find(kind: type[cst.CSTNode] | tuple[type[cst.CSTNode], ...], *nodes: cst.CSTNode) -> list[cst.CSTNode]:
    """Every node of a kind in the trees, parents first."""
    return [node for node in walk(*nodes) if isinstance(node, kind)]
