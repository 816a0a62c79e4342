"""Moves of a batch: left to the Trainer where every part of it is moved first, and where they must stay."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import A_LIST, converted, script, step_of

DEVICE = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\nmodel.to(device)'
FLAG = "use_cuda = torch.cuda.is_available()\nif use_cuda:\n    model.cuda()"
TAKEN = [
    (DEVICE, "x, y = x.to(device), y.to(device)", ""),
    (DEVICE, "x = x.to(device, non_blocking=True)\ny = y.to(device=device)", ""),
    (DEVICE, "x = x.view(-1, 2).to(device)\ny = y.to(device)", "x = x.view(-1, 2)"),
    (DEVICE, "n = x.size(0) + len(y)\nx = x.reshape(n // 2, 2).to(device)\ny = y.to(device)", "n = x.size(0) + len(y)"),
    (DEVICE, "with torch.enable_grad():\n    x = x.to(device)\n    y = y.to(device)", "with torch.enable_grad():"),
    (DEVICE, "x = x.to(device, torch.float)\ny = y.to(device=device, dtype=torch.float)", "x = x.to(torch.float)"),
    (DEVICE, "x = Variable(x.to(device))\ny = Variable(y).to(device)", ""),
    (DEVICE, "z = torch.zeros_like(x[:, 1:]).float()\nx = torch.cat([x[:, :1], z], dim=1).to(device)\ny = y.to(device)",
     "x = torch.cat([x[:, :1], z], dim=1)"),
    (DEVICE, "z = torch.full_like(y, 0.5, dtype=torch.float)\nx, y = x.to(device), torch.stack([y, z])[0].to(device)",
     "y = torch.stack([y, z])[0]"),
    (DEVICE, "y = torch.nn.functional.one_hot(torch.zeros_like(y, dtype=torch.long), 1)[0].float().to(device)\n"
     "x = x.to(device)",
     "y = torch.nn.functional.one_hot(torch.zeros_like(y, dtype=torch.long), 1)[0].float()"),
    (FLAG, "if use_cuda:\n    x = x.cuda()\n    y = y.cuda()", ""),
    (FLAG, "if use_cuda:\n    x, y = x.cuda(), y.cuda()\nx, y = Variable(x), Variable(y)", ""),
    (FLAG, "if use_cuda:\n    x, y = Variable(x.cuda()), y.cuda()\nelse:\n    x, y = Variable(x), Variable(y)", ""),
    (FLAG, "x = x.cuda() if use_cuda else x\ny = y.cuda() if use_cuda else y", ""),
    (FLAG, "if torch.cuda.is_available():\n    x = x.cuda(non_blocking=True)\n    y = y.cuda()", ""),
]  # fmt: skip


@pytest.mark.parametrize(("front", "body", "after"), TAKEN)
def test_the_trainer_moves_the_batch(front: str, body: str, after: str, runner: Runner) -> None:
    before = script(body, front)
    text, notes = converted(before)
    step = step_of(text)
    assert "device" not in step and "cuda" not in step and "N105" not in notes
    for line in after.splitlines():
        assert line in step
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("front", "device"),
    [
        (DEVICE, "device=device"),
        (FLAG, "device='cuda' if use_cuda else 'cpu'"),
        ("if torch.cuda.is_available():\n    model.cuda()", "device='cuda' if torch.cuda.is_available() else 'cpu'"),
        ("o = argparse.Namespace(cuda=False)\nif o.cuda:\n    model.cuda()", "device='cuda' if o.cuda else 'cpu'"),
        ("model.cuda()", "device='cuda'"),
        ("use_cuda = False\nif use_cuda:\n    model.cuda(1)", "device='cuda:1' if use_cuda else 'cpu'"),
        ("if model.bias is None:\n    model.cuda(1)", "device=next(model.parameters()).device"),
    ],
)  # fmt: skip
def test_the_trainer_is_given_the_device_of_the_script(front: str, device: str) -> None:
    assert device in converted(script("x = x * 1", front))[0]


WHOLE = [
    ("batch", "batch = [t.to(device) for t in batch]\nx, y = batch"),
    ("batch", "batch = tuple(t.to(device) for t in batch)\nx, y = batch"),
    ("batch", "x, y = [t.to(device) for t in batch]"),
    ("batch", "x, y = (t.to(device) for t in batch)"),
    ("batch", "x, y = batch\nx, y = x.to(device), y.to(device)"),
    ("batch", "x, y = batch[0].to(device), batch[1].to(device)"),
]


@pytest.mark.parametrize(("target", "body"), WHOLE)
def test_batches_with_one_name(target: str, body: str, runner: Runner) -> None:
    before = script(body, DEVICE, target)
    text, notes = converted(before)
    assert ".to(" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


DICTS = "[{'x': torch.ones(2, 2), 'y': torch.ones(2, 1)}, {'x': torch.zeros(2, 2), 'y': torch.ones(2, 1)}]"


def test_dictionaries(runner: Runner) -> None:
    moved = "batch = {k: v.to(device) for k, v in batch.items()}\n"
    before = script(moved + "x, y = batch['x'], batch['y']", DEVICE, "batch", DICTS)
    text, notes = converted(before)
    assert ".to(" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None
    before = script(moved + "x, y = batch.pop('x'), batch['y']", DEVICE, "batch", DICTS)
    text, notes = converted(before)
    assert "        batch = dict(batch.items())\n" in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_dictionary_that_is_made_anew_may_be_changed(runner: Runner) -> None:
    data = "[{'x': torch.ones(2), 'y': torch.ones(1)}] * 4"
    moved = "batch = {k: v.to(device) for k, v in batch.items()}\n"
    before = script(moved + "y = batch.pop('y')\nx = batch['x']", DEVICE, "batch", f"DataLoader({data}, batch_size=2)")
    text, notes = converted(before)
    assert ".to(" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


ROWS = "DataLoader([torch.ones(3), torch.zeros(3)], batch_size=2)"
MORE_THAN_ITEMS = [
    "batch = [t.to(device) for t in batch]\nprint(type(batch))\nx, y = torch.ones(2, 2), torch.ones(2, 1)",
    "batch = [t.to(device) for t in batch]\nb = batch[:1]\nprint(type(b))\nx, y = torch.ones(2, 2), torch.ones(2, 1)",
    "batch = [t.to(device) for t in batch]\nprint(batch)\nx, y = torch.ones(2, 2), torch.ones(2, 1)",
]


@pytest.mark.parametrize("body", MORE_THAN_ITEMS)
def test_a_list_of_items_is_not_the_batch(body: str, runner: Runner) -> None:
    before = script(body, DEVICE, "batch", ROWS)
    text, notes = converted(before)
    assert "        batch = list(batch)\n" in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


STAYING = [
    (DEVICE, "x = x.to(device)\nprint(y.sum())\ny = y.to(device)"),  # used on the CPU before
    (DEVICE, "x = x.to(device)"),  # one part stays on the CPU, and is used
    (DEVICE, "x = x.pin_memory().to(device) if False else x.to(device)\ny = y.to(device)\nprint(x.device)"),
    (DEVICE, "keep = []\nkeep.append(x)\nx, y = x.to(device), y.to(device)"),
    (DEVICE, "if epoch:\n    x = x.to(device)\ny = y.to(device)"),
    (DEVICE, "z = torch.zeros_like(x, device='cpu')\nprint(z.device)\nx, y = x.to(device), y.to(device)"),
    (DEVICE, "z = torch.ones_like(x)\nprint(z.sum())\nx, y = x.to(device), y.to(device)"),
    (DEVICE, "z = torch.rand_like(x)\nx, y = torch.cat([x, z])[:4].to(device), y.to(device)"),
    (DEVICE, "z = x + y.to(device)\nx, y = x.to(device), y.to(device)"),
    (DEVICE + '\nother = torch.device("cpu")', "x, y = x.to(device), y.to(other)"),
    (FLAG, "if use_cuda:\n    x = x.cuda()\nelse:\n    x = x + 1\nif use_cuda:\n    y = y.cuda()"),
    (FLAG + "\nhalf = use_cuda and False", "if half:\n    x = x.cuda()\nif use_cuda:\n    y = y.cuda()"),
]  # fmt: skip


@pytest.mark.parametrize(("front", "body"), STAYING)
def test_the_moves_stay(front: str, body: str, runner: Runner) -> None:
    before = script(body, front)
    text, notes = converted(before)
    assert "N105" in notes
    assert ".to(" in step_of(text) or ".cuda()" in step_of(text)
    assert "def transfer_batch_to_device(self, batch, device, dataloader_idx):" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_batch_with_a_to_of_its_own(runner: Runner) -> None:
    front = (
        DEVICE
        + """
