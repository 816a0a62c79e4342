"""Positions agree with LibCST's PositionProvider wherever a diagnostic may point."""

from __future__ import annotations

import pathlib

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from refactorer.analysis.program import Program

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures"
FILES = sorted(FIXTURES.glob("*.in.py")) + sorted(FIXTURES.glob("refused/*.py"))

LAYOUTS = {
    "decorators": "x = 1\n# above\n@a.b(c)\n\n# between\n@d\ndef f(a, *b, c=1, **d): return a\n",
    "branches": "if a:\n    b\nelif c:  # why\n    # here\n    d\nelif e: f\nelse:\n    g; h; i\nj\n",
    "one-line suites": "for i in x: a; b = c\nwhile d: e\nclass A: x = 1; y = 2\n",
    "try": "try:\n    a\nexcept (B, C) as e:\n    d\nexcept:\n    f\nelse:\n    g\nfinally:\n    h\n    i\n",
    "tabs": "if a:\n\tb\n\tif c:\n\t\td = e\n",
    "form feed": "a\n\x0c\nb\n\x0cc = d\n",
    "not ASCII": "s = 'größe'; t = s\nüber = '日本語' + s  # é\nif über: t = '🙂'; u = t\n",
    "long strings": 'def f():\n    """One.\n\n    Two.\n    """\n    a = """x\n  y""" + b\n    return a\nc = f()\n',
    "continued lines": "a = b + \\\n    c\nd = (e,\n     f(g,\n       h))\nwith i as j, \\\n     k as l:\n    m\n",
    "CRLF": "a = 1\r\ndef f():\r\n    # b\r\n    c = '''d\r\n'''\r\n    e\r\nf()\r\n",
    "old Mac newlines": "a = 1\rif b:\r    c\r    d = e\r",
    "mixed newlines": "a\r\nb\n\n\r\nif c:\r\n    d\n    e\n",
    "no newline at the end": "if a:\n    b\n    c(d)",
    "header": "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\n\n'''Doc.\n'''\na\n",
    "footer": "def f():\n    a\n    # end\n\n# after\nb\n# end of file\n",
    "lambda and comprehensions": "a = [lambda b: (c, d) for e in f if g for h in {i: j for i, j in k}]\nl\n",
    "match": "match a:\n    case [b, *c] if d:\n        e\n        f\n    case {'g': h, **i}:\n        j\n",
    "async": "async def f():\n    async for a in b:\n        await c\n    async with d as e:\n        g\n",
    "empty": "",
    "comments alone": "# a\n\n# b\n",
}


def disagreements(module: cst.Module) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
    program = Program(module)
    ranges = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    assert set(program.order) <= set(ranges)
    expected = {node: (ranges[node].start.line, ranges[node].start.column + 1) for node in program.order}
    return [
        (type(node).__name__, where, program.position(node))
        for node, where in expected.items()
        if program.position(node) != where
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_agrees_with_position_provider(layout: str) -> None:
    assert disagreements(cst.parse_module(LAYOUTS[layout])) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_agrees_with_position_provider_in_scripts(path: pathlib.Path) -> None:
    assert disagreements(cst.parse_module(path.read_bytes())) == []


def test_byte_order_mark() -> None:
    assert disagreements(cst.parse_module(b"\xef\xbb\xbfa = b\nif a:\n    c\n")) == []


def test_names_that_mean_no_variable() -> None:
    program = Program(cst.parse_module("x = 1\nif y:\n    f(key=a.attribute)\n"))
    keyword = program.calls[0].args[0].keyword
    attribute = program.calls[0].args[0].value
    assert keyword is not None and isinstance(attribute, cst.Attribute)
    assert program.position(keyword) == (3, 7)
    assert program.position(attribute.attr) == (3, 13)


def test_new_nodes_have_no_position() -> None:
    program = Program(cst.parse_module("x = 1\n"))
    assert program.position(cst.Name("x")) == (0, 0)
    assert program.position(cst.parse_statement("x = 1")) == (0, 0)


def test_positions_without_the_help_of_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(text: str) -> None:
        raise SyntaxError("newer than this Python")

    monkeypatch.setattr("refactorer.analysis.positions.ast.parse", fails)
    assert disagreements(cst.parse_module(LAYOUTS["try"] + LAYOUTS["decorators"])) == []
