"""Evaluations without a loader, of trainings on everything at once: `validation_step` where it computes the same."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(3, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.out(F.dropout(self.hidden(x), 0.5, training=self.training))


{head}
torch.manual_seed(0)
points = torch.randn(24, 3)
labels = (points.sum(1) > 0).long()
learn, held_out = torch.arange(24) < 12, torch.arange(24) >= 12
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept, best = [], 0


{function}
for epoch in range({epochs}):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(points)[learn], labels[learn])
    loss.backward()
    optimizer.step()
    {front}
    {call}
    print(epoch, loss.item(), right)
    {later}
{after}
print(torch.rand(1).item())
"""
DECORATED = """
@torch.no_grad()
def test():
    model.eval()
    out, right = model(points), []
    for mask in (learn, held_out):
        right.append((out[mask].argmax(1) == labels[mask]).sum().item())
    return right
"""
LENT = """
def evaluate(net, points, labels, mask):
    net.eval()
    with torch.no_grad():
        logits = net(points)
        logits = logits[mask]
        labels = labels[mask]
        right = torch.sum(logits.argmax(1) == labels)
        return right.item() / len(labels)
"""
LATER_RETURN = """
def test():
    \"\"\"All at once.\"\"\"
    model.eval()
    with torch.no_grad():
        out = model(points)
        right = (out.argmax(1) == labels)[held_out]
    share = right.float().mean().item()
    return share
"""
WITH_GRADIENTS = """
def test():
    model.eval()
    out = model(points)
    loss_test = F.cross_entropy(out[held_out], labels[held_out])
    print("test", loss_test.item())
    return loss_test.item()
"""
CALL = "right = test()"
LENDING = "right = evaluate(model, points, labels, held_out)"
INLINE = """model.eval()
    with torch.no_grad():
        # all of it
        out = model(points)
        right = (out.argmax(1) == labels).sum().item()"""
PEEK = "\ndef peek():\n    model.eval()\n    print(model(points).sum().item())\n    model.train()\n"
MIXED = DECORATED.replace("return right", 'print("rand", torch.rand(1).item())\n    return right')

MOVED = {
    "a decorated function": {},
    "a function that is lent all": {"function": LENT, "call": LENDING},
    "used behind the training too": {"after": "print(test())"},
    "lent behind the training too": {"function": LENT, "call": LENDING, "after": LENDING + "\nprint(right)"},
    "used in front of the training too": {"head": "seen = []", "function": DECORATED + "\nprint(test())"},
    "lines behind the block": {"function": LATER_RETURN},
    "with gradients that nobody sees": {"function": WITH_GRADIENTS},
    "in the epoch itself": {"function": "", "call": INLINE},
    "some epochs alone": {"front": "right = None", "call": "if epoch % 2 == 0:\n        right = test()"},
    "numbers are drawn in it": {"function": MIXED},
    "another name for a number of the training": {"front": "loss_now = float(loss)", "later": "print(loss_now)"},
    "gradients are looked at behind it": {"later": "print(torch.is_grad_enabled(), (model(points) * 2).requires_grad)"},
    "gradients are looked at in front of it": {"front": "print(torch.is_grad_enabled(), loss.requires_grad)"},
    "a best result": {"later": "if right[1] > best:\n        best = right[1]", "after": "print(best)"},
    "left early": {"later": "if epoch == 1:\n        break"},
    "no epochs": {"epochs": "0"},
    "it ends in training mode": {"function": DECORATED.replace("return", "model.train()\n    return")},
    "it ends in training mode, and the model runs": {
        "function": DECORATED.replace("return", "model.train()\n    return"),
        "later": "print(model(points).sum().item())",
    },
    "another evaluation in front of it leaves training mode": {
        "function": DECORATED
        + "\ndef peek():\n    model.eval()\n    print(model(points).sum().item())\n    model.train()\n",
        "front": "peek()",
    },
    "another evaluation behind it": {"later": "print(test())"},
    "another evaluation in front of it": {"front": "print(test())"},
    "results are kept": {
        "function": DECORATED.replace("return", "kept.append(out)\n    return"),
        "after": "print([out.requires_grad for out in kept])",
    },
    "results with gradients are kept": {
        "function": WITH_GRADIENTS.replace("return", "kept.append(out)\n    return"),
        "after": "print([out.requires_grad for out in kept])",
    },
    "its results are read behind the training": {"after": "print(right, epoch)"},
    "a schedule looks at the result": {
        "head": "def lower(right):\n    optimizer.param_groups[0]['lr'] *= 0.9 if right[0] > 6 else 1.0",
        "later": "lower(right)",
    },
    "a global is written": {
        "head": "count = 0",
        "function": DECORATED.replace("model.eval()", "global count\n    count += 1\n    model.eval()"),
        "after": "print(count)",
    },
    "the caller's names are its own too": {
        "function": DECORATED.replace("right", "loss").replace("return loss", "epoch = 7\n    return loss + [epoch]"),
    },
}
STAYS = {
    "the model runs in front of it": {"front": "print(model(points).sum().item())"},
    "the model runs behind the training": {"after": "print(model(points).sum().item())"},
    "the mode is printed": {"later": "print(model.training)", "after": "print(model.training)"},
    "it returns in the middle": {
        "function": DECORATED.replace("    for mask", "    if best:\n        return [0]\n    for mask"),
    },
    "it is tried": {"call": "try:\n        right = test()\n    except ValueError:\n        right = 0"},
    "in a loop": {"call": "for _ in range(2):\n        right = test()"},
    "the loop is left inside it": {
        "function": "",
        "call": INLINE + "\n        if epoch == 1:\n            break",
    },
    "it computes gradients": {
        "function": WITH_GRADIENTS.replace("    return", "    out.sum().backward()\n    return"),
    },
    "it evaluates neither quietly nor in its mode": {
        "function": WITH_GRADIENTS.replace("    model.eval()\n", ""),
    },
    "it is a generator": {"function": DECORATED.replace("return right", "yield right"), "call": "right = list(test())"},
}  # fmt: skip


def script(**parts: str) -> str:
    return SCRIPT.format(
        **{
            "head": "", "function": DECORATED, "call": CALL, "front": "pass", "later": "pass", "after": "pass",
            "epochs": "3", **parts,
        }
    )  # fmt: skip


def converted(text: str, runner: Runner) -> str:
    result = convert_text(text)
    assert isinstance(result, Converted), result
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None, result.after
    assert convert_text(result.after).status == "unchanged"
    return result.after


@pytest.mark.parametrize("parts", MOVED.values(), ids=MOVED)
def test_it_becomes_a_step(parts: dict[str, str], runner: Runner) -> None:
    after = converted(script(**parts), runner)
    assert "def validation_step(" in after and "[None], [None])" in after and "one_round" not in after


@pytest.mark.parametrize("parts", STAYS.values(), ids=STAYS)
def test_it_stays(parts: dict[str, str], runner: Runner) -> None:
    after = converted(script(**parts), runner)
    assert "def validation_step(" not in after and "one_round" not in after