class Pair:
    def to(self, device):
        print("moved")
        return self
    x = torch.ones(2, 2)
    y = torch.ones(2, 1)
loader = [Pair(), Pair()]
"""
    )
    before = script("batch = batch.to(device)\nx, y = batch.x, batch.y", front, "batch", A_LIST)
    text, notes = converted(before)
    assert "N105" in notes and "batch.to(self.device)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_what_the_step_makes_follows_the_module(runner: Runner) -> None:
    body = "noise = torch.zeros(4, 2)\nif use_cuda:\n    noise = noise.cuda()  # made here\nx = x + noise"
    before = script(body, FLAG)
    text, _ = converted(before)
    assert "        noise = noise.to(self.device)  # made here\n" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_what_moves_in_a_way_of_its_own_does_not_follow_the_module(runner: Runner) -> None:
    own = "\nclass Part:\n    def cuda(self):\n        return self\n    def to(self, device):\n        print('moved')\n"
    body = "part = Part()\nif use_cuda:\n    part = part.cuda()\nx = x * (part is not None)"
    before = script(body, FLAG + own)
    text, _ = converted(before)
    assert "part = part.cuda()" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_comments_of_removed_lines_stay() -> None:
    body = "# to the GPU\nif use_cuda:  # if there is one\n    x = x.cuda()  # first\n    # then\n"
    body += "    y = y.cuda()\n    # done"
    text, _ = converted(script(body, FLAG))
    for comment in ("# to the GPU", "# if there is one", "# first", "# then", "# done"):
        assert comment in text
