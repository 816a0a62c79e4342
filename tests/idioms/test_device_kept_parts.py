"""Parts of a batch that a step leaves on the CPU for the code behind it."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, script, step_of

FRONT = "device = torch.device('cpu')\nmodel.to(device)"
LATE = "x, y = x.to(device), y.to(device)"
EVALUATION = """
    model.eval()
    with torch.no_grad():
        for data, goal in loader:
            last = goal
            data, goal = data.to(device), goal.to(device)
            print(criterion(model(data), goal).item())
    print({shown})
"""
STAYS = [
    (f"last = y\n{LATE}", "    print(last.sum())\n"),
    (f"last = y\n{LATE}", "print(last)\n"),
    (f"last = x\n{LATE}", "print(last.mean(), last.shape)\n"),
    (f"first, last = x, y\n{LATE}", "    if epoch:\n        print(first[0])\n"),
    (LATE, EVALUATION.format(shown="last.sum()")),
]


@pytest.mark.parametrize(("body", "behind"), STAYS)
def test_what_is_used_behind_the_step_stays_where_it_is(body: str, behind: str, runner: Runner) -> None:
    text, notes = checked(script(body, FRONT) + behind, runner)
    assert "N105" in notes and "x.to(self.device)" in step_of(text) and "transfer_batch_to_device" in text


def test_what_a_function_sees_stays_where_it_is(runner: Runner) -> None:
    before = script(f"last = y\n{LATE}", f"def show():\n    print(last.sum(), len(last))\n{FRONT}") + "    show()\n"
    text, notes = checked(before, runner)
    assert "N105" in notes and "x.to(self.device)" in step_of(text)
    text, notes = checked(before.replace("last.sum(), ", ""), runner)
    assert "N105" not in notes and "to(" not in step_of(text)


GOES = [
    (f"last = y\n{LATE}", "    print(len(last), last.shape)\n"),
    (f"last = y\n{LATE}", "print(last.size(0), last.tolist())\n"),
    (f"last = y\n{LATE}", "    last = 3\n    print(last)\n"),
    (LATE, "    print(x.sum(), y.sum())\nprint(x.mean())\n"),
    (LATE, EVALUATION.format(shown="len(last)")),
]


@pytest.mark.parametrize(("body", "behind"), GOES)
def test_what_shows_no_device_goes(body: str, behind: str, runner: Runner) -> None:
    text, notes = checked(script(body, FRONT) + behind, runner)
    assert "N105" not in notes and "to(" not in step_of(text) and "transfer_batch_to_device" not in text
