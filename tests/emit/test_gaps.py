"""The blank lines and the order of what is left where lines of the script have gone elsewhere."""

from __future__ import annotations

from refactorer import convert
from refactorer.result import Converted

HEAD = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(2, 1)
"""
LOOP = """\
for epoch in range(3):
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def converted(text: str) -> str:
    result = convert(HEAD + text)
    assert isinstance(result, Converted), result
    return result.after


def test_a_paragraph_that_loses_its_first_line_stays_one() -> None:
    after = converted(
        "\ncriterion = nn.MSELoss()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\nloader = []\n\n" + LOOP
    )
    assert "\nmodel = nn.Linear(2, 1)\n\nloader = []\n\ntrainer = " in after


def test_the_gap_comes_in_front_of_a_comment_that_stays() -> None:
    after = converted(
        "\n# of the whole\n\ncriterion = nn.MSELoss()\nloader = []\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n" + LOOP
    )
    assert "\nmodel = nn.Linear(2, 1)\n\n# of the whole\nloader = []\n" in after


def test_a_gap_that_is_there_already_stays_as_it_is() -> None:
    after = converted(
        "loader = []\n\ncriterion = nn.MSELoss()\n\nscale = 1\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n" + LOOP
    )
    assert "\nloader = []\n\nscale = 1\n" in after


def test_comments_behind_the_batches_keep_their_gaps() -> None:
    after = converted(
        "loader = []\ncriterion = nn.MSELoss()\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        + LOOP
        + "    print(epoch)\n\n    # for later:\n    # test()\n\n    # save()\n"
    )
    assert "self.print(self.current_epoch)\n\n        # for later:\n        # test()\n\n        # save()\n" in after


def test_the_constructor_keeps_the_order_of_the_script() -> None:
    loop = LOOP.replace("criterion(model(x), y)", "second(model(x), y) + criterion(model(x), y)")
    loop = loop.replace("    for x", "    seen = seen + 1\n    for x")
    after = converted(
        "loader = []\n# losses\ncriterion = nn.MSELoss()\nseen = 0\nsecond = nn.L1Loss()\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n" + loop
    )
    assert (
        "        # losses\n        self.criterion = nn.MSELoss()\n        self.seen = 0\n"
        "        self.second = nn.L1Loss()\n" in after
    )
