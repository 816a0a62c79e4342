"""Functions that evaluate and are used elsewhere too: notes name lines of the script, not of a copy."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference, lost_comments

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
loader = DataLoader(TensorDataset(torch.ones(4, 2), torch.ones(4, 1)))
model = nn.Linear(2, 1).to(device)
optimizer = optim.SGD(model.parameters(), lr=0.1)

def evaluate(data):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in data:
            seen.append(y)  # <-- N105
            total += (model(x.to(device)) - y.to(device)).abs().sum().item()
    return total

seen = []
for epoch in range(2):
    model.train()
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(evaluate(loader))
print(evaluate(loader))
"""


def test_notes_name_lines_of_the_script() -> None:
    result = convert_text(SCRIPT)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    marked = [number for number, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith("# <-- N105")]
    assert [note.line for note in result.diagnostics if note.code == "N105"] == marked


AT_ONCE = """
import torch
from torch import nn, optim
points, labels = torch.randn(8, 2), torch.randn(8, 1)
model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5))
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer)

@torch.no_grad()
def evaluate(points):
    model.eval()
    error = (model(points) - labels).pow(2).mean()
    return error

for epoch in range(3):
    model.train()
    optimizer.zero_grad()
    loss = (model(points) - labels).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(evaluate(points))
    scheduler.step(loss)  # <-- N106
{again}
"""


@pytest.mark.parametrize("again", ["pass", "print(evaluate(points))"])
def test_notes_name_lines_of_a_script_without_loaders(again: str) -> None:
    script = AT_ONCE.format(again=again)
    result = convert_text(script)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    marked = [number for number, line in enumerate(script.splitlines(), 1) if line.endswith("# <-- N106")]
    assert [note.line for note in result.diagnostics] == marked


def test_notes_name_lines_of_a_function_whose_bar_is_opened() -> None:
    script = SCRIPT.replace("import torch\n", "import torch\nfrom tqdm import tqdm\n", 1)
    loop = "for x, y in data:\n            seen"
    script = script.replace(loop, "with tqdm(data) as bar:\n          for x, y in bar:\n            seen")
    result = convert_text(script)
    assert isinstance(result, Converted) and "def validation_step(" in result.after and "with tqdm" not in result.after
    marked = [number for number, line in enumerate(script.splitlines(), 1) if line.endswith("# <-- N105")]
    assert [note.line for note in result.diagnostics if note.code == "N105"] == marked


def test_the_note_gives_the_reason_that_a_function_of_its_own_would_not_change() -> None:
    script = SCRIPT.replace("    total = 0\n", "    if not data:\n        return 0\n    total = 0\n")
    result = convert_text(script)
    assert isinstance(result, Converted) and "def validation_step(" not in result.after
    assert "the evaluation stays in on_train_epoch_end: `return` leaves evaluate() before its end" in {
        note.message for note in result.diagnostics
    }


def test_a_function_that_only_evaluations_of_the_training_used_goes_with_them() -> None:
    result = convert_text(SCRIPT)
    assert isinstance(result, Converted) and "def evaluate(" not in result.after
    other = convert_text(SCRIPT + "print(evaluate)\n")
    assert isinstance(other, Converted) and "def evaluate(" in other.after


NESTED = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

def main():
    torch.manual_seed(1)
    x = torch.randn(20, 2)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=6, shuffle=True)
    other = DataLoader(TensorDataset(x[:8], x[:8, :1]), batch_size=3)
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.3), nn.Linear(4, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    count = 0

    # how good it is
    def evaluate(data):
        model.eval()
        total = 0  # so far
        with torch.no_grad():
            for x, y in data:
                total += (model(x) - y).abs().sum().item()
        print("evaluated", torch.rand(1))
        return total

    print(evaluate(loader))
    for epoch in range(3):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        error = evaluate(other)
        print(epoch, error)
    print(evaluate(loader), count, torch.rand(1))

main()
"""
EVALUATE = NESTED[NESTED.index("    # how good") : NESTED.index("    print(evaluate")]


def but(*changes: tuple[str, str]) -> str:
    text = NESTED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


#: name: (script, whether the evaluation moves)
BESIDE = {
    "a nested function": (NESTED, True),
    "nothing else uses it": (but(("    print(evaluate(loader))\n", ""), ("print(evaluate(loader), ", "print(")), True),
    "twice in each epoch": (but(("print(epoch, error)", "print(epoch, error, evaluate(loader))")), True),
    "it counts": (but(("        total = 0", "        nonlocal count\n        count += 1\n        total = 0")), False),
    "it is another one later": (
        but(("    for epoch", "    def evaluate(data):\n        return 7\n\n    for epoch")), False),
    "it is bound anew": (but(("    for epoch", "    evaluate = len\n    for epoch")), False),
    "defined under a condition": (
        but((EVALUATE, "    if x.sum() < 9:\n" + EVALUATE.replace("    ", "        ").replace("\n\n", "\n"))), None),
    "handed on": (
        but(("    for epoch", "    later = [evaluate]\n    for epoch"), ("print(epoch, ", "print(later[0]([]), ")),
        True),
    "it asks for itself": (but(("        print(\"evaluated\"", "        print(evaluate.__name__")), False),
    "its loader is bound anew": (but(("        error", "        other = loader\n        error")), True),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_a_copy_of_a_nested_function_stands_beside_it(name: str, runner: Runner) -> None:
    script, moves = BESIDE[name]
    result = convert_text(script)
    assert isinstance(result, Converted), result.diagnostics
    assert moves is None or ("def validation_step(" in result.after) is moves, result.after
    assert "evaluate_0_" not in result.after and not lost_comments(script, result.after)
    before = runner.run(script)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None
