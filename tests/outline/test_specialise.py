"""Statements for known values of variables."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.training.specialise import specialise

PIECE = """
    for x in data:
        if fit:
            continue
        other(x)
    if not fit:
        other({k})
    kept({k})
    fit and print({k})
"""


def test_no_line_is_taken_for_one_that_is_gone() -> None:
    """Of many lines that go, the next nodes get the places in memory."""
    count = 50
    text = "def run(data, fit):" + "".join(PIECE.format(k=k) for k in range(count)) + "    return 1\n"
    program = Program(cst.parse_module(text))
    function = program.find(cst.FunctionDef)[0]
    known = {program.variables[function.params.params[1].name]: cst.Name("True")}
    done = cst.Module(specialise(program, function.body.body, known)).code  # type: ignore[arg-type]
    assert [k for k in range(count) if f"kept({k})" not in done] == []
    assert "other" not in done
    assert done.endswith("return 1\n")
