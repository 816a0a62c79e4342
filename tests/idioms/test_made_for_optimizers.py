"""Lines that only choose the parameters of an optimizer, and come along into `configure_optimizers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import argparse
import itertools
import torch
from torch import nn, optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 1)

    def forward(self, x):
        return self.second(self.first(x))

    def freeze(self):
        self.first.weight.requires_grad = False


def stop(part):
    for p in part.parameters():
        p.requires_grad = False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--lr', type=float, default=0.1)
    args = parser.parse_args()
    torch.manual_seed(0)
    model = Net()
    loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]
    CHOICE
    optimizer = optim.SGD(chosen, lr=args.lr)
    BETWEEN
    for epoch in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        print(loss.item(), [float(p.sum()) for p in model.parameters()])
    BEHIND


main()
"""
TRAINED = "chosen = [p for p in model.parameters() if p.requires_grad]"
GROUPS = """\
no_decay = ['bias']
    chosen = [
        {'params': [p for n, p in model.named_parameters() if not any(part in n for part in no_decay)]},
        {'params': [p for n, p in model.named_parameters() if any(part in n for part in no_decay)], 'lr': args.lr * 2},
    ]"""
COMES = [
    TRAINED,
    "chosen = [p for n, p in model.named_parameters() if p.requires_grad and n.startswith('first')]",
    "chosen = filter(lambda p: p.requires_grad, model.parameters())",
    "chosen = list(model.parameters())",
    "chosen = model.second.parameters()",
    "chosen = [{'params': model.first.parameters(), 'lr': args.lr}, {'params': model.second.parameters()}]",
    "last = list(map(id, model.second.parameters()))\n    chosen = [p for p in model.parameters() if id(p) in last]",
    "named = list(model.named_parameters())\n    chosen = [p for n, p in named if 'bias' not in n]",
    "chosen = list(model.first.parameters()) + list(model.second.parameters())",
    "chosen = [{'params': list(model.first.parameters()), 'lr': args.lr * 10}]",
    "chosen = [p for p in model.parameters() if p.ndim > 1]",
    "chosen = itertools.chain(model.first.parameters(), model.second.parameters())",
]
STAYS = [
    "chosen = [p for p in model.parameters() if print(p.shape) is None]",
    "chosen = [p for p in model.parameters() if torch.rand(1) < 2]",
    "chosen = []\n    for p in model.parameters(): chosen.append(p)",
    "chosen = kept = list(model.parameters())\n    print(len(kept))",
    "chosen = list(model.parameters())\n    print(len(chosen))",
    "chosen = list(model.parameters())\n    chosen = chosen[1:]",
    "chosen = list(model.parameters())\n    del chosen[0]",
    "chosen = [p for p in model.parameters() if p.data.view(-1)[0] < 9]",
    "chosen = [p for p in model.parameters() if p[0].requires_grad and p.numel() > 0]",
    "chosen = [p for p in model.parameters() if p is not None and (p < 9) is not None]",
    "chosen = sorted(model.parameters(), key=lambda p: p.numel())",
]
CHANGES = [
    "model.freeze()",
    "stop(model.first)",
    "for p in model.first.parameters(): p.requires_grad = False",
    "model.first.requires_grad_(False)",
    "first = model.first\n    first.weight.requires_grad = False",
    "setattr(model.first.weight, 'requires_grad', False)",
    "model.first.bias = nn.Parameter(torch.ones(3))",
    "model.third = nn.Linear(1, 1)",
    "layers = [model.first]\n    layers[0].bias = nn.Parameter(torch.ones(3))",
]


def _checked(runner: Runner, choice: str, between: str = "model.train()", behind: str = "print('done')") -> str:
    text = SCRIPT.replace("CHOICE", choice).replace("BETWEEN", between).replace("BEHIND", behind)
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and len(before.events) == 12, before
    assert first_difference(before, after) is None
    return result.after


def _comes_along(text: str) -> bool:
    return "chosen = " in text[text.index("def configure_optimizers") : text.index("def main")]


@pytest.mark.parametrize("choice", COMES)
def test_the_lines_come_along(choice: str, runner: Runner) -> None:
    after = _checked(runner, choice)
    assert _comes_along(after) and "self.chosen" not in after


def test_groups_by_name_with_their_list_of_names(runner: Runner) -> None:
    after = _checked(runner, GROUPS.replace(", 'lr': args.lr * 2", ", 'lr': args.lr"))
    assert "        no_decay = ['bias']\n        chosen = [\n" in after
    assert "LitModel(model, args)" in after


