"""Which code may run behind the line that it stands in."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.analysis.deferred import deferred
from refactorer.analysis.program import Program

LATER = {
    "def f(): return x": ["x"],
    "class A:\n    y = x": ["x", "y"],
    "f = lambda: x": ["x"],
    "g = (y + z for y in x)": ["y", "z"],
    "g = (y for y in x if z for w in v)": ["v", "y", "z"],
    "print(y for y in x)": ["y"],
    "dict(f=lambda: x)": ["x"],
    "dict(g=(y for y in x))": ["y"],
    "sum([], (y for y in x))": ["y"],
    "list(z, lambda: x)": ["x"],
    "m = map(lambda v: v + x, z)": ["v", "x"],
    "list(map(z, *[lambda: x]))": ["x"],
    "z.join(y for y in x)": ["y"],
    "z.sort(key=lambda v: x)": ["x"],
    "list(lambda: x for y in z)": ["x"],
    "def sum(v): return v\nsum(y for y in x)": ["v", "y"],
    "list(zip(z, map(lambda: x, z)))": [],
}
AT_ONCE = [
    "y = x",
    "ys = [y for y in x]",
    "sum(y for y in x)",
    "sorted((y for y in x), key=lambda y: -y)",
    "'; '.join(str(y) for y in x)",
    "f'{z}'.join(y for y in x)",
    "print(*(y for y in x))",
    "list(map(lambda y: y + z, x))",
    "dict(zip(x, (y for y in z)))",
    "max(x, key=lambda y: y + z)",
    "set(filter(lambda y: y > z, x))",
]


def names(code: str) -> list[str]:
    """The names in the parts, but those that only these parts bind."""
    module = cst.parse_module(code)
    program = Program(module)
    found = {variable.name for _, variable in program.used(list(deferred(program, *module.body)))}
    return sorted(found & {"x", "y", "z", "v"})


@pytest.mark.parametrize("code", LATER)
def test_it_may_run_later(code: str) -> None:
    assert names(code) == LATER[code]


@pytest.mark.parametrize("code", AT_ONCE)
def test_it_runs_at_once(code: str) -> None:
    assert names(code) == []
