"""Conditions on parameters of entered functions for which the only call gives True or False.

    def test(epoch, verbose=True):      becomes     total = measure()
        total = measure()                           print(total)
        if verbose:
            print(total)

What goes may bind nothing and hold no comments: `if False:` stays where something would be missing.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.targets import names_bound_by
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.outline.outline import Outline
from refactorer.outline.training.decided import taken, word_of
from refactorer.outline.training.known_values import compared, value_of

_DEFINING = (cst.FunctionDef, cst.ClassDef, cst.NamedExpr, cst.Import, cst.ImportFrom, cst.AsName, cst.For, cst.Global)


def apply(outline: Outline) -> None:
    """Leaves one branch of each such condition, and of longer ones what is still asked."""
    for hook, body in outline.hooks.items():
        parts = {node.orelse for node in walk(*body) if isinstance(node, cst.If)}
        edits: dict[cst.CSTNode, Edit] = {}
        for node in walk(*body):
            word = _word(outline, node.test) if isinstance(node, cst.If) and node not in parts else None
            if isinstance(node, cst.If) and word is not None and _may_go(_dropped(node, word)):
                edits[node] = taken(node.with_changes(test=cst.Name(str(word))))
        if edits:
            outline.edit(hook, edits)
        tests = [node.test for node in walk(*outline.hooks[hook]) if isinstance(node, cst.If)]
        edits = {test: kept for test in tests if (kept := _asked(outline, test)) is not test}
        if edits:
            outline.edit(hook, edits)


def _word(outline: Outline, test: cst.BaseExpression) -> bool | None:
    """The truth value of a parameter, of its opposite, of `verbose is True`, or of `verbose and ...` if it is False."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        word = _word(outline, test.expression)
        return None if word is None else not word
    if isinstance(test, cst.Comparison):
        return _compared(outline, test)
    if isinstance(test, cst.BooleanOperation):
        word = _word(outline, test.left)
        return None if word is isinstance(test.operator, cst.And) else word
    variable = outline.variable(test)
    if variable is None or variable.owner is not None or word_of(test) is not None:
        return None
    return word_of(cst.Name(variable.name))


def _compared(outline: Outline, test: cst.Comparison) -> bool | None:
    """The outcome of a comparison of a parameter with a constant."""
    word, other = _word(outline, test.left), test.comparisons[0]
    if word is None or len(test.comparisons) > 1:
        return None
    return compared(word, other.operator, value_of(other.comparator))


def _asked(outline: Outline, test: cst.BaseExpression) -> cst.BaseExpression:
    """The part of a condition that its parameters leave open: `epoch == 0` of `epoch == 0 and verbose`."""
    if not isinstance(test, cst.BooleanOperation):
        return test
    neutral = isinstance(test.operator, cst.And)
    left, right = _asked(outline, test.left), _asked(outline, test.right)
    if _word(outline, left) is neutral:
        return right
    if _word(outline, right) is neutral:
        return left
    changed = left is not test.left or right is not test.right
    return test.with_changes(left=left, right=right) if changed else test


def _dropped(node: cst.If, word: bool) -> cst.CSTNode | None:
    return node.orelse if word else node.body


def _may_go(part: cst.CSTNode | None) -> bool:
    """Whether nothing is missed where a branch goes: names, and comments."""
    if part is None:
        return True
    if "#" in cst.Module([]).code_for_node(part):
        return False
    nodes = list(walk(part))
    return not any(isinstance(node, _DEFINING) or list(names_bound_by(node)) for node in nodes)
