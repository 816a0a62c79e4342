"""Each trap on its own: scripts that it refuses, and scripts like them that it lets pass.

Where a training would really go wrong, a test converts the script past the trap and sees that it does.
"""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.lightning import check
from refactorer.result import Converted, Refused
from tests.fixtures_harness import ROOT, Runner, first_difference, read

SCRIPT = """\
import random
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

class Rows(Dataset):
    def __init__(self, n):
        self.x = torch.randn(n, 4)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.x[i].sum(0, keepdim=True)

torch.manual_seed(0)
n_epochs = 3
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
rows = Rows(24)
loader = DataLoader(rows, batch_size=6, shuffle=True)
val_loader = DataLoader(Rows(12), batch_size=5)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9)
for epoch in range(n_epochs):
    model.train()
    for i, (inputs, target) in enumerate(loader):
        inputs, target = inputs.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(inputs)
        loss = nn.functional.mse_loss(output, target)
        loss.backward()
        optimizer.step()
        loss_value = loss.item()
    model.eval()
    total = 0.0
    with torch.no_grad():
        for inputs, target in val_loader:
            inputs, target = inputs.to(device), target.to(device)
            total += nn.functional.mse_loss(model(inputs), target).item()
    scheduler.step()
    print(epoch, total)
torch.save(model.state_dict(), "model.pt")
"""

Edits = list[tuple[str, str]]

TRAIN = "    model.train()\n"
ZERO = "        optimizer.zero_grad()\n"
STEP = "        optimizer.step()\n"
LAST = "        loss_value = loss.item()\n"
SCHEDULE = "    scheduler.step()\n"
PRINT = "    print(epoch, total)\n"
SEED = "torch.manual_seed(0)\n"
NAMED = '"cuda" if torch.cuda.is_available() else "cpu"'
DEVICE = f"torch.device({NAMED})"
TURNS = """\
class Turns:
    turn = 0
    def __len__(self):
        return 24
    def __iter__(self):
        yield from range(24 - self.turn)
        self.turn += 6

"""

