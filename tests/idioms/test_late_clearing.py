"""Gradients that the script clears just in front of the backward pass, behind code that may leave some."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

ATTACKS = """
def grads(net):
    return [None if p.grad is None else p.grad.sum().item() for p in net.parameters()]

def attack(net, x, y):
    print("left", grads(net))
    x = x.clone().requires_grad_(True)
    ((net(x) - y) ** 2).mean().backward()
    return (x + 0.1 * x.grad.sign()).detach()
"""
HEAD = """
import torch
from attacks import attack, grads
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(20, 3), torch.randn(20, 1)), batch_size=4)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
"""
VALIDATION = """model.eval()
total = 0
with torch.no_grad():
    for a, b in loader:
        total += ((model(a) - b) ** 2).mean().item()
print(total, grads(model))
model.train()"""


def script(
    front: str = "", first: str = "x = attack(model, x, y)", loss: str = "loss = ((model(x) - y) ** 2).mean()",
    zero: str = "optimizer.zero_grad()", back: str = "loss.backward()", step: str = "optimizer.step()",
    then: str = "print(loss.item(), grads(model))", end: str = "", count: int = 3
) -> str:  # fmt: skip
    """Epochs whose steps attack the model before the gradients are cleared."""
    inner = [line for part in (first, loss, zero, back, step, then) for line in part.splitlines()]
    lines = [front, f"for epoch in range({count}):", "    for i, (x, y) in enumerate(loader):"]
    lines += [*(f"        {line}" for line in inner), *(f"    {line}" for line in end.splitlines())]
    return HEAD + "\n".join([*lines, "print(grads(model), model.weight.sum().item(), torch.rand(1))"]) + "\n"


LATE = {
    "an attack": script(),
    "an evaluation in every epoch": script(end=VALIDATION),
    "batches that are left": script(first="if i == 2:\n    continue\nx = attack(model, x, y)"),
    "an epoch that ends in front of the step": script(first="x = attack(model, x, y)\nif i == 3:\n    break"),
    "an epoch that ends behind the step": script(then="print(loss.item())\nif i == 2:\n    break"),
    "cleared twice": script(first="optimizer.zero_grad()\nx = attack(model, x, y)"),
    "cleared by the model in front": script(zero="model.zero_grad()\noptimizer.zero_grad()"),
    "a sum": script(loss="a = ((model(x) - y) ** 2).mean()\nb = model(x).abs().mean()", back="(a + b).backward()",
                    then="print(grads(model))"),
    "clipping": script(back="loss.backward()\ntorch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)"),
    "gradients that are shown": script(back="loss.backward()\nprint(grads(model))"),
    "a graph that is kept": script(back="loss.backward(retain_graph=True)"),
    "another optimizer": script(front="optimizer = torch.optim.Adam(model.parameters())"),
    "no epochs": script(count=0),
    "an error": script(then="print(loss.item())\nif i == 3 and epoch == 1:\n    raise ValueError(i)"),
    "harmless lines behind the step": script(then="print('at', i)\nprint(loss.item())"),
    "a scheduler": script(front="s = torch.optim.lr_scheduler.StepLR(optimizer, 1)", end="s.step()"),
    "a scaler": script(front="scaler = torch.amp.GradScaler('cpu', enabled=False)",
                       back="scaler.scale(loss).backward()", step="scaler.step(optimizer)\nscaler.update()"),
    "an attribute": script(front="class Box: pass\nbox = Box()", loss="box.loss = ((model(x) - y) ** 2).mean()",
                           back="box.loss.backward()", then="print(box.loss.item(), grads(model))"),
}  # fmt: skip
OTHERS = {
    "gradients of zero": script(zero="optimizer.zero_grad(set_to_none=False)"),
    "with an argument": script(zero="optimizer.zero_grad(set_to_none=True)"),
    "by the model": script(zero="model.zero_grad()"),
    "by the model behind": script(zero="optimizer.zero_grad()\nmodel.zero_grad()"),
    "a line between": script(zero="optimizer.zero_grad()\nprint('cleared', grads(model))"),
    "a loss that is computed behind it": script(loss="", back="((model(x) - y) ** 2).mean().backward()",
                                                then="print(grads(model))"),
    "a loss that attacks": script(
        loss="out = model(x)", then="print(grads(model))",
        back="(out - attack(model, y.repeat(1, 3), y)[:, :1]).mean().backward()"),
    "a loss that a property computes": script(
        front="class Box:\n    @property\n    def loss(self):\n        print('asked', grads(model))\n"
              "        return ((model(x) - y) ** 2).mean()\nbox = Box()",
        loss="", back="box.loss.backward()", then="print(grads(model))"),
    "a loss in a container of the script's own": script(
        front="class Box(dict):\n    def __getitem__(self, key):\n        print('asked', grads(model))\n"
              "        return super().__getitem__(key)\nbox = Box()",
        loss="box['loss'] = ((model(x) - y) ** 2).mean()", back="box['loss'].backward()", then="print(grads(model))"),
    "steps of some batches": script(step="if i % 2 == 0:\n    optimizer.step()"),
    "cleared for some batches": script(zero="if i % 2 == 0:\n    optimizer.zero_grad()"),
    "accumulated": script(zero="", step="if (i + 1) % 2 == 0:\n    optimizer.step()\n    optimizer.zero_grad()"),
    "an optimizer made anew": script(end="optimizer = torch.optim.SGD(model.parameters(), lr=0.05)"),
    "an optimizer of the script's own": script(
        front="class Mine:\n    def __init__(self, inner):\n        self.inner = inner\n    def zero_grad(self):\n"
              "        print('clears', grads(model))\n        self.inner.zero_grad()\n    def step(self):\n"
              "        self.inner.step()\noptimizer = Mine(optimizer)"),
}  # fmt: skip


def _converted(text: str, target: str = "runtime") -> str:
    result = convert_text(text, options=Options(target=target))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


def _compared(text: str, after: str, runner: Runner) -> None:
    beside = {"attacks.py": ATTACKS}
    assert first_difference(runner.run(text, beside=beside), runner.run(after, beside=beside)) is None


@pytest.mark.parametrize("text", LATE.values(), ids=LATE)
def test_the_trainer_clears_in_front_of_the_backward_pass(text: str, runner: Runner) -> None:
    after = _converted(text)
    assert "self.late_zero_grad = True" in after
    assert "def optimizer_zero_grad" not in after
    _compared(text, after, runner)


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_the_script_clears(text: str, runner: Runner) -> None:
    after = _converted(text)
    assert "late_zero_grad" not in after
    _compared(text, after, runner)


def test_lightning_alone_does_so_in_any_case(runner: Runner) -> None:
    after = _converted(LATE["an attack"], "lightning")
    assert "zero_grad" not in after
    _compared(LATE["an attack"], after, runner)
