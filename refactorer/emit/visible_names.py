"""Whether what a name becomes means the same where the name stands: a nested scope may have another of that name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libcst as cst

from refactorer.analysis.scopes import Scope
from refactorer.analysis.walk import children, walk
from refactorer.emit.edits import Edit
from refactorer.outline.outline import Outline
from refactorer.outline.refusal import Refusal


def check_visible(outline: Outline, edits: Mapping[cst.CSTNode, Edit]) -> None:
    """Looks at what stands in the places of names.

    Raises:
        Refusal: a comprehension, a lambda, or a function or class inside the training hides what is meant.
    """
    outer: set[Scope] | None = None
    for node, new in edits.items():
        scope = _scope_of(outline, node) if isinstance(new, cst.BaseExpression) else None
        if scope is None or not isinstance(new, cst.BaseExpression):
            continue
        outer = outer or _outer_scopes(outline)
        hidden = next((name for name in free_names(new) if scope.hides(name, outer)), None)
        if hidden is not None:
            raise Refusal("R403", node, f"nested code has a {hidden} of its own, and would hide that of the training",
                          "give one of the two variables another name")  # fmt: skip


def free_names(node: cst.CSTNode) -> Iterator[str]:
    """The names in an expression, those of attributes and keywords aside."""
    if isinstance(node, cst.Name):
        yield node.value
    for child in children(node):
        if not (isinstance(node, cst.Attribute) and child is node.attr) and not (
            isinstance(node, cst.Arg) and child is node.keyword
        ):
            yield from free_names(child)


def _scope_of(outline: Outline, node: cst.CSTNode) -> Scope | None:
    """The scope in which an expression of the script is evaluated."""
    for name in walk(node):
        variable = outline.program.variables.get(name)
        if variable is not None:
            return next(seen.scope for seen in variable.occurrences if seen.node is name)
    return None


def _outer_scopes(outline: Outline) -> set[Scope]:
    """The scopes whose names the hooks take over."""
    program = outline.program
    scope: Scope | None = outline.site.driver
    found = {program.scope[program.module]}
    while scope is not None:
        found.add(scope)
        scope = scope.parent
    functions = [*outline.consumed, *outline.methods.values()]
    return found | {program.scope[node] for node in functions if node in program.scope}
