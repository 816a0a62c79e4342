"""Fallbacks for a torch too old to be met: `try: from torch.cuda.amp import GradScaler`, and its handlers."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

_SINCE = {f"torch.{place}.{name}" for place in ("cuda.amp", "amp") for name in ("GradScaler", "autocast")}


def is_fallback(
    parent: Mapping[cst.CSTNode, cst.CSTNode], imports: Mapping[cst.CSTNode, str], node: cst.CSTNode
) -> bool:  # fmt: skip
    """Whether a node stands in a handler that never runs: all that its `try` block does is to import what exists."""
    while node in parent:
        handler, node = node, parent[node]
        if isinstance(handler, cst.ExceptHandler) and isinstance(node, cst.Try):
            return all(_is_sure(line, imports) for line in node.body.body)
    return False


def _is_sure(line: cst.CSTNode, imports: Mapping[cst.CSTNode, str]) -> bool:
    parts = line.body if isinstance(line, cst.SimpleStatementLine) else ()
    return bool(parts) and all(isinstance(part, cst.ImportFrom) and _names_only_sure(part, imports) for part in parts)


def _names_only_sure(part: cst.ImportFrom, imports: Mapping[cst.CSTNode, str]) -> bool:
    if isinstance(part.names, cst.ImportStar):
        return False
    bound = (alias.asname.name if alias.asname is not None else alias.name for alias in part.names)
    return all(imports.get(name) in _SINCE for name in bound)
