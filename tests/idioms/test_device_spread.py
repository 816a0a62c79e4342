"""Batches of which a part is only given to a network in `DataParallel`, which moves what it is given."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, script, step_of

CUDA = "if torch.cuda.is_available():\n    model.cuda()"
SPREAD = f"model = nn.DataParallel(model)\n{CUDA}"
MOVED = "if torch.cuda.is_available():\n    y = y.cuda()"


@pytest.mark.parametrize("body", [MOVED, f"n = x.size(0) + len(x)\n{MOVED}\nprint(n, model(x).shape)"])
def test_the_trainer_moves_what_the_network_would(body: str, runner: Runner) -> None:
    before = script(body, SPREAD)
    text, notes = converted(before)
    assert "cuda" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("front", "body"),
    [
        (CUDA, MOVED),  # a network may want an argument on the CPU
        (f"if torch.cuda.device_count() > 1:\n    model = nn.DataParallel(model)\n{CUDA}", MOVED),
        (f"model = nn.Sequential(nn.DataParallel(model))\n{CUDA}", MOVED),
        (f"{SPREAD}\nmodel = model.module", MOVED),
        (SPREAD, f"print(x.sum())\n{MOVED}"),
        (SPREAD, f"x = x + torch.zeros(2)\n{MOVED}"),
        (SPREAD, f"print(model(x.clone()).sum().item())\n{MOVED}"),
    ],
)
def test_the_moves_stay(front: str, body: str, runner: Runner) -> None:
    before = script(body, front)
    text, notes = converted(before)
    assert "y = y.to(self.device)" in step_of(text) and "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_moves_follow_a_module_whose_network_is_not_known(runner: Runner) -> None:
    """An optimizer that is made in branches tells no network."""
    front = """
    args = argparse.Namespace(use_cpu=True)
    if not args.use_cpu:
        model = model.cuda()
    """
    body = """
    x = torch.Tensor(x.numpy())

    if not args.use_cpu:
        x, y = x.cuda(), y.cuda()
    """
    before = script(body, front).replace(
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)",
        "optimizer = getattr(torch.optim, 'SGD')(list(model.parameters()), lr=0.1)",
    )
    text, _ = converted(before)
    assert "x = x.to(self.device)" in step_of(text) and "use_cpu:" not in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None
