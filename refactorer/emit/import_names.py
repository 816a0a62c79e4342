"""Imports whose name means something else in the hook that they come to stand in."""

from __future__ import annotations

import libcst as cst

from refactorer.outline.refusal import Refusal


def imported_as(alias: cst.ImportAlias, new: cst.BaseExpression) -> cst.ImportAlias:
    """The same module or object by another name.

    Raises:
        Refusal: `import a.b` binds `a`, for which an import has no other spelling.
    """
    if not isinstance(new, cst.Name) or not isinstance(alias.name, cst.Name):
        name = alias.evaluated_name
        raise Refusal("R403", alias, f"{name} is imported where its first name means something else",
                      "import it at the top of the file")  # fmt: skip
    return alias.with_changes(asname=cst.AsName(new))