TRAPPED: list[tuple[str, str, Edits]] = [
    ("epochs", "another step", [("range(n_epochs)", "range(0, 6, 2)")]),
    ("epochs", "a list", [("range(n_epochs)", "[3, 4]")]),
    ("loader", "a generator of its own", [("shuffle=True", "shuffle=True, generator=torch.Generator()")]),
    (
        "loader",
        "a sampler",
        [
            ("class Rows", TURNS + "class Rows"),
            ("shuffle=True", "sampler=Turns()"),
        ],
    ),
    ("loader", "a batch sampler", [("batch_size=6, shuffle=True", "batch_sampler=[[0, 1], [2, 3]]")]),
    ("loader", "drop_last", [("shuffle=True", "shuffle=True, drop_last=True")]),
    ("loader", "a list of batches", [("DataLoader(rows, batch_size=6, shuffle=True)", "list(DataLoader(rows, 6))")]),
    (
        "loader",
        "a generator function",
        [
            ("class Rows", "def batches():\n    yield from DataLoader(rows, 6, True)\n\nclass Rows"),
            ("in enumerate(loader)", "in enumerate(batches())"),
        ],
    ),
    ("loader", "zip", [("enumerate(loader)", "enumerate(b for b, _ in zip(loader, val_loader))")]),
    (
        "loader",
        "a stream",
        [("class Rows(Dataset)", "class Rows(torch.utils.data.IterableDataset)"), (", shuffle=True", "")],
    ),
    (
        "loader",
        "a data set that grows",
        [("    print(epoch", "    rows.x = torch.cat([rows.x, rows.x])\n    print(epoch")],
    ),
    (
        "loader",
        "a data set that grows by its loader",
        [("    print(epoch", "    loader.dataset.x = rows.x.repeat(2, 1)\n    print(epoch")],
    ),
    ("loader", "arguments out of sight", [("batch_size=6, shuffle=True", "**dict(batch_size=6, shuffle=True)")]),
    ("epoch start", "a seed", [(TRAIN, "    model.train()\n    torch.manual_seed(epoch)\n")]),
    ("epoch start", "a draw", [(TRAIN, "    model.train()\n    print(torch.rand(1).item())\n")]),
    (
        "epoch start",
        "a draw in a function",
        [
            ("class Rows", "def hello():\n    print(torch.rand(1).item())\n\nclass Rows"),
            (TRAIN, "    model.train()\n    hello()\n"),
        ],
    ),
    ("break", "break", [(LAST, LAST + "        if i == 2:\n            break\n")]),
    (
        "stop",
        "return from a step",
        [
            ("for epoch in range(n_epochs)", "def run():\n  for epoch in range(n_epochs)"),
            (LAST, LAST + "        if loss_value < 0.1:\n            return\n"),
            ("torch.save", "run()\ntorch.save"),
        ],
    ),
    (
        "hooks",
        "a hook of the optimizer",
        [("for epoch", "optimizer.register_step_pre_hook(lambda *given: print('step'))\nfor epoch")],
    ),
    (
        "gradients",
        "gradients of an earlier training",
        [
            ("for epoch", "for warm_up in range(2):\n    model(rows.x).sum().backward()\nfor epoch"),
            (ZERO, ""),
            (STEP, "        optimizer.step()\n        optimizer.zero_grad()\n"),
        ],
    ),
    (
        "teardown",
        "gradients that are read behind the training",
        [
            ("torch.save", "print(model[0].weight.grad)\ntorch.save"),
            (ZERO, ""),
            (STEP, "        optimizer.step()\n        optimizer.zero_grad(set_to_none=False)\n"),
        ],
    ),
    (
        "anomaly detection",
        "set_detect_anomaly",
        [("n_epochs = 3", "n_epochs = 3; torch.autograd.set_detect_anomaly(True)")],
    ),
    ("gradient mode", "set_grad_enabled", [("n_epochs = 3", "n_epochs = 3; torch.set_grad_enabled(True)")]),
    ("processes", "torch.distributed", [("import random", "import torch.distributed as dist")]),
    ("processes", "multiprocessing", [("import random", "import multiprocessing")]),
    ("seed", "random numbers in front of an import", [("import random", "import random\nrandom.seed(1)")]),
    ("torch.compile", "a compiled model", [("for epoch", "step = torch.compile(model)\nfor epoch")]),
    ("warnings", "warnings as errors", [("import random", "import warnings\nwarnings.simplefilter('error')")]),
    (
        "Ctrl-C",
        "KeyboardInterrupt",
        [("torch.save", "try:\n    pass\nexcept KeyboardInterrupt:\n    pass\ntorch.save")],
    ),
    ("Ctrl-C", "a bare except", [("torch.save", "try:\n    pass\nexcept:\n    pass\ntorch.save")]),
    ("Ctrl-C", "a signal", [("import random", "import signal")]),
    (
        "StopIteration",
        "next()",
        [
            ("for epoch", "more = iter(val_loader)\nfor epoch"),
            (LAST, "        loss_value = loss.item() + next(more)[0].sum().item()\n"),
        ],
    ),
    ("device", "the second GPU", [('"cuda"', '"cuda:1"')]),
    ("device", "a device from the command line", [(DEVICE, "torch.device(__import__('sys').argv[1])")]),
    ("teardown", "the model is used later", [("torch.save", "print(model(rows.x.to(device)).sum())\ntorch.save")]),
]

