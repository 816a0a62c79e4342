"""What a piece of code reads before it writes it, and what it writes on every path."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.analysis.flow import Flow, flow_of
from refactorer.analysis.program import Program


def flow(code: str) -> Flow:
    module = cst.parse_module(code)
    return flow_of(Program(module), module.body)


def names(variables: frozenset) -> set[str]:  # type: ignore[type-arg]
    return {variable.name for variable in variables if variable.owner is not None}


@pytest.mark.parametrize(
    ("code", "early", "sure"),
    [
        ("x = 1\ny = x", set(), {"x", "y"}),
        ("y = x\nx = 1", {"x"}, {"x", "y"}),
        ("x += 1", {"x"}, {"x"}),
        ("if c():\n    x = 1\ny = x", {"x"}, {"y"}),
        ("if c():\n    x = 1\nelse:\n    x = 2\ny = x", set(), {"x", "y"}),
        ("if c():\n    raise E()\nelse:\n    x = 2\ny = x", set(), {"x", "y"}),
        ("for x in z():\n    y = x\nw = y", {"y"}, {"w"}),
        ("for x in z():\n    total = total + x\ntotal = 0", {"total"}, {"total"}),
        ("while c():\n    x = 1\ny = x", {"x"}, {"y"}),
        ("with open(z) as x:\n    y = x", set(), {"x", "y"}),
        ("with suppress() as x:\n    y = x\nw = y", {"y"}, {"x", "w"}),
        ("try:\n    x = 1\nexcept E:\n    pass\ny = x", {"x"}, {"y"}),
        ("try:\n    x = 1\nfinally:\n    y = 2", set(), {"x", "y"}),
        ("f = lambda: x\nx = 1", {"x"}, {"f", "x"}),
        ("y = [x for x in z()]\nx = 1", set(), {"y", "x"}),
        ("def f(a):\n    b = a + x\n    return b\nx = 1", {"x"}, {"f", "x"}),
        ("(x, [y, *z]) = w()", set(), {"x", "y", "z"}),
        ("x[0] = 1\nx = 2", {"x"}, {"x"}),
        ("import a.b as c, d.e", set(), {"c", "d"}),
        ("for x in range(5):\n    y = x\nw = y", set(), {"x", "y", "w"}),
        ("for x in range(2, 5):\n    y = 1", set(), {"x", "y"}),
        ("for x in (1, 2):\n    y = x", set(), {"x", "y"}),
        ("for x in range(5):\n    if x:\n        break\n    y = 1\nw = x\nw = y", {"y"}, {"x", "w"}),
        ("for x in range(5):\n    if x:\n        break\nelse:\n    y = 1\nw = y", {"y"}, {"x", "w"}),
        ("for x in range(5):\n    z = 1\nelse:\n    y = 1\nw = y", set(), {"x", "y", "w", "z"}),
        ("for x in range(5):\n    y = 1\n    if x:\n        continue\n    z = 1", set(), {"x", "y"}),
        ("for x in range(5):\n    if x:\n        y = 1", set(), {"x"}),
        ("for x in range(5):\n    z = y\n    y = 1", {"y"}, {"x", "y", "z"}),
        ("for x in range(0):\n    y = 1", set(), set()),
        ("for x in range(5, 2):\n    y = 1", set(), set()),
        ("for x in range(-5):\n    y = 1", set(), set()),
        ("for x in range(0, 5, 2):\n    y = 1", set(), set()),
        ("for x in range(*[5]):\n    y = 1", set(), set()),
        ("for x in range(n):\n    y = 1", set(), set()),
        ("for x in []:\n    y = 1", set(), set()),
        ("for x in [*z]:\n    y = 1", set(), set()),
        ("def range(n):\n    return []\nfor x in range(5):\n    y = 1", set(), {"range"}),
    ],
)
def test_early_reads_and_certain_writes(code: str, early: set[str], sure: set[str]) -> None:
    found = flow(code)
    assert names(found.early) == early
    assert names(found.sure) == sure
