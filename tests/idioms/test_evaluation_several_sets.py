"""Evaluations over several sets of data: `val_dataloader` goes through them, and everything trains the same."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference, lost_comments

SPLITS = """\
import random

import torch
from torch import nn

torch.manual_seed(0)
count = 3
data = {"train": torch.randn(40, 6), "val": torch.randn(24, 6)}


def get_batch(split):
    rows = torch.randint(len(data[split]), (4,))
    x = data[split][rows]
    return x, (x.sum(1) > 0).long()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 2))

    def forward(self, x, y):
        out = self.layers(x)
        return out, nn.functional.cross_entropy(out, y)


# both splits
@torch.no_grad()
def estimate_loss():
    out = {}
    model.eval()
    # one after the other
    for split in ["train", "val"]:
        losses = torch.zeros(count)
        # its batches
        for k in range(count):
            X, Y = get_batch(split)
            logits, loss = model(X, Y)  # forward
            losses[k] = loss.item()
            # behind the batch
        out[split] = losses.mean()  # of the split
        # behind the split
    model.train()
    return out


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(9):
    if step % 4 == 0:
        losses = estimate_loss()
        print(step, losses["train"], losses["val"])
    X, Y = get_batch("train")
    logits, loss = model(X, Y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
print(torch.rand(1), random.random())
"""
LOADERS = """\
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(50, 6)
y = (x.sum(1) > 0).long()
train_loader = DataLoader(TensorDataset(x[:32], y[:32]), batch_size=8, shuffle=True)
loaders = {
    "seen": DataLoader(TensorDataset(x[:20], y[:20]), batch_size=6, shuffle=True),
    "new": DataLoader(TensorDataset(x[32:], y[32:]), batch_size=5),
}
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def evaluate(model, loaders):
    model.eval()
    best = 0
    with torch.no_grad():
        for name, loader in loaders.items():
            right = 0
            print("begins", name, torch.rand(1), torch.is_grad_enabled())
            for image, target in loader:
                image = image * 2
                output = model(image).argmax(1)
                right += (output == target).sum().item()
            print(name, right / len(loader.dataset), torch.is_grad_enabled())
            best = max(best, right)
    return best


for epoch in range(3):
    model.train()
    for image, target in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(image), target)
        loss.backward()
        optimizer.step()
    print("trained", epoch, loss.item())
    best = evaluate(model, loaders)
    print("best", best)
print(torch.rand(1), random.random())
"""
INNER = "            for image, target in loader:\n"
BODY = """\
                image = image * 2
                output = model(image).argmax(1)
                right += (output == target).sum().item()
