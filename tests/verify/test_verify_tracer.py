"""The tracer: it disturbs nothing, computes checksums only when it should, and says what it cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactorer.verify.execute import Run
from refactorer.verify.origin import find_origin
from tests.verify.verify_harness import QUICK, defect, run_script

# Everything that is recorded happens in this script, on batch normalisation, dropout and two generators.
BUSY = """\
import random
import torch
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
random.seed(3)
net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.Dropout(0.3), torch.nn.Linear(6, 2))
data = TensorDataset(torch.randn(24, 4), torch.randint(0, 2, (24,)))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
for epoch in range(2):
    net.train()
    for x, y in DataLoader(data, batch_size=8, shuffle=True):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        print(loss.item(), random.random())
    net.eval()
    with torch.no_grad():
        print(net(data.tensors[0]).sum().item())
    scheduler.step()
print(torch.rand(1).item(), [b.sum().item() for b in net.buffers()])
"""


def traced(folder: Path, text: str = BUSY, steps: int | None = None, **env: str) -> Run:
    return run_script(folder, text, steps=steps, env={**QUICK, **env})


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return traced(tmp_path_factory.mktemp("full"))


def test_nothing_that_the_script_computes_changes(full: Run, tmp_path: Path) -> None:
    """A script prints the same whether it is looked at closely, at every step, or hardly."""
    hardly = traced(tmp_path / "hardly", REFACTORER_TRACE_EVERY="0")
    closely = traced(tmp_path / "closely", REFACTORER_TRACE_OUTPUTS="1")
    assert full.status == hardly.status == closely.status == 0, full.stderr_tail
    assert full.stdout == hardly.stdout == closely.stdout
    assert full.trace.end is not None
    assert hardly.trace.end is not None
    assert full.trace.end["r"] == hardly.trace.end["r"]


def test_what_a_step_consists_of_is_recorded(full: Run) -> None:
    trace = full.trace
    assert [(b.step, b.rows, b.loader) for b in trace.batches] == [(i, 8, 1 + i // 3) for i in range(6)]
    assert [(f.step, f.module, f.gradients, f.training) for f in trace.forwards] == [
        *((i, "Sequential", True, True) for i in range(3)),
        (3, "Sequential", False, False),
        *((i, "Sequential", True, True) for i in range(3, 6)),
        (6, "Sequential", False, False),
    ]
    # Four layers and the network around them, which counts once more in evaluation mode.
    assert [loss.modes for loss in trace.losses] == [(5, 0)] * 3 + [(5, 5)] + [(5, 0)] * 2
    assert [loss.gradients for loss in trace.losses] == [0.0] * 6
    assert {loss.seed for loss in trace.losses} == {3}
    assert all(step.buffers and step.state and step.settings for step in trace.steps)
    assert "momentum=0.9" in str(trace.steps[0].settings)
    assert [call.step for call in trace.called("clip")] == list(range(6))
    assert "v=1.0" in trace.called("clip")[0].detail
    assert [call.step for call in trace.called("sched")] == [0, 3, 6]
    assert [call.detail for call in trace.called("mode")] == ["on=False", "on=True", "on=False"]
    assert [call.place for call in trace.called("zero")] == ["project/script.py:14"] * 6


def test_without_checksums_losses_and_rates_are_left(tmp_path: Path, full: Run) -> None:
    hardly, sometimes = (traced(tmp_path / every, REFACTORER_TRACE_EVERY=every).trace for every in ("0", "3"))
    for trace in (hardly, sometimes):
        assert [loss.value for loss in trace.losses] == [loss.value for loss in full.trace.losses]
        assert [step.rates for step in trace.steps] == [step.rates for step in full.trace.steps]
        assert not trace.forwards
    assert [step.parameters for step in hardly.steps] == [None] * 6
    assert not hardly.batches
    known = [step.step for step in sometimes.steps if step.parameters is not None]
    assert known == [3, 6]
    assert sometimes.steps[2].parameters == full.trace.steps[2].parameters
    assert [batch.step for batch in sometimes.batches] == [2, 5]


def test_the_tracer_says_what_it_cost(full: Run) -> None:
    trace = full.trace
    assert trace.tracer_seconds is not None
    assert trace.step_seconds is not None
    assert 0 < trace.tracer_seconds < full.seconds
    assert 0 < trace.step_seconds < full.seconds


CHANGES = {
    "batch": ("batch_size=8, shuffle=True", "batch_size=8", "batch 1, of iteration 1 of a loader"),
    "forward value": (
        "torch.nn.Dropout(0.3)",
        "torch.nn.Dropout(0.4)",
        "the output of 2 (Dropout), called after 0 steps",
    ),
    "update": ("(net.parameters(), 1.0)", "(net.parameters(), 0.1)", "the gradient of parameter 1,"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_closer_look_finds_the_first_value_that_differs(name: str, tmp_path: Path) -> None:
    old, new, said = CHANGES[name]
    env = {"REFACTORER_TRACE_OUTPUTS": "1"}
    one = traced(tmp_path / "one", steps=1, **env)
    two = traced(tmp_path / "two", defect(BUSY, (old, new)), steps=1, **env)
    origin = find_origin(one, two)
    assert origin is not None
    assert origin.name == name
    assert said in origin.text
    assert origin.original_source
    assert find_origin(one, one) is None


ODD = """\
import copy, torch
from collections import UserDict
from torch.utils.data import DataLoader

class Batch:
    def __init__(self, rows):
        self.x = torch.stack(rows)

class Warm(torch.optim.lr_scheduler.StepLR):
    def step(self, *args):
        super().step(*args)

class Same(torch.nn.Module):
    __eq__ = lambda self, other: True
    def __init__(self):
        super().__init__()
        self.register_buffer("b", torch.zeros(1))
    def forward(self, x):
        self.b += 1
        if x.sum() > 1e9:
            raise ValueError
        return UserDict(out=x * self.w) if hasattr(self, "w") else {"out": x, "more": [None, object()]}

net = torch.nn.Linear(2, 1)
odd = Same()
twin = copy.deepcopy(torch.nn.BatchNorm1d(2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
scheduler = Warm(optimizer, 1)
for batch in DataLoader(list(torch.ones(4, 2)), batch_size=2, collate_fn=Batch):
    x = twin(batch.x) + torch.randn(2, 2)
    odd(x)
    try:
        odd(x + 1e10)
    except ValueError:
        pass
    loss = net(odd(x)["out"]).sum()
    loss.backward()
    optimizer.step()
    scheduler.step()
torch.jit.trace(net, x)(x)
"""


def test_odd_modules_and_batches_do_no_harm(tmp_path: Path) -> None:
    """A batch of a class, a copied module, one that cannot be hashed, an exception in a forward, a traced module."""
    run = traced(tmp_path, ODD)
    assert run.status == 0, run.stderr_tail
    assert len({batch.checksum for batch in run.trace.batches}) == 1
    assert [call.step for call in run.trace.called("sched")] == [0, 1, 2]
    assert all(step.buffers for step in run.trace.steps)
    assert [forward.module for forward in run.trace.forwards][:5] == ["BatchNorm1d", "Same", "Same", "Same", "Linear"]
