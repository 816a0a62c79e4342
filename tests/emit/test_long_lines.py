"""Lines that a conversion made too long, and those that stay as they are."""

from __future__ import annotations

import ast
import pathlib

import pytest

from refactorer.emit.long_lines import WIDTH, Style, broken, shortened

FIXTURES = sorted((pathlib.Path(__file__).parents[2] / "fixtures").rglob("*.out.py"))
HANGING, BLACK = Style(hanging=True), Style(hanging=True, closes_apart=True)

BROKEN = {
    "under the bracket": ("show(first, second)", 14, Style(), "show(first,\n     second)"),
    "hanging": ("show(first, second)", 18, HANGING, "show(\n    first, second)"),
    "closed apart": ("show(first, second)", 18, BLACK, "show(\n    first, second\n)"),
    "as few rows as can be": ("show(first, second, third)", 20, HANGING, "show(first, second,\n     third)"),
    "the outermost bracket": ("show(max(a, b), c)", 16, Style(), "show(max(a, b),\n     c)"),
    "the bracket at the end": ("a(b, c).show(d, e)", 17, Style(), "a(b, c).show(d,\n             e)"),
    "a tuple in a call": ("show('%s' % (a, b))", 17, Style(), "show('%s' % (a,\n             b))"),
    "a dictionary": ("x = {'a': 1, 'b': 2}", 15, Style(), "x = {'a': 1,\n     'b': 2}"),
    "the last row of several": ("f(first,\n  second, third)", 11, Style(), "f(first,\n  second,\n  third)"),
    "a row that hangs": ("show(\n  first, second)", 14, Style(), "show(\n  first,\n  second)"),
    "a row between": ("show(\n  first, second,\n  x)", 10, Style(), "show(\n  first,\n  second,\n  x)"),
    "behind an inner bracket": ("f(a, max(b,\n         c), d)", 13, Style(), "f(a, max(b,\n         c),\n  d)"),
    "a comment stays behind": ("show(first, second)  # why", 14, Style(), "show(first,\n     second)  # why"),
    "a header": ("def step(self, batch):\n    pass", 20, HANGING, "def step(self,\n         batch):\n    pass"),
    "indented by tabs": ("if x:\n\tshow(first, second)", 15, Style(), "if x:\n\tshow(first,\n\t     second)"),
    "commas in a formatted string": ("show(f'{a, b}', c)", 16, Style(), "show(f'{a, b}',\n     c)"),
}  # fmt: skip
AS_IT_WAS = {
    "short enough": ("show(first, second)", 19),
    "a comment alone is too long": ("show(a, b)  # why", 12),
    "a string": ("show('first, second')", 14),
    "a tuple without brackets": ("a, b = first, second", 12),
    "one argument": ("show(first)", 8),
    "a subscript": ("data[first, second]", 12),
    "names of a lambda": ("show(lambda a, b: a + b)", 16),
    "names of a comprehension": ("[a + b for a, b in c]", 16),
    "in a formatted string": ("f'{max(first, second)}'", 14),
    "no item would be short enough": ("show(first, a_long_name)", 14),
    "what follows would no longer be aligned": ("show(a, max(b,\n            c))", 13),
    "the bracket ends in time": ("show(a, b) + first + second", 20),
    "behind a string of several rows": ('show("""\n""", first, second)', 14),
    "the end of a string": ('show("""\nfirst, second""")', 12),
    "in a string of several rows": ('"""\nshow(first, second)\n"""', 14),
}


@pytest.mark.parametrize(("code", "width", "style", "rows"), [*BROKEN.values()], ids=[*BROKEN])
def test_long_lines_are_broken(code: str, width: int, style: Style, rows: str) -> None:
    assert broken(code, width, style) == rows
    assert broken(rows, width, style) == rows


@pytest.mark.parametrize(("code", "width"), [*AS_IT_WAS.values()], ids=[*AS_IT_WAS])
def test_other_lines_stay(code: str, width: int) -> None:
    assert broken(code, width) == code


@pytest.mark.parametrize("style", [Style(), BLACK], ids=["under", "black"])
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_the_program_is_the_same(path: pathlib.Path, style: Style) -> None:
    text = path.read_text()
    narrow = broken(text, 60, style)
    assert ast.dump(ast.parse(narrow)) == ast.dump(ast.parse(text))
    assert [part.split("#")[1] for part in narrow.split("\n") if part.count("#") == 1] == [
        part.split("#")[1] for part in text.split("\n") if part.count("#") == 1
    ]


LONG = "show_everything(" + ", ".join(f"self.a_rather_long_name_0{i}" for i in range(4)) + ")"
SHORT = LONG.replace("self.", "")


def test_lines_that_grew_are_shortened() -> None:
    lines = shortened(SHORT, LONG).split("\n")
    assert [line.startswith("                self.") for line in lines] == [False, True]
    assert max(map(len, lines)) <= WIDTH


def test_lines_that_moved_stay() -> None:
    moved = f"class A:\n    def f(self):\n        {SHORT.replace('long', 'longer')}"
    assert shortened(SHORT.replace("long", "longer"), moved) == moved


def test_a_script_with_longer_lines_keeps_its_width() -> None:
    wide = "x = " + " + ".join(["first"] * 30)
    assert shortened(f"{wide}\n{SHORT}", f"{wide}\n{LONG}") == f"{wide}\n{LONG}"


def test_long_comments_and_strings_are_no_width() -> None:
    for text in ("# " + "-" * 150, '"""\n' + "-" * 150 + '\n"""'):
        assert shortened(f"{text}\n{SHORT}", f"{text}\n{LONG}") != f"{text}\n{LONG}"


def test_line_ends_are_those_of_the_file() -> None:
    found = shortened(f"a = 1\r\n{SHORT}\r\n", f"a = 1\r\n{LONG}\r\n")
    assert found.count("\r\n") == found.count("\n") == 3
    mixed = f"a = 1\r\n{LONG}\n"
    assert shortened(SHORT, mixed) == mixed


def test_the_style_is_that_of_most_calls() -> None:
    under, hanging = "if a:\n    f(a,\n  b)\n", "f(\n    a, b)\n"
    apart, imports = "f(\n    a, b\n)\n", "from a import (\n    b,\n)\n"
    assert "show_everything(self." in shortened(under + imports, LONG)
    assert "show_everything(\n    self." in shortened(hanging + hanging + under, LONG)
    assert shortened(apart + imports, LONG).endswith("self.a_rather_long_name_03\n)")
