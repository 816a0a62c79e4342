"""What a text may say, as far as its beginning and its end tell."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.analysis.program import Program
from refactorer.analysis.said import may_say

NAME = "run_batch"


def _may(expression: str, before: str = "") -> bool:
    module = cst.parse_module(f"{before}\nfound = {expression}\n")
    program = Program(module)
    assign = next(node for node in program.find(cst.Assign) if isinstance(node.targets[0].target, cst.Name)
                  and node.targets[0].target.value == "found")  # fmt: skip
    return may_say(program, assign.value, NAME)


@pytest.mark.parametrize(
    "expression",
    ["'other'", "b'run_batch'", "mode + '_writer'", "'log_' + mode", "f'{mode}_writer'", "f'log_{mode}'", "f'writer'",
     "mode + 'x' + '_writer'", "'run_' + kind + '_writer'", "mode + f'{kind}_writer'"],
)  # fmt: skip
def test_a_text_that_begins_or_ends_otherwise(expression: str) -> None:
    assert not _may(expression)


@pytest.mark.parametrize(
    "expression",
    ["'run_batch'", "'run\\x5fbatch'", "mode", "mode + '_batch'", "'run_' + mode", "f'{mode}_batch'", "f'run_{mode}'",
     "f'run_batch'", "f'{mode}'", "f''", "'run_' + 'batch'", "mode * 2", "'%s_writer' % mode", "names['_writer']",
     "f'run\\x5f{mode}'", "f'{mode}\\x5fbatch'", "'_writer' if mode else mode", "(mode + '_writer')[:3]"],
)  # fmt: skip
def test_a_text_that_may_be_the_name(expression: str) -> None:
    assert _may(expression)


@pytest.mark.parametrize("method", ["__add__", "__radd__"])
def test_objects_of_the_file_may_add_otherwise(method: str) -> None:
    before = f"class Mode:\n    def {method}(self, other):\n        return 'run_batch'\n"
    assert _may("mode + '_writer'", before)
