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


def names_bound_by(statement: cst.CSTNode) -> list[cst.Name]:
    """The names that an assignment binds: those of `a = b, c = 0, 1` are a, b and c; none of another statement."""
    targets = statement.targets if isinstance(statement, cst.Assign) else ()
    return [name for target in targets for name in names_in(target.target)]


def binds_only_names(assign: cst.Assign) -> bool:
    """Whether each target of an assignment is a name or a tuple of names, and no attribute or element."""
    leaves = [leaf for target in assign.targets for leaf in leaves_of(target.target)]
    return all(isinstance(leaf, cst.Name) for leaf in leaves)


def leaves_of(target: cst.CSTNode) -> list[cst.CSTNode]:
    """The names, attributes and elements that an assignment target binds."""
    if isinstance(target, (cst.Tuple, cst.List)):
        return [leaf for element in target.elements for leaf in leaves_of(element.value)]
    return [target]


Pair = tuple[cst.BaseExpression, cst.BaseExpression]


def paired(target: cst.BaseExpression, value: cst.BaseExpression) -> list[Pair]:
    """The parts of `x, y = a, b`, or the one of any other assignment."""
    if not isinstance(target, cst.Tuple) or not isinstance(value, cst.Tuple):
        return [(target, value)]
    starred = any(isinstance(element, cst.StarredElement) for element in (*target.elements, *value.elements))
    if starred or len(target.elements) != len(value.elements):
        return [(target, value)]
    return [(bound.value, given.value) for bound, given in zip(target.elements, value.elements)]
