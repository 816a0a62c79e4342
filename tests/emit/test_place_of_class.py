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