"""
OUTER = "        for name, loader in loaders.items():\n"
RIGHT = "            right = 0\n"
BEHIND = "            best = max(best, right)\n"
LOOP = "                right += (output == target).sum().item()\n"
DEFINITION = "def evaluate(model, loaders):\n"


def but(*changes: tuple[str, str], of: str = LOADERS) -> str:
    for old, new in changes:
        assert old in of, old
        of = of.replace(old, new)
    return of


#: name: (script, lines of `val_dataloader`)
MOVED = {
    "splits": (SPLITS, ['for split in ["train", "val"]:', "for k in range(count):", "yield split, k"]),
    "loaders": (LOADERS, ["for name, loader in loaders.items():", "yield from loader"]),
    "a set without a batch": (but(("x[:20], y[:20]", "x[:0], y[:0]"), ("6, shuffle=True", "6"),
                                  ("len(loader.dataset)", "(1 + len(loader))")), ["yield from loader"]),
    "no sets": (but(("in loaders.items()", "in ()")), ["yield from loader"]),
    "no epochs": (but(("range(3)", "range(0)"), (" best)", " 0)")), ["yield from loader"]),
    "the name of a set": (but((LOOP, LOOP + "                print(name, len(loader), output.sum())\n")),
                          ["for batch in loader:", "yield name, loader, batch"]),
    "a name that is taken": (
        but((LOOP, LOOP + "                print(name, batch)\n"), (DEFINITION, f"batch = 7\n\n\n{DEFINITION}")),
        ["for one_batch in loader:", "yield name, one_batch"]),
    "counted": (but((INNER, "            for i, (image, target) in enumerate(loader, 1):\n"),
                    (LOOP, LOOP + "                print(name, i)\n")), ["for batch in enumerate(loader, 1):"]),
    "counted alone": (but((INNER, "            for i, (image, target) in enumerate(loader):\n"),
                          (LOOP, LOOP + "                print(i)\n")), ["yield from enumerate(loader)"]),
    "counted twice by one name": (
        but((OUTER, "        for i, (name, loader) in enumerate(loaders.items(), 1):\n"),
            (INNER, "            for i, (image, target) in enumerate(loader):\n"),
            (BEHIND, BEHIND + "            print(i)\n")), ["yield from enumerate(loader)", "self.print(self.i)"]),
    "counted twice by one name, and named": (
        but((OUTER, "        for i, (name, loader) in enumerate(loaders.items(), 1):\n"),
            (INNER, "            for i, (image, target) in enumerate(loader):\n"),
            (LOOP, LOOP + "                print(name, i)\n"), (BEHIND, BEHIND + "            print(i)\n")),
        ["yield name, batch", "self.print(self.i)"]),
    "one name for a loader and its batches": (
        but((INNER, "            for loader in loader:\n                image, target = loader\n"),
            ("len(loader.dataset)", "len(loader)")), ["yield from self.loader"]),
    "skipped batches": (but((BODY, "                if len(target) < 5:\n                    continue\n" + BODY)),
                        ["yield from loader"]),
    "skipped sets": (but((RIGHT, RIGHT + '            if name == "seen" and epoch:\n                continue\n')),
                     ["continue"]),
    "sets that are left": (but((BEHIND, BEHIND + "            if best > 9:\n                break\n")), ["break"]),
    "the step binds what stands behind its loop": (
        but((RIGHT, RIGHT + "            output = None\n"), (BEHIND, BEHIND + "            print(output)\n")),
        ["self.output = None", "self.print(self.output)"]),
    "a batch is read behind its loop": (
        but((BEHIND, BEHIND + "            print(image.sum(), target)\n")),
        ["self.print(self.image.sum(), self.target)"]),
    "a place is read behind its loop": (
        but(("        out[split]", "        print(k)\n        out[split]"), of=SPLITS), ["print(self.k)"]),
    "the step changes its place": (
        but(("losses[k] = loss.item()\n", "losses[k] = loss.item()\n            k += 7\n            split += ''\n"),
            ("        out[split]", "        print(k, split)\n        out[split]"), of=SPLITS),
        ["yield self.split, self.k"]),
    "added up over all sets": (but((RIGHT, ""), ("    best = 0\n", "    best = right = 0\n")), ["yield from loader"]),
    "an object that both see": (but((RIGHT, RIGHT + "            seen = []\n"),
                                    (LOOP, LOOP + "                seen.append(len(target))\n"),
                                    (BEHIND, BEHIND + "            print(seen)\n")), ["self.seen = []"]),
    "its caller keeps on": (
        but(("    best = evaluate(model, loaders)\n",
             "    try:\n        best = evaluate(model, loaders)\n    finally:\n        print('left')\n")), None),
    "a list of loaders": (
        but((OUTER, "        for loader in [loaders['new'], train_loader]:\n"), ("print(name, ", "print("),
            ('"begins", name', '"begins"')), ["yield from loader"]),
    "a name for the loaders": (but((OUTER, "        for loader in every:\n"), ("print(name, ", "print("),
                                   ('"begins", name', '"begins"'),
                                   (DEFINITION, f"every = list(loaders.values())\n\n\n{DEFINITION}")), ["in every:"]),
    "sets that are made": (
        but((OUTER, "        for name, loader in made():\n"), (DEFINITION, (
            "def made():\n    for name in loaders:\n        print('makes', torch.rand(1))\n"
            f"        yield name, loaders[name]\n    print('made', torch.rand(1))\n\n\n{DEFINITION}"))),
        ["in made():"]),
    "in the epoch": (
        but((DEFINITION, "def unused():\n"), ("    best = evaluate(model, loaders)\n", (
            "    model.eval()\n    best = 0\n    with torch.no_grad():\n        for name, loader in loaders.items():\n"
            f"{RIGHT}{INNER}{BODY}            print(name, right)\n{BEHIND}    print(torch.is_grad_enabled())\n"))),
        ["yield from loader"]),
    "with gradients in front": (but(("    best = 0\n", "    best = 0\n    print(torch.is_grad_enabled())\n")),
                                ["yield from loader"]),
    "in an object": (
        but(("@torch.no_grad()\ndef estimate_loss():", "class Judge:\n  @torch.no_grad()\n  def estimate_loss(self):"),
            ("= estimate_loss()", "= judge.estimate_loss()"), ("model = Net()", "judge = Judge()\nmodel = Net()"), of=(
                SPLITS[: SPLITS.index("    out = {}")]
                + "".join("  " + line + "\n" for line in
                          SPLITS[SPLITS.index("    out = {}") : SPLITS.index("\n\nmodel = Net")].splitlines())
                + SPLITS[SPLITS.index("\n\nmodel = Net") :])), ["yield split, k"]),
    "no random batches": (
        but(("torch.randint(len(data[split]), (4,))", "[random.randrange(len(data[split])) for _ in 'abcd']"),
            of=SPLITS), ["yield split, k"]),
}  # fmt: skip
KEPT = {
    "a set that is left": (but((LOOP, LOOP + "                if right > 3:\n                    break\n")),
                           "it goes through several sets of data, and leaves one early"),
    "left from inside": (but((LOOP, LOOP + "                if right > 9:\n                    return 7\n")),
                         "the loop is left early"),
    "an else branch": (but((LOOP, f"{LOOP}            else:\n                print('no break')\n")),
                       "it goes through several sets of data"),
    "something is fetched": (but((RIGHT, RIGHT + "            print(len(next(iter(loader))))\n")),
                             "it goes through several sets of data, and fetches something itself"),
    "something is fetched by a function": (
        but((RIGHT, RIGHT + "            first(loader)\n"),
            (DEFINITION, f"def first(loader):\n    return next(iter(loader))\n\n\n{DEFINITION}")),
        "it goes through several sets of data, and fetches something itself"),
    "something is fetched further away": (
        but((RIGHT, RIGHT + "            counter.count()\n"), (DEFINITION, (
            "class Counter:\n    def count(self):\n        self.more()\n\n    def more(self):\n        self.n = 1\n"
            f"        if not loaders: raise StopIteration\n\n\ncounter = Counter()\n\n\n{DEFINITION}"))),
        "it goes through several sets of data, and fetches something itself"),
    "modes in between": (but((RIGHT, RIGHT + "            model.train(name == 'seen')\n")),
                         "it goes through several sets of data, and switches modes in between"),
    "with gradients": (but(("    with torch.no_grad():\n", "    if True:\n")), None),
    "gradients in front of each set": (
        but(("    with torch.no_grad():\n", "    with torch.enable_grad():\n")), None),
    "two loops over batches": (but((BEHIND, INNER + BODY + BEHIND)), None),
    "a name of another kind": (
        but((RIGHT, RIGHT + "            import math\n"), (LOOP, LOOP + "                print(math.pi)\n")),
        "it goes through several sets of data, and binds a name in a special way"),
}  # fmt: skip


def converted(text: str, target: str = "runtime") -> Converted:
    result = convert(text, target=target)
    assert isinstance(result, Converted), result.diagnostics
    return result


def reasons(result: Converted) -> list[str]:
    return [note.message.split(": ", 1)[1] for note in result.diagnostics if note.code == "N102"]


def data_lines(after: str) -> list[str]:
    method = after.partition("def val_dataloader(self):\n")[2].partition("\n    def ")[0]
    return [line.strip() for line in method.splitlines()]


@pytest.mark.parametrize("name", MOVED)
def test_a_generator_goes_through_them(name: str, runner: Runner) -> None:
    text, lines = MOVED[name]
    result = converted(text)
    found = data_lines(result.after)
    assert lines is None or not [line for line in lines if not any(line in there for there in found)], result.after
    assert lines is None or ("def validation_step" in result.after and not reasons(result)), reasons(result)
    assert not lost_comments(text, result.after)
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", KEPT)
def test_it_stays(name: str, runner: Runner) -> None:
    text, reason = KEPT[name]
    result = converted(text)
    assert "def validation_step" not in result.after and "def test_step" not in result.after
    assert reason is None or reason in reasons(result)[-1], reasons(result)
    before = runner.run(text)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


def test_a_test_goes_through_them(runner: Runner) -> None:
    text = but(
        ("    best = evaluate(model, loaders)\n", "    best = 3\n"),
        ("print(torch.rand(1), r", "evaluate(model, loaders)\nprint(r"),
    )
    result = converted(text)
    assert "    def test_dataloader(self):\n" in result.after and "trainer.test(module)\n" in result.after
    assert not reasons(result)
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    assert "def test_dataloader" not in converted(text, target="lightning").after


@pytest.mark.parametrize("text", [SPLITS, LOADERS])
def test_lightnings_loop_would_look_ahead(text: str) -> None:
    result = convert(text, target="lightning")
    assert "def val_dataloader" not in getattr(result, "after", "")


def test_an_error_in_a_step_comes_through(runner: Runner) -> None:
    text = but(
        (LOOP, LOOP + "                if epoch == 1: raise StopIteration(name)\n"),
        ("    best = evaluate(model, loaders)\n", "    best = evaluate(model, loaders)\n"),
    )
    before, after = runner.run(text), runner.run(converted(text).after)
    assert before.status and first_difference(before, after) is None
