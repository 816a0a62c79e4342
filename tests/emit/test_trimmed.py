"""White space at the ends of the lines of the new class."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.converter import convert_text
from refactorer.emit.trimmed import with_trimmed
from refactorer.result import Converted

BEFORE = """\
def other():
    return 1 \n\
    \n\

class New:
    def f(self):   \n\
        x = [1,  \n\
             2]\t\n\
    \n\
        # a comment  \n\
        if x:  # another \n\
            pass\n\
"""
AFTER = """\
def other():
    return 1 \n\
    \n\

class New:
    def f(self):
        x = [1,
             2]

        # a comment
        if x:  # another
            pass
"""


def test_lines_of_the_class_are_trimmed_and_no_others() -> None:
    assert with_trimmed(cst.parse_module(BEFORE), "New").code == AFTER


@pytest.mark.parametrize("line", ['s = """a  \n  b"""', "x = 1 + \\\n    2", "x = 3 \\\n  "])
def test_what_belongs_to_the_code_stays(line: str) -> None:
    text = f"class New:\n    def f(self):\n        {line}\n"
    assert with_trimmed(cst.parse_module(text), "New").code == text


def test_lines_of_the_training_move_without_it() -> None:
    script = (
        "import torch\nmodel = torch.nn.Linear(2, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1) \n"
        "for epoch in range(2):\n    for x, y in [(torch.ones(2, 2), torch.ones(2, 1))]:  \n"
        "        optimizer.zero_grad() \n        \n        loss = (model(x) - y).square().mean()  \n    \n"
        "        loss.backward()\t\n        optimizer.step()  \n        print(loss.item()) \n"
    )
    result = convert_text(script)
    assert isinstance(result, Converted)
    assert not [line for line in result.after.splitlines() if line != line.rstrip()]
