"""The new class without white space at the ends of its lines, which moved there with the lines of the script."""

from __future__ import annotations

import re
from typing import TypeVar

import libcst as cst

Space = TypeVar("Space", cst.TrailingWhitespace, cst.EmptyLine)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


def with_trimmed(module: cst.Module, name: str) -> cst.Module:
    """The file, with the lines of one class trimmed; what stands in strings stays."""
    written = next(node for node in module.body if isinstance(node, cst.ClassDef) and node.name.value == name)
    if not _TRAILING.search(module.code_for_node(written)):
        return module
    trimmed = written.visit(_Trimmed())
    return module.with_changes(body=[trimmed if node is written else node for node in module.body])


class _Trimmed(cst.CSTTransformer):
    def leave_TrailingWhitespace(
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        if updated_node.comment is None and not updated_node.whitespace.value.isspace():
            return updated_node  # a line may be joined to an empty one
        return _without_space(updated_node)

    def leave_EmptyLine(self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine) -> cst.EmptyLine:
        if updated_node.comment is None:
            return updated_node.with_changes(indent=False, whitespace=cst.SimpleWhitespace(""))
        return _without_space(updated_node)


def _without_space(space: Space) -> Space:
    """White space that ends with what is written last."""
    if space.comment is None:
        return space.with_changes(whitespace=cst.SimpleWhitespace(""))
    return space.with_changes(comment=cst.Comment(space.comment.value.rstrip()))