def test_settings_stay_where_the_script_says_them(runner: Runner) -> None:
    after = _checked(runner, "decay = 0.1\n    chosen = [{'params': model.parameters(), 'weight_decay': decay}]")
    assert "        decay = 0.1\n        chosen = [" in after
    after = _checked(
        runner, "decay = args.lr\n    print(1)\n    chosen = [{'params': model.parameters(), 'weight_decay': decay}]"
    )
    assert "\n    decay = args.lr\n" in after and _comes_along(after)
    plain = SCRIPT.replace("SGD(chosen", "SGD(model.parameters()").replace("lr=args.lr)", "lr=rate)")
    result = convert(plain.replace("CHOICE", "rate = 0.1").replace("BETWEEN", "pass").replace("BEHIND", "pass"))
    assert isinstance(result, Converted) and "        rate = 0.1\n        return" not in result.after


@pytest.mark.parametrize("choice", STAYS)
def test_what_else_a_line_does(choice: str, runner: Runner) -> None:
    assert not _comes_along(_checked(runner, choice))


@pytest.mark.parametrize("between", CHANGES)
@pytest.mark.parametrize("choice", [TRAINED, "chosen = list(model.parameters())"])
def test_what_may_change_the_choice(choice: str, between: str, runner: Runner) -> None:
    """Which parameters are trained only matters where the line asks for it."""
    after = _checked(runner, choice, between)
    frees = "requires_grad" in between or "freeze" in between or "stop" in between
    assert not _comes_along(after) or (frees and choice != TRAINED)


@pytest.mark.parametrize("behind", ["print(len(chosen))", "def later(): return chosen\n    print(len(later()))"])
def test_what_is_named_behind_the_training_stays(behind: str, runner: Runner) -> None:
    assert not _comes_along(_checked(runner, "chosen = list(model.parameters())", behind=behind))


def test_classes_that_hand_out_their_parameters_themselves(runner: Runner) -> None:
    own = "    def named_parameters(self, *args, **more):\n        print('asked')\n"
    own += "        return super().named_parameters(*args, **more)\n\n    def freeze"
    choice = "print('now')\n    chosen = list(model.parameters())"
    text = SCRIPT.replace("    def freeze", own).replace("CHOICE", choice).replace("BETWEEN", "print('training')")
    result = convert(text.replace("BEHIND", "pass"))
    assert isinstance(result, Converted) and not _comes_along(result.after)


BY_NAME = "[p for n, p in model.named_parameters() if not any(part in n for part in names)]"
THROUGH = {
    "a list under another name": ("base = ['bias']\n    names = base", "base.append('weight')"),
    "a list in the settings": ("args.skip = ['bias']\n    names = args.skip", "args.skip += ['weight']"),
    "a list that the settings were given": ("own = ['bias']\n    args.skip = own\n    names = args.skip", "own.pop()"),
    "a list in a dictionary": ("config = {'skip': ['bias']}\n    names = config['skip']", "config['skip'].pop()"),
    "a list that is handed on": ("names = ['bias']\n    kept = [names]", "kept[0].pop()"),
    "an iterator": ("names = iter(['bias'])", "print(list(names))"),
    "a container of the script's own": ("names = Names(['bias'])", "print('between')"),
    "its name": ("own = Names(['bias'])\n    names = own", "print('between')"),
}
OWN = "class Names(list):\n    def __iter__(self):\n        print('asked')\n        return super().__iter__()\n\n\n"


@pytest.mark.parametrize("case", THROUGH)
def test_what_is_gone_through_may_change_or_run_code(case: str, runner: Runner) -> None:
    front, between = THROUGH[case]
    text = SCRIPT.replace("def main", OWN + "def main").replace("CHOICE", f"{front}\n    chosen = {BY_NAME}")
    text = _filled(text, between)
    result = convert(text)
    assert isinstance(result, Converted) and not _comes_along(result.after)
    assert first_difference(runner.run(text), runner.run(result.after)) is None


def _filled(text: str, between: str) -> str:
    return text.replace("BETWEEN", between).replace("BEHIND", "pass")


@pytest.mark.parametrize("names", ["NAMES = ['bias']", "NAMES = ('bias', 'scale')"])
def test_names_that_the_script_only_goes_through(names: str, runner: Runner) -> None:
    text = SCRIPT.replace("def main", f"{names}\n\n\ndef main")
    text = _filled(text.replace("CHOICE", "chosen = " + BY_NAME.replace("names)", "NAMES)")), "print(len(NAMES))")
    result = convert(text)
    assert isinstance(result, Converted) and _comes_along(result.after)
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize(
    "member", ["head = property(lambda self: print('asked') or self.second)", "head = Descriptor()"]
)
def test_parts_that_are_worked_out_when_they_are_asked_for(member: str, runner: Runner) -> None:
    own = "class Descriptor:\n    def __get__(self, net, kind):\n        print('asked')\n        return net.second\n\n"
    text = SCRIPT.replace("class Net", own + "class Net").replace("    def freeze", f"    {member}\n\n    def freeze")
    text = _filled(text.replace("CHOICE", "chosen = list(model.head.parameters())"), "print('between')")
    result = convert(text)
    assert isinstance(result, Converted) and not _comes_along(result.after)
    assert first_difference(runner.run(text), runner.run(result.after)) is None
