"""Bytes to text and back: encodings, byte-order marks, line ends, and Python's own opinion of a file."""

from __future__ import annotations

import codecs
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refactorer.source import Source, SourceError, decode, syntax_problem


def refusal(data: bytes) -> tuple[str, int, int, str]:
    with pytest.raises(SourceError) as caught:
        decode(data, path="x.py")
    found = caught.value.diagnostic
    return found.code, found.line, found.column, found.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x = 1\n",
        b"x = 1",
        b"x = 1\r\ny = 2\r\n",
        b"x = 1\ry = 2\r",
        b"x = 1\r\ny = 2\nz = 3\rw = 4",
        b"x = 1\n\x0c\ny = 2\n\x1a",
        codecs.BOM_UTF8 + b"x = 1\n",
        codecs.BOM_UTF8 + b"# -*- coding: utf-8 -*-\nx = 1\n",
        "x = 'é ∑ \U0001f600 \u2028 \ufeff'\n".encode(),
        "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"),
        "#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '€'\r\n".encode("cp1252"),
        "# coding: gbk\nx = '中文'\n".encode("gbk"),
        "# coding: shift_jis\nx = '日本'\n".encode("shift_jis"),
    ],
)
def test_text_goes_back_to_the_same_bytes(data: bytes) -> None:
    source = decode(data, path="x.py")
    assert source.data == data
    assert not source.text.startswith("\ufeff")


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_reproduced_or_refused(data: bytes) -> None:
    try:
        source = decode(data, path="x.py")
    except SourceError as error:
        assert error.diagnostic.code == "E003"
    else:
        assert source.data == data