CONVERTED: list[tuple[str, Edits]] = [
    (
        "batches of a class",
        [
            ("shuffle=True", "shuffle=True, collate_fn=lambda rows: torch.utils.data.default_collate(rows)"),
            ("class Rows", "class Box:\n    def to(self, device):\n        return self\n\nclass Rows"),
        ],
    ),
    ("as it is", []),
    ("epochs from one", [("range(n_epochs)", "range(1, n_epochs + 1)")]),
    ("epochs from zero", [("range(n_epochs)", "range(0, n_epochs)")]),
    ("no epochs", [("n_epochs = 3", "n_epochs = -1")]),
    ("workers", [("shuffle=True", "shuffle=True, num_workers=1")]),
    ("a last batch of its own size", [("batch_size=6", "batch_size=7")]),
    ("TensorDataset", [("DataLoader(rows,", "DataLoader(TensorDataset(rows.x, rows.x.sum(1, keepdim=True)),")]),
    ("random_split", [("rows = Rows(24)", "rows, others = torch.utils.data.random_split(Rows(30), [24, 6])")]),
    (
        "arguments in a dictionary",
        [
            (
                "loader = DataLoader(rows",
                "settings = {'batch_size': 6}\nsettings.update({'shuffle': True})\n" + "loader = DataLoader(rows",
            ),
            ("batch_size=6, shuffle=True", "**settings"),
        ],
    ),
    (
        "a function that makes the loaders",
        [
            (SEED, "def make():\n    return DataLoader(Rows(24), 6, True), DataLoader(Rows(12), 5)\n\n" + SEED),
            ("rows = Rows(24)\n", "loader, val_loader = make()\n"),
            (
                "loader = DataLoader(rows, batch_size=6, shuffle=True)\n"
                "val_loader = DataLoader(Rows(12), batch_size=5)\n",
                "",
            ),
        ],
    ),
    ("draws in the data set", [("return self.x[i],", "return self.x[i] * random.random(),")]),
    (
        "counting at the epoch's start",
        [(TRAIN, TRAIN + "    seen, lr = 0, optimizer.param_groups[0]['lr']\n    print('epoch', epoch, lr)\n")],
    ),
    ("a seed at the epoch's end", [("    print(epoch", "    torch.manual_seed(epoch)\n    print(epoch")]),
    (
        "batches by index",
        [
            (
                "for i, (inputs, target) in enumerate(loader):\n",
                "for i in range(0, len(rows.x), 6):\n"
                + "        inputs, target = rows.x[i:i + 6], rows.x[i:i + 6].sum(1, keepdim=True)\n",
            ),
            ("rows = Rows(24)\n", "rows = Rows(24)\nfeatures = rows.x\n"),
            ("len(rows.x)", "len(features)"),
        ],
    ),
    ("batches that are skipped", [(ZERO, "        if i == 1:\n            continue\n" + ZERO)]),
    ("a stop at the end of an epoch", [(PRINT, PRINT + "    if epoch == 1:\n        break\n")]),
    (
        "the rate after the evaluation",
        [("    print(epoch, total)", "    print(epoch, total, scheduler.get_last_lr())")],
    ),
    ("the rate before the scheduler steps", [(SCHEDULE, "    print(optimizer.param_groups[0]['lr'])\n" + SCHEDULE)]),
    (
        "a scheduler of the batches",
        [
            ("        loss_value", "        scheduler.step()\n        loss_value"),
            ("    scheduler.step()\n    print", "    print"),
        ],
    ),
    ("clipping", [(STEP, "        nn.utils.clip_grad_norm_(model.parameters(), 0.1)\n" + STEP)]),
    (
        "accumulation",
        [
            (ZERO, ""),
            ("loss.backward()", "(loss / 3).backward()"),
            (STEP, "        if (i + 1) % 3 == 0 or i + 1 == len(loader):\n    " + STEP + "    " + ZERO),
        ],
    ),
    (
        "accumulation of sums",
        [
            (ZERO, ""),
            (STEP, "        if (i + 1) % 3 == 0 or i + 1 == len(loader):\n    " + STEP + "    " + ZERO),
        ],
    ),
    (
        "accumulation without the last batches",
        [
            (ZERO, ""),
            ("loss.backward()", "(loss / 3).backward()"),
            (STEP, "        if (i + 1) % 3 == 0:\n    " + STEP + "    " + ZERO),
        ],
    ),
    ("gradients that are read", [(STEP, "        print(model[0].weight.grad.norm().item())\n" + STEP)]),
    ("the loss of the training beside the evaluation", [("    print(epoch, total)", "    print(epoch, total, loss)")]),
    (
        "two optimizers",
        [
            ("for epoch", "bias = torch.optim.SGD([model[0].bias], lr=0.1)\nfor epoch"),
            (STEP, "        optimizer.step()\n        bias.step()\n"),
        ],
    ),
    ("sys.exit", [(PRINT, PRINT + "    if epoch == 1:\n        raise SystemExit(3)\n")]),
    ("an exception that is caught", [("torch.save", "try:\n    pass\nexcept ValueError:\n    pass\ntorch.save")]),
    ("the first GPU by number", [('"cuda"', '"cuda:0"')]),
    ("a device by name", [(DEVICE, NAMED)]),
    ("a numbered device by name", [(DEVICE, '"cuda:0" if torch.cuda.is_available() else "cpu"')]),
    ("a training that ends by itself", [(PRINT, PRINT + "    if epoch == 1:\n        raise SystemError('enough')\n")]),
]

