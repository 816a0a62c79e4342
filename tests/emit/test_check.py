"""Names that nothing binds: as the analysis sees them, and as Python looks them up where the two differ."""

from __future__ import annotations

import builtins
import pathlib

import libcst as cst
import pytest

from refactorer.analysis.program import Program
from refactorer.emit.check import unbound_names

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
FILES = sorted(FIXTURES.glob("*.py")) + sorted(FIXTURES.glob("*/*.py"))

CASES = [
    ("x = y\n", {"y"}),
    ("n += 1\n", set()),
    ("del q\n", set()),
    ("def f():\n    global g\n    g = 1\nprint(g)\n", set()),
    ("def f():\n    global r\n    print(r)\n", {"r"}),
    ("def f(): return [a for b in c if d]\n", {"a", "c", "d"}),
    ("class A:\n    k = 1\n    def m(self): return k\n", {"k"}),
    ("def f(x: T) -> U: pass\ny: V\nclass K:\n    q: Q = 1\n", {"Q", "T", "U", "V"}),
    ("try:\n    pass\nexcept E as e:\n    print(e)\nprint(e)\n", {"E"}),
    ("from m import *\nprint(a)\n", {"a"}),
    ("[u := i for i in j]\nprint(u)\n", {"j"}),
    ("def f():\n    import os.path as p, sys\n    return p, sys, os\n", {"os"}),
    ("with a() as (b, c.d): print(b)\n", {"a", "c"}),
    ("lambda x, *y, z=k, **w: (x, y, z, w, v)\n", {"k", "v"}),
    ("def f():\n    def g():\n        nonlocal x\n        x = 1\n    x = 0\n    return y, x\n", {"y"}),
    ("for i in n: pass\nelse: print(i, o)\n", {"n", "o"}),
    ("print(f'{a!r:{b}}')\n", {"a", "b"}),
    ("@dec\nclass A(B, metaclass=C): pass\n", {"B", "C", "dec"}),
    ("async def f():\n    async for a in b: await c\n", {"b", "c"}),
    ("match a:\n    case [b, *c, {'d': e, **g}] if b: print(c, e, g, h)\n", {"a", "h"}),
    ("import a.b\nprint(a, b, len, __name__, __file__)\n", {"b", "__file__"}),
]


def by_analysis(text: str) -> set[str]:
    return set(Program(cst.parse_module(text)).unbound) - set(dir(builtins))


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_unbound_names(text: str, expected: set[str]) -> None:
    assert unbound_names(text) == expected
    assert by_analysis(text) == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_agrees_with_the_analysis_on_scripts(path: pathlib.Path) -> None:
    text = path.read_bytes().decode("utf-8-sig")
    assert unbound_names(text) == by_analysis(text)


@pytest.mark.parametrize("name", ["torch", "main", "args"])
def test_finds_a_name_that_was_taken_away(name: str) -> None:
    text = (FIXTURES / "mnist_functions.in.py").read_text()
    text = text.replace("import torch\n", "").replace("def main(", "def other(").replace("args = parser", "parser")
    assert name in unbound_names(text)


def test_private_names_are_mangled_in_a_class() -> None:
    text = "def __helper(): pass\n"
    assert unbound_names(text + "__helper()\n") == set()
    assert unbound_names(text + "class A:\n    def m(self): __helper()\n") == {"_A__helper"}


def test_annotations_that_are_never_evaluated_do_not_count() -> None:
    text = "from __future__ import annotations\ndef f(x: T) -> U: pass\n"
    assert unbound_names(text) == set()
    assert unbound_names(text + "print(T)\n") == {"T"}


def test_a_text_that_is_not_python() -> None:
    with pytest.raises(SyntaxError):
        unbound_names("def f(:\n")
