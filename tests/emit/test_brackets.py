"""Brackets around an expression that comes to stand where a simpler one stood."""

from __future__ import annotations

import ast

import libcst as cst
import pytest

from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply

VALUES = [
    "a", "3", "f(x)", "-a", "a ** b", "a * b", "a - b", "a << b", "a | b", "a < b", "not a", "a and b", "a or b",
    "a if b else c", "lambda: a", "a, b", "(a, b)", "[a, b]", "a[0]", "(a - b)",
]  # fmt: skip
PLACES = [
    "y = V", "y = 1 - V", "y = V - 1", "y = 2 * V", "y = V ** 2", "y = 2 ** V", "y = -V", "y = not V", "y = V < 1",
    "y = 1 < V", "y = V and z", "y = z or V", "y = V if z else 1", "y = 1 if V else z", "y = 1 if z else V",
    "y = V.x", "y = V[0]", "y = z[V]", "y = V(1)", "print(V)", "print(V, z)", "print(*V)", "print(end=V)", "y = [V]",
    "y = 1, V", "y = {1: V}", "y = (V, 1)", "V", "y += V", "y = f'{V}'", "y = [i for i in V]", "y = [V for i in z]",
    "y = [i for i in z if V]", "y = 1 << V", "y = V & 1", "y: int = V", "y = lambda: V", "y = z[V:1]",
]  # fmt: skip


def _placed(place: str, value: str) -> str:
    module = cst.parse_module(place + "\n")
    name = next(node for node in walk(module) if isinstance(node, cst.Name) and node.value == "V")
    return apply(module, {name: cst.parse_expression(value)}).code


@pytest.mark.parametrize("place", PLACES)
def test_an_expression_stays_in_one_piece(place: str) -> None:
    for value in VALUES:
        plainly = ast.dump(ast.parse(place.replace("V", f"({value})")))
        assert ast.dump(ast.parse(_placed(place, value))) == plainly, value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("y = 1 + V", "a * b"), ("y = V - 1", "a - b"), ("y = V > best", "a / b"), ("y = V and z", "a < b"),
        ("y = -V", "a ** b"), ("y = V if z else 1", "a or b"), ("y = z if z else V", "a if b else c"),
        ("print(V)", "a if b else c"), ("y = V", "a, b"), ("y = V.x", "a[0]"), ("y = [V]", "a - b"),
    ],
)  # fmt: skip
def test_no_brackets_where_none_are_needed(place: str, value: str) -> None:
    assert _placed(place, value) == place.replace("V", value) + "\n"
