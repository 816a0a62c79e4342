"""What may stand between the making of an optimizer and the training, if `configure_optimizers` is to make it."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import argparse, copy, sys
import torch
from torch import nn, optim
torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.layer = nn.Linear(width, classes)

    def forward(self, x):
        return self.layer(x)


def evaluate(model):
    print(model(features).sum().item())


def main():
    {declared}
    args = argparse.Namespace(lr=0.1, start=0, evaluate=False, inner=argparse.Namespace(lr=0.2))
    model = Net(features.shape[1], int(labels.max()) + 1)
    optimizer = optim.SGD(model.parameters(), lr=args.lr)
{between}
    for epoch in range(args.start, 2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
            print(loss.item())
{behind}


features, labels = torch.randn(6, 2), torch.tensor([0, 1, 1])
loader = [(torch.ones(2, 2), torch.ones(2, 2))]
main()
"""


def script(between: str = "", behind: str = "", declared: str = "pass") -> str:
    lines = ["".join(f"    {line}\n" for line in part.split("\n") if line) for part in (between, behind)]
    return SCRIPT.format(between=lines[0], behind=lines[1], declared=declared)


OWN_MOVE = "    def cpu(self):\n        self.layer = nn.Linear(2, 2)\n\n"

MOVED = [
    script("print(model)"),
    script("model.cpu()\nmodel.float().to('cpu')"),
    script("kept = copy.deepcopy(model).eval()\nprint(sum(p.numel() for p in kept.parameters()))"),
    script("if args.evaluate:\n    evaluate(model)\n    return"),
    script("if args.evaluate:\n    with torch.no_grad():\n        evaluate(model)\n    return"),
    script("args.start = 1"),
    script("pathlib.Path('runs_' + type(model).__name__ + '/x')").replace(
        "import argparse", "import argparse, pathlib"
    ),
    script(behind="model = None\nargs.lr = 3\nprint(args.lr)"),
    script(declared="global args"),
    script("model.load_state_dict(model.state_dict())"),
]
GROUPS = "optim.SGD([dict(params=model.layer.parameters(), lr=0.3), {'params': list(model.more.parameters())}], lr=0.1)"
SUM_UP = "def sum_up():\n    return model(features).sum().item()\n"
CHOSEN = "optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)"
MADE = "optim.SGD(model.parameters(), lr=args.lr)"
PART = "        self.layer = nn.Linear(width, classes)\n"
PARTS = PART + "        self.more = nn.Linear(classes, classes)\n        self.layer.bias.requires_grad = False\n"


def chosen(made: str, between: str = "") -> str:
    """A script whose model has two parts, the parameters of which it hands to its optimizer in another way."""
    return script(between).replace(MADE, made).replace(PART, PARTS).replace("self.layer(x)", "self.more(self.layer(x))")


STAYS = [
    script("evaluate(model)"),
    script("model.layer = nn.Linear(2, 2)"),
    script("model.apply(lambda part: None)"),
    script("args.lr = 0.2"),
    script("pathlib.Path(*[model.tag])").replace("import argparse", "import argparse, pathlib")
    .replace("    def forward", "    tag = 'x'\n\n    def forward"),
    script("args.lr *= 0.2"),
    script("model.load_state_dict(model.state_dict(), assign=True)"),
    script("if args.evaluate:\n    evaluate(model)"),
    script("if not args.evaluate:\n    model.layer = nn.Linear(2, 2)"),
    script("if args.evaluate:\n    return\nelse:\n    evaluate(model)"),
    script("args = argparse.Namespace(lr=0.5, start=0)"),
    script("args.inner.lr = 0.5").replace("lr=args.lr", "lr=args.inner.lr"),
    script("model.cpu()").replace("    def forward", OWN_MOVE + "    def forward"),
    script("nn.Module.cpu(model)"),
    script(declared="global args").replace("def evaluate", "def change():\n    global args\n\n\ndef evaluate")
    .replace("    global args\n\n", "    global args\n    args = argparse.Namespace(lr=0.3, start=0)\n\n")
    .replace("    for epoch", "    change()\n    for epoch"),
]  # fmt: skip


@pytest.mark.parametrize("text", MOVED)
def test_it_is_made_by_the_module(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "return optim.SGD(self.model.parameters()" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("text", STAYS)
def test_it_is_made_by_the_script(text: str, runner: Runner) -> None:
    result = convert_text(text)
    assert isinstance(result, Converted) and "    optimizer = optim.SGD(model.parameters()" in result.after, (
        result.after
    )
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize(
    ("made", "between", "moved"),
    [
        (GROUPS, "", True),
        (CHOSEN, "", True),
        (CHOSEN, "print(model)", True),
        ("optim.SGD(itertools.chain(model.layer.parameters(), model.more.parameters()), lr=0.1)", "", True),
        ("optim.SGD(model.more.parameters(), lr=0.1)", "", True),
        (CHOSEN, "for p in model.layer.parameters():\n    p.requires_grad = False", False),
        (CHOSEN, "model.layer.requires_grad_(False)", False),
        (CHOSEN.replace("p.requires_grad,", "p.dim() > 1,"), "", False),
        ("optim.SGD([p for p in model.parameters()], lr=0.1)", "", False),
        ("optim.SGD(sorted(model.parameters(), key=len), lr=0.1)", "", False),
        (GROUPS, "model.more = nn.Linear(2, 2)", False),
        (CHOSEN, f"{SUM_UP}print('made')", True),
        (CHOSEN, f"{SUM_UP}sum_up()", False),
        (CHOSEN, f"{SUM_UP}print(*map(lambda f: f(), [sum_up]))", False),
        (CHOSEN, f"{SUM_UP}def run():\n    print(sum_up())\nrun()", False),
        ("optim.SGD([dict({'params': list(model.parameters())}, lr=0.3)], lr=0.1)", "", True),
    ],
)
def test_parameters_that_are_chosen(made: str, between: str, moved: bool, runner: Runner) -> None:
    text = chosen(made, between).replace("import argparse", "import itertools, torch.utils.data, argparse")
    result = convert_text(text)
    assert isinstance(result, Converted)
    assert ("        return optim.SGD(" in result.after) == moved, result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_data_that_a_size_was_asked_of_is_no_part_of_the_model(runner: Runner) -> None:
    text = script("features = features.cpu()\nprint(features.mean().item())", declared="global features")
    result = convert_text(text)
    assert isinstance(result, Converted) and "return optim.SGD(self.model.parameters()" in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def test_a_dotted_import_is_no_line_that_runs() -> None:
    text = chosen(CHOSEN).replace("import torch\n", "import torch\nimport torch.nn.functional as F\n", 1)
    result = convert_text(text)
    assert isinstance(result, Converted) and f"return {CHOSEN.replace('model.', 'self.model.')}" in result.after