@settings(deadline=None)
@given(st.text(max_size=60).filter(lambda text: "coding" not in text))
def test_any_text_keeps_its_line_ends(text: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode(text.encode("utf-8", "replace"), path="x").text == text.encode("utf-8", "replace").decode()


def test_latin1_is_read_as_declared() -> None:
    source = decode("# coding: latin-1\ns = 'é'\n".encode("latin-1"), path="x.py")
    assert source.text == "# coding: latin-1\ns = 'é'\n"
    assert source.encoding == "iso-8859-1"


def test_wrong_byte_is_located() -> None:
    assert refusal(b"x = 1\ny = '\xe9'\n") == ("E003", 2, 6, "byte 0xe9 is not utf-8 text")


def test_column_counts_characters_not_bytes() -> None:
    assert refusal("é = '".encode() + b"\xe9'\n")[1:3] == (1, 6)


def test_column_does_not_count_the_mark() -> None:
    assert refusal(codecs.BOM_UTF8 + b"'\xe9'\n")[1:3] == (1, 2)


def test_wrong_byte_far_below_the_declaration_lines() -> None:
    assert refusal(b"x = 1\n" * 500 + b"\xff\n")[:3] == ("E003", 501, 1)


def test_unknown_encoding() -> None:
    code, line, _, message = refusal(b"# coding: klingon\nx = '\xff'\n")
    assert (code, line) == ("E003", 1)
    assert "unknown encoding: klingon" in message


def test_encoding_that_is_not_text() -> None:
    assert refusal(b"# coding: hex\n")[0] == "E003"


def test_mark_and_declaration_that_disagree() -> None:
    assert refusal(codecs.BOM_UTF8 + b"# coding: latin-1\n")[0] == "E003"


def test_encoding_that_does_not_give_the_same_bytes_back() -> None:
    # UTF-7 writes most letters in more than one way.
    code, _, _, message = refusal(b"# coding: utf-7\nx = '+AGE-'\n")
    assert (code, "cannot be reproduced" in message) == ("E003", True)


def test_utf16_is_named() -> None:
    assert "UTF-16" in refusal("x = 1\n".encode("utf-16"))[3]


def test_new_text_keeps_encoding_and_mark() -> None:
    source = decode(codecs.BOM_UTF8 + b"x = 1\r\n", path="x.py").with_text("y = 2\r\n")
    assert source.data == codecs.BOM_UTF8 + b"y = 2\r\n"
    latin = decode(b"# coding: latin-1\nx = '\xe9'\n", path="x.py")
    assert latin.with_text(latin.text + "y = 'è'\n").data == b"# coding: latin-1\nx = '\xe9'\ny = '\xe8'\n"


@pytest.mark.parametrize("text", ["# coding: latin-1\nx = '∑'\n", "import y\nimport z\n# coding: latin-1\nx = 'é'\n"])
def test_new_text_that_the_encoding_cannot_hold_is_refused(text: str) -> None:
    source = Source("x.py", "# coding: latin-1\n", "iso-8859-1")
    with pytest.raises(SourceError) as caught:
        source.with_text(text)
    assert caught.value.diagnostic.code == "E004"


def problem(text: str) -> tuple[str, int, int, str, str]:
    found = syntax_problem(text, path="x.py")
    assert found is not None
    return found.code, found.line, found.column, found.message, found.hint


@pytest.mark.parametrize("text", ["", "x = 1", "x = 1\r\ny = 2\r", "if x:\n\ty\n", "\x0cx = 1\n", "x = '\\d'\n"])
def test_valid_python_has_no_problem(text: str) -> None:
    assert syntax_problem(text, path="x.py") is None


def test_place_and_message_are_pythons() -> None:
    code, line, column, message, hint = problem("x = 1\nif x\n    y\n")
    assert (code, line, column, message) == ("E002", 2, 5, "not valid Python: expected ':'")
    assert "correct this line" in hint


def test_line_numbers_with_every_kind_of_line_end() -> None:
    assert problem("a\r\nb\rc\n1 +\n")[1] == 4


def test_what_only_the_compiler_sees() -> None:
    assert "'return' outside function" in problem("return 1\n")[3]


@pytest.mark.parametrize(
    "text",
    [
        "print 'epoch', 1\n",
        "exec 'x'\n",
        "try:\n    pass\nexcept E, e:\n    pass\n",
        "raise E, 'x'\n",
        "x = 1 <> 2\n",
        "x = `1`\n",
        "x = 0777\n",
    ],
)
def test_python_2_is_recognised(text: str) -> None:
    assert "Python 2" in problem(text)[4]


@pytest.mark.parametrize("text", ["x = (1  # `1` <> 2\n", "x = '<>' 1\n", "if x:\n\ty\n        z\n", "printer x\n"])
def test_other_mistakes_are_not_called_python_2(text: str) -> None:
    assert "Python 2" not in problem(text)[4]


@pytest.mark.parametrize("text", ["y = y.cuda(async=True)\n", "if y:\n    x, y = x.to(0, async = a), y.cuda(device)\n"])
def test_the_old_name_of_non_blocking_is_recognised(text: str) -> None:
    assert "write non_blocking=True" in problem(text)[4]


def test_other_uses_of_async_are_just_wrong() -> None:
    assert "non_blocking" not in problem("run(async=True)\n")[4]


@pytest.mark.parametrize("text", ["%matplotlib inline\n", "!pip install torch\n"])
def test_notebook_lines_are_recognised(text: str) -> None:
    assert "notebook" in problem(text)[4]


@pytest.mark.parametrize("text", ["x = 1\0", "x = " + "(" * 5000 + ")" * 5000, "-" * 100_000 + "1", "\ud800"])
def test_what_the_parser_cannot_take_is_a_problem_not_an_exception(text: str) -> None:
    assert problem(text)[0] == "E002"


def test_too_deep_for_the_parser_is_said_in_words() -> None:
    assert re.fullmatch("not valid Python: .*(too deeply|too complex).*", problem("-" * 100_000 + "1")[3])


def test_warnings_of_the_users_code_are_not_shown() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert syntax_problem("x = '\\d'\nx is 1\n", path="x.py") is None
    assert seen == []


def test_nothing_is_executed() -> None:
    assert syntax_problem("raise SystemExit(7)\n", path="x.py") is None
