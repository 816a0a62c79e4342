"""Where the new class stands in a file that has no class or function in front of its training."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted

TRAINING = """model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("head", "first"),
    [
        ("import torch\n", "import torch"),
        ('import torch\n"""What the file is about."""\n', '"""What the file is about."""'),
        ('import torch\n\n"""What the file is\nabout."""\n"more of it"\n', '"more of it"'),
        ('"""A docstring."""\nimport torch\n', "import torch"),
        ("import torch\nloader = []\n'a text behind a line'\n", "import torch"),
    ],
)
def test_it_stands_behind_the_imports_and_the_text_about_the_file(head: str, first: str) -> None:
    result = convert(head + TRAINING)
    assert isinstance(result, Converted)
    above = result.after.split("class LitModel")[0].rstrip().splitlines()
    assert [line for line in above if not line.startswith("from runtime")][-1] == first


def _inside(head: str) -> str:
    training = TRAINING.replace("\n", "\n    ").rstrip()
    return f"import torch\n{head}def main(loader):\n    {training}\nmain([])\n"


@pytest.mark.parametrize("head", ["", "\n", "\n\n", "# what it does\n", "\n# what it does\n"])
def test_two_blank_lines_stand_around_it(head: str) -> None:
    result = convert(_inside(head))
    assert isinstance(result, Converted)
    above, below = result.after.split("class LitModel(Module):\n")
    assert above.endswith("from runtime import Module, Trainer\n\n\n")
    assert f"lr=0.1)\n\n\n{head.strip()}{chr(10) if head.strip() else ''}def main(loader):\n" in below


def test_a_comment_above_a_function_that_is_entered_stands_above_the_class() -> None:
    text = "import torch\n# one epoch\ndef train(loader):\n    for x, y in loader:\n        optimizer.zero_grad()\n"
    text += "        (model(x) - y).square().mean().backward()\n        optimizer.step()\n"
    text += TRAINING.split("for epoch")[0] + "for epoch in range(3):\n    train([])\n"
    result = convert(text)
    assert isinstance(result, Converted)
    assert "import Module, Trainer\n\n\n# one epoch\nclass LitModel(Module):\n" in result.after
