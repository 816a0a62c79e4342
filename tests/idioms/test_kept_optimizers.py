"""Optimizers and schedulers that the hooks use themselves: made in `configure_optimizers`, and kept by the module."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import LambdaLR, StepLR

torch.manual_seed(0)
loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]


def lower(optimizer):
    for group in optimizer.param_groups:
        group["lr"] *= 0.5


def main(epochs, decay=0.9):
    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
{made}
    for epoch in range(epochs):
{first}
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
            print(loss.item())
{last}
{behind}


main(3)
print(torch.rand(1))
"""

STEPS = "scheduler = StepLR(optimizer, 1, 0.5)"


def script(made: str = "pass", first: str = "pass", last: str = "pass", behind: str = "pass") -> str:
    def indented(lines: str, depth: int) -> str:
        return "\n".join(" " * depth + line for line in lines.split("\n"))

    return SCRIPT.format(
        made=indented(made, 4), first=indented(first, 8), last=indented(last, 8), behind=indented(behind, 4)
    )


def converted(text: str) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


KEPT = {
    "rate": script(last="print(optimizer.param_groups[0]['lr'])"),
    "lowered": script(first="lower(optimizer)"),
    "first": script(STEPS, first="scheduler.step()"),
    "both": script(STEPS, last="print(scheduler.get_last_lr(), optimizer.param_groups[0]['lr'])\nscheduler.step()"),
    "sometimes": script(STEPS, last="if epoch > 0:\n    scheduler.step()"),
    "metric": script("scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer)", last="scheduler.step(loss)"),
    "until": script(last="if optimizer.param_groups[0]['lr'] < 0.06:\n    break\nlower(optimizer)"),
    "none": script(STEPS, first="scheduler.step()").replace("main(3)", "main(0)"),
    "twice": script(STEPS, first="scheduler.step()").replace("main(3)", "main(3)\nmain(2)"),
    "settings": script("scheduler = LambdaLR(optimizer, lambda e: decay ** e)", first="scheduler.step()"),
    "function": script(
        "def rate(e):\n    if e < 2:\n        return 1.0\n    return decay / e\nscheduler = LambdaLR(optimizer, rate)",
        last="scheduler.step()\nprint(epoch)",
    ),
    "several": script("own = lambda e: decay ** e\nscheduler = LambdaLR(optimizer, [own])", first="scheduler.step()"),
}
OUTSIDE = {
    "saved": script(last="lower(optimizer)", behind="print(optimizer.state_dict()['param_groups'])"),
    "counted": script(last="lower(optimizer)").replace("range(epochs)", "range(len(optimizer.param_groups))"),
    "tested": script(last="lower(optimizer)", behind="for x, y in loader:\n    print(optimizer.param_groups[0]['lr'])"),
    "maybe": script("if decay > 0.5:\n    optimizer = optim.Adam(model.parameters())", last="lower(optimizer)"),
    "more": script(
        "rate, momentum = 0.1, 0.5\noptimizer = optim.SGD(model.parameters(), lr=rate, momentum=momentum)",
        last="lower(optimizer)",
    ).replace("    optimizer = optim.SGD(model.parameters(), lr=0.1)\n", ""),
    "later": script(
        "scale = 1.0\nscheduler = LambdaLR(optimizer, lambda e: scale / (e + 1))\nscale = 5.0", last="scheduler.step()"
    ),
    "named later": script(
        "scale = 1.0\nown = lambda e: scale / (e + 1)\nscheduler = LambdaLR(optimizer, own)\nscale = 5.0",
        last="scheduler.step()",
    ),
    "prints": script(
        "own = lambda e: print('asked', e) or 1.0\nscheduler = LambdaLR(optimizer, own)\nprint('made')",
        last="scheduler.step()",
    ),
    "draws": script(
        "own = lambda e: torch.rand(1).item()\nscheduler = LambdaLR(optimizer, own)\nprint(torch.rand(1))",
        last="scheduler.step()",
    ),
    "unknown": script("from math import sqrt\nscheduler = LambdaLR(optimizer, sqrt)", last="scheduler.step()"),
    "default": script(
        "def rate(e, seen=[]):\n    return decay ** e\nscheduler = LambdaLR(optimizer, rate)", last="scheduler.step()"
    ),
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_the_module_makes_and_keeps_them(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "optimizer = optim.SGD(self.model.parameters(), lr=0.1)" in after
    assert "optimizer" not in after[after.index("trainer.fit(") :]
    assert first_difference(runner.run(text), runner.run(after)) is None


@pytest.mark.parametrize("text", OUTSIDE.values(), ids=OUTSIDE)
def test_the_script_makes_what_others_see_or_what_would_be_different_later(text: str, runner: Runner) -> None:
    after = converted(text)
    assert "return self.optimizer\n" in after or "return [self.optimizer], [self.scheduler]" in after
    assert "self.optimizer = optimizer" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_steps_of_a_scheduler_stay_where_its_function_sees_what_follows() -> None:
    text = script(
        "model.scale = 1.0\nscheduler = LambdaLR(optimizer, lambda e: model.scale / (e + 1))",
        last="scheduler.step()\nmodel.scale = 2.0",
    )
    assert "self.scheduler.step()" in converted(text)


def test_what_has_no_optimizer_that_the_trainer_knows_stays_with_the_script() -> None:
    text = script("wrapped = Wrapped(optimizer)\n" + STEPS, first="scheduler.step()")
    text = text.replace("optimizer.zero_grad()", "wrapped.zero_grad()").replace("optimizer.step()", "wrapped.step()")
    text = text.replace("def main", "from elsewhere import Wrapped\n\n\ndef main")
    assert "scheduler = StepLR(optimizer, 1, 0.5)\n" in converted(text)


def test_the_note_names_the_function_that_is_handed_an_optimizer() -> None:
    text = script(last="lower(optimizer)").replace("epochs, decay=0.9", "epochs, model, optimizer")
    text = text.replace("    model = nn.Linear(3, 1)\n    optimizer = optim.SGD(model.parameters(), lr=0.1)\n", "")
    result = convert_text(text[: text.index("main(3)")])
    assert isinstance(result, Converted)
    assert "the script makes optimizer: main() is handed it" in [note.message for note in result.diagnostics]
