"""What assignments bind."""

from __future__ import annotations

import libcst as cst


def names_in(target: cst.CSTNode | None) -> list[cst.Name]:
    """The names that an assignment target binds."""
    if isinstance(target, cst.Name):
        return [target]
    if isinstance(target, (cst.Tuple, cst.List)):
        return [name for element in target.elements for name in names_in(element.value)]
    return []
