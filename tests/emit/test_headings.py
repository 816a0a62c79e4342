"""Comments above steps: those that say no more than the step's name go with the line that they were on."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.emit.headings import says_no_more
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP
from refactorer.result import Converted

GONE = {
    STEP: ["# train", "# train for one epoch", "# -- TRAINING LOOP", "# Batches", "# noqa: B007", "# One epoch's"],
    VALIDATION_STEP: ["# evaluate on validation set", "# Eval", "# for each batch of the valid data"],
    TEST_STEP: ["# testing", "# evaluate the model on the test set"],
}  # fmt: skip
KEPT = {
    STEP: ["# train for 3 epochs", "# evaluate", "# warm up", "# ---", "#", "# one epoch, without noise", "# 训练"],
    VALIDATION_STEP: ["# evaluate on the test set", "# train", "# evaluate with dropout"],
    TEST_STEP: ["# validate", "# fmt: off"],
}  # fmt: skip


@pytest.mark.parametrize(("step", "comment"), [(step, text) for step, texts in GONE.items() for text in texts])
def test_no_more_than_the_name_of_the_step(step: str, comment: str) -> None:
    assert says_no_more(comment, step)


@pytest.mark.parametrize(("step", "comment"), [(step, text) for step, texts in KEPT.items() for text in texts])
def test_more_than_the_name_of_the_step(step: str, comment: str) -> None:
    assert not says_no_more(comment, step)


SCRIPT = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]

for epoch in range(2):
    {above}
    for x, y in loader:  {behind}
        # train
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("above", "behind", "written"),
    [
        ("# train for one epoch", "# batches", []),
        ("# train for one epoch", "# shuffled", ["# train for one epoch", "# shuffled"]),
        ("# train with\n    # all batches", "", ["# train with", "# all batches"]),
    ],
)
def test_a_comment_above_the_step_stays_as_a_whole(above: str, behind: str, written: list[str]) -> None:
    result = convert(SCRIPT.format(above=above, behind=behind))
    assert isinstance(result, Converted)
    lines = [line.strip() for line in result.after.splitlines()]
    at = lines.index("def training_step(self, batch, batch_idx):")
    assert lines[at - len(written) : at] == written
    assert lines[at - len(written) - 1] == ""
    assert lines[at + 2] == "# train"


PARTS = """\
import torch

model = torch.nn.Linear(2, 1)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def main():
    {above}
    best = 9.0
    # what the steps have seen
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        # over what is known
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            best = min(best, loss.item())
            print("Epoch:{{}} Loss:{{:.2f}}".format(epoch, loss))
            # print(loss)
        # over what is new
        model.eval()
        for x, y in loader:
            print((model(x) - y).square().mean().item())
        print(best)
    print(best)


main()
"""


def _parts(above: str) -> str:
    result = convert(PARTS.format(above=above))
    assert isinstance(result, Converted)
    for part in (above, "# what the steps have seen", "# over what is known", "# over what is new", "# print(loss)"):
        assert result.after.count(part) == 1
    return result.after


@pytest.mark.parametrize("heading", ["# Train the model", "##### TRAINING #####", "# main training loop"])
def test_the_heading_of_a_training_stays_where_it_is(heading: str) -> None:
    assert f"def main():\n    {heading}\n    trainer = Trainer(" in _parts(heading)


@pytest.mark.parametrize("remark", ["# the best training loss", "# model", "# a loop"])
def test_a_remark_on_a_value_goes_with_it(remark: str) -> None:
    assert f"        {remark}\n        self.best = 9.0\n" in _parts(remark)


def test_comments_on_switches_of_mode_stand_above_their_own_step() -> None:
    text = _parts("# the best")
    assert "    # over what is known\n    def training_step" in text
    assert "    # over what is new\n    def validation_step" in text


def test_a_comment_at_the_end_of_a_step_stands_above_what_it_returns() -> None:
    text = _parts("# the best")
    assert "        # print(loss)\n        return loss\n" in text or "# print(loss)\n\n    def " in text