REMEDIED = {
    "a generator of its own", "a sampler", "a batch sampler", "drop_last", "a list of batches", "a generator function",
    "zip", "a stream", "a data set that grows", "a data set that grows by its loader", "arguments out of sight",
    "a seed", "a draw", "a draw in a function", "break", "gradients of an earlier training",
}  # fmt: skip
REFUSED = [row for row in TRAPPED if row[1] not in REMEDIED]
HELPED = [row for row in TRAPPED if row[1] in REMEDIED]

BITES = [
    "a generator of its own",
    "a sampler",
    "a data set that grows",
    "a seed",
    "a draw",
    "break",
    "another step",
    "a draw in a function",
]


EVALUATION = SCRIPT[SCRIPT.index("    model.eval()") : SCRIPT.index("    scheduler.step()")]
FUNCTION = f"def evaluate(model, val_loader):\n{EVALUATION}    return total\n\n"
IN_FUNCTION = SCRIPT.replace(EVALUATION, "    total = evaluate(model, val_loader)\n").replace(SEED, FUNCTION + SEED)


def edited(edits: Edits, script: str = SCRIPT) -> str:
    text = script
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    if "def run():" in text:  # the loop moves into a function
        head, rest = text.split("def run():\n")
        body, tail = rest.split("run()\n")
        lines = body.splitlines(keepends=True)
        text = head + "def run():\n" + "".join([lines[0], *("  " + line for line in lines[1:])]) + "run()\n" + tail
    compile(text, "script.py", "exec")
    return text


@pytest.mark.parametrize(("trap", "name", "edits"), REFUSED, ids=[f"{trap}: {name}" for trap, name, _ in REFUSED])
def test_refused(trap: str, name: str, edits: Edits) -> None:
    result = convert(edited(edits), target="lightning")
    assert isinstance(result, Refused), name
    (diagnostic,) = result.diagnostics
    assert (diagnostic.code, diagnostic.message.split(":")[0]) == ("R501", trap)


@pytest.mark.parametrize(("trap", "name", "edits"), HELPED, ids=[f"{trap}: {name}" for trap, name, _ in HELPED])
def test_a_remedy_helps(trap: str, name: str, edits: Edits, runner: Runner) -> None:
    """Batches are fetched one by one, or no gradients are cleared: then the trap does not bite."""
    text = edited(edits)
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert ("def zero_grad" if trap == "gradients" else "def train_dataloader") in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("edits", [edits for _, edits in CONVERTED], ids=[name for name, _ in CONVERTED])
@pytest.mark.parametrize("script", [SCRIPT, IN_FUNCTION], ids=["inline", "in a function"])
def test_converted_and_trains_the_same(edits: Edits, script: str, runner: Runner) -> None:
    text = edited(edits, script)
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("name", BITES)
def test_a_trap_bites(name: str, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the trap that refuses it, the script would not train as it did."""
    trap, _, edits = next(row for row in TRAPPED if row[1] == name)
    monkeypatch.setattr(check, "TRAPS", tuple(kept for kept in check.TRAPS if kept.name != trap))
    text = edited(edits)
    result = convert(text, target="lightning")
    assert isinstance(result, Converted), "\n".join(map(str, result.diagnostics))
    assert first_difference(runner.run(text), runner.run(result.after)) is not None


def test_every_trap_is_named_for_people() -> None:
    page = read(ROOT / "refactorer" / "explain" / "R501.md")
    for trap in check.TRAPS:
        assert trap.find.__doc__
        assert f"\n| {trap.name} | " in page
        assert trap.lightning.startswith("Lightning ")
