"""Trainings without an optimizer: every backward counts as a step, and the parameters that it reaches are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactorer.verify import verify
from refactorer.verify.execute import Run
from tests.verify.verify_harness import QUICK, defect, judge, run_script

BY_HAND = """\
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
x = torch.randn(12, 3)
loader = DataLoader(TensorDataset(x, x @ torch.tensor([1.0, -2.0, 0.5])), batch_size=4, shuffle=True)
w, b = torch.randn(3, requires_grad=True), torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for data, target in loader:
        loss = (data @ w + b - target).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            b -= 0.1 * b.grad
        w.grad = b.grad = None
    print(epoch)
"""
BY_GRAD = """\
import torch

torch.manual_seed(2)
x = torch.randn(12, 3)
w = torch.randn(3, requires_grad=True)
for i in range(4):
    (gradient,) = torch.autograd.grad((x @ w).pow(2).mean(), w)
    w = (w - 0.1 * gradient).detach().requires_grad_()
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_script(tmp_path_factory.mktemp("original"), BY_HAND)


def test_updates_by_hand_are_compared(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(BY_HAND)
    verdict = verify(tmp_path / "train.py", tmp_path / "train.py", env=QUICK)
    assert verdict.outcome == "equivalent"
    assert verdict.message == "the same 9 losses, 10 states of the parameters, 3 printed lines"
    assert verdict.original is not None
    assert (verdict.original.steps, verdict.original.training_seconds is not None) == (9, True)
    assert any("each backward() counts as a step" in note for note in verdict.notes)


LAST = "        w.grad = b.grad = None\n"


@pytest.mark.parametrize(
    ("passage", "step", "quantity"),
    [
        (("w -= 0.1 * w.grad", "w -= 0.1 * w.grad * (1 if epoch else 0.9)"), 1, "parameters before backward 2"),
        (("b -= 0.1 * b.grad", "b -= 0.1 * b.grad * (epoch < 2)"), 7, "parameters before backward 8"),
        ((LAST, f"{LAST}    w.data += epoch // 2\n"), 9, "parameters at the end"),
    ],
)
def test_other_updates_are_found_at_their_step(
    passage: tuple[str, str], step: int, quantity: str, original: Run, tmp_path: Path
) -> None:
    verdict = judge(original, run_script(tmp_path, defect(BY_HAND, passage)))
    assert verdict.outcome == "not equivalent"
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.quantity) == (step, quantity)


def test_values_given_to_autograd_grad_count_too(tmp_path: Path) -> None:
    one = run_script(tmp_path / "one", BY_GRAD)
    two = run_script(tmp_path / "two", defect(BY_GRAD, ("0.1", "(0.1 if i < 2 else 0.2)")))
    assert judge(one, one).message == "the same 5 states of the parameters"
    verdict = judge(one, two)
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.quantity) == (3, "parameters before backward 4")


def test_limits_count_backwards(original: Run, tmp_path: Path) -> None:
    run = run_script(tmp_path / "steps", BY_HAND, steps=4)
    assert (run.status, run.trace.cut, len(run.trace.losses), len(run.trace.weights)) == (0, True, 4, 5)
    assert run.trace.weights[4].checksum == original.trace.weights[4].checksum, "the last update is made before the end"
    epochs = run_script(tmp_path / "epochs", BY_HAND, epochs=2)
    assert (epochs.trace.cut, len(epochs.trace.losses), epochs.stdout) == (True, 6, b"0\n1\n")


EARLY = """\
import torch

model = torch.nn.Linear(2, 1)
model(torch.randn(4, 2)).sum().backward()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for i in range(4):
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
"""


def test_where_there_is_an_optimizer_its_steps_count(tmp_path: Path) -> None:
    told = {**QUICK, "REFACTORER_TRACE_BACKWARDS": "0"}
    one = run_script(tmp_path / "told", EARLY, steps=1, env=told)
    assert (len(one.trace.losses), len(one.trace.steps)) == (2, 1)


def test_generators_of_libraries_that_one_version_imports_do_not_count(tmp_path: Path) -> None:
    text = "import torch\nx = torch.randn(2, requires_grad=True)\nx.sum().backward()\n"
    one = run_script(tmp_path / "one", text)
    two = run_script(tmp_path / "two", "import numpy.random\n" + text)
    assert "numpy" in (two.trace.end or {})["r"]
    assert judge(one, two).outcome == "equivalent"
