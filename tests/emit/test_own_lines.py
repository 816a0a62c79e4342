"""Losses and plain values that only the training uses are made in the constructor; all others are handed to it."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from refactorer import convert
from refactorer.outline.objects.torch_names import names_stateless_class
from refactorer.result import Converted

HEAD = "import torch\nfrom torch import nn\nloader = []\n"
LOOP = """model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
"""
IN_FUNCTION = "def main(loader):\n    {}    " + LOOP.replace("\n", "\n    ").rstrip() + "\n"


def converted(text: str) -> str:
    result = convert(HEAD + text)
    assert isinstance(result, Converted), result
    return result.after


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("criterion = nn.MSELoss()", "nn.MSELoss()"),
        ("criterion = torch.nn.CrossEntropyLoss(ignore_index=-1, reduction='sum')",
         "torch.nn.CrossEntropyLoss(ignore_index=-1, reduction='sum')"),
        ("criterion = nn.MSELoss().to(device)", "nn.MSELoss()"),
        ("criterion = nn.L1Loss().cuda()  # of means", "nn.L1Loss()  # of means"),
        ("criterion = nn.CosineSimilarity(dim=1)", "nn.CosineSimilarity(dim=1)"),
    ],
)  # fmt: skip
def test_a_loss_is_made_in_the_constructor(line: str, written: str) -> None:
    after = converted(f"device = 'cpu'\n{line}\n{LOOP}")
    assert "def __init__(self, model):" in after
    assert f"        self.criterion = {written}\n" in after
    assert "\ncriterion" not in after
    assert ".fit(LitModel(model), loader)" in after


def test_its_comment_goes_along() -> None:
    after = converted("# far away\n\n# how wrong it is\ncriterion = nn.MSELoss()\n" + LOOP)
    assert "        # how wrong it is\n        self.criterion = nn.MSELoss()\n" in after
    assert "\n# far away\n" in after


@pytest.mark.parametrize(
    "line",
    [
        "criterion = nn.MSELoss(reduction=how)",
        "criterion = nn.BCEWithLogitsLoss(pos_weight=torch.ones(1))",
        "criterion = nn.MSELoss(*how)",
        "criterion = nn.AdaptiveLogSoftmaxWithLoss(4, 10, [2])",
        "criterion = nn.PReLU()",
        "criterion = nn.MSELoss().to(ask())",
        "criterion = other = nn.MSELoss()",
        "criterion = nn.MSELoss()\nother = criterion",
        "criterion = nn.MSELoss()\ncriterion = nn.L1Loss()",
        "criterion = nn.MSELoss()\ncriterion.reduction = 'sum'",
        "criterion = nn.MSELoss()\nprint(criterion)",
        "criterion = nn.MSELoss()\nprint(sorted(globals()))",
        "criterion = nn.MSELoss()\ndef f():\n    return criterion",
        "if how:\n    criterion = nn.MSELoss()\nelse:\n    criterion = nn.L1Loss()",
        "nn.MSELoss = Own\ncriterion = nn.MSELoss()",
        "setattr(nn, 'MSELoss', Own)\ncriterion = nn.MSELoss()",
        "criterion = nn.MSELoss()\nlayers = nn\nsetattr(layers, 'MSELoss', Own)",
        "criterion = nn.MSELoss()\nvars(nn)['MSELoss'] = Own",
        "criterion = nn.MSELoss()\nnn.MSELoss.__init__ = None",
    ],
)
def test_others_are_handed_over(line: str) -> None:
    assert "def __init__(self, model, criterion):" in converted(f"{line}\n{LOOP}")


@pytest.mark.parametrize("behind", ["print(criterion)", "del criterion", LOOP, "torch.save(criterion, 'loss.pt')"])
def test_one_that_is_used_behind_the_training_is_handed_over(behind: str) -> None:
    after = converted(f"criterion = nn.MSELoss()\n{LOOP}{behind}\n")
    assert "def __init__(self, model, criterion" in after


def test_one_whose_class_only_the_function_knows_is_handed_over() -> None:
    after = converted(IN_FUNCTION.format("from torch.nn import MSELoss\n    criterion = MSELoss()\n"))
    assert "def __init__(self, model, criterion):" in after


def test_one_outside_a_loop_around_the_training_is_handed_over() -> None:
    body = LOOP.replace("\n", "\n    ").rstrip()
    after = converted(f"criterion = nn.MSELoss()\nfor fold in range(2):\n    {body}\n")
    assert "def __init__(self, model, criterion" in after


RECORDED = IN_FUNCTION.replace("optimizer.step()", "optimizer.step()\n            losses.append(epoch)").replace(
    "criterion(model(x), y)", "(model(x) - y).abs().mean()"
)


def test_a_container_that_only_the_training_fills_is_made_in_the_constructor() -> None:
    after = converted(RECORDED.format("losses = []\n"))
    assert "def __init__(self, model):" in after
    assert "        self.losses = []\n" in after


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("losses = [len(loader)]", "pass"),
        ("losses = list()", "pass"),
        ("losses = []\n    every.append(losses)", "pass"),
        ("losses = []\n    if loader:\n        losses = loader", "pass"),
    ],
)
def test_a_container_that_others_see_is_handed_over(first: str, last: str) -> None:
    after = converted(RECORDED.format(first + "\n") + f"    {last}\n")
    assert "def __init__(self, model, losses):" in after


GUARDED = """def main(loader):
    best = {start}
    try:
        for epoch in range(3):
            for x, y in loader:
                optimizer.zero_grad()
                loss = (model(x) - y).square().mean()
                loss.backward()
                optimizer.step()
            if best is None or loss < best:
                best = loss.item()
    except {error}:
        print("stopped"{shown})
"""


@pytest.mark.parametrize("start", ["None", "1e9", "float('inf')"])
def test_what_the_training_starts_from_goes_into_the_constructor_past_a_try(start: str) -> None:
    after = converted(GUARDED.format(start=start, error="KeyboardInterrupt", shown=""))
    assert f"        self.best = {start}\n" in after
    assert f"best = {start}\n    try" not in after


@pytest.mark.parametrize(
    ("start", "error", "shown"),
    [("None", "KeyboardInterrupt", ", best"), ("None", "RuntimeError", ""), ("len(loader)", "KeyboardInterrupt", "")],
)
def test_it_stays_where_the_training_may_not_follow_or_others_see_it(start: str, error: str, shown: str) -> None:
    after = converted(GUARDED.format(start=start, error=error, shown=shown))
    assert f"    best = {start}\n    try" in after


def test_the_losses_of_torch_hold_no_tensors() -> None:
    made = 0
    for name in dir(nn):
        kind = getattr(nn, name)
        if not inspect.isclass(kind) or not names_stateless_class(f"torch.nn.{name}"):
            continue
        state = torch.get_rng_state()
        own = kind()
        assert not list(own.parameters()) and not list(own.buffers()), name
        assert torch.equal(torch.get_rng_state(), state), name
        made += 1
    assert made > 20
