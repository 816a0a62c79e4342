"""Optimizers that are made of items of dictionaries, and what sets these before the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import collections
import json
import operator
import torch
from argparse import Namespace
from torch import nn, optim

torch.manual_seed(0)
args = Namespace(lr=0.1, decay='0.1')
options = vars(args)
config = {'optim': {'lr': 0.1, 'betas': [0.9, 0.99]}, 'run': {'folder': 'runs', 'lrs': [1, 2]}}
whole = config
settings = config['optim']
alias = renamed = {'eps': 1e-8}
inner = {'amsgrad': False}
outer = {'inner': inner}
betas = settings['betas']
everything = [settings]
parts = list(config.values())
model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
loader = [(torch.randn(2, 2), torch.randn(2, 1)) for _ in range(3)]


class Meter:
    def __init__(self):
        self.total = 0

    def update(self, value):
        self.total += value


class Tuner:
    def __enter__(self):
        settings['lr'] = 0.5

    def __exit__(self, *error):
        pass


def tune(given):
    given['lr'] = 0.5


def show(given):
    print(given['folder'])


def main():
    optimizer = optim.Adam(model.parameters(), lr=settings['lr'], betas=settings['betas'],
                           weight_decay=float(options['decay']), eps=alias['eps'],
                           amsgrad=outer['inner']['amsgrad'])
    BETWEEN
    for epoch in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
        print(loss.item(), config)


main()
"""
CHANGES = [
    "settings['lr'] = 0.5",
    "settings['betas'][0] = 0.5",
    "betas[0] = 0.5",
    "betas.insert(0, betas.pop())",
    "renamed['eps'] = 0.1",
    "inner['amsgrad'] = True",
    "inner.update(amsgrad=True)",
    "del inner['amsgrad']; inner['amsgrad'] = True",
    "args.decay = '0.5'",
    "setattr(args, 'decay', '0.5')",
    "config['optim']['lr'] = 0.5",
    "whole['optim'].update(lr=0.5)",
    "whole['optim'] |= {'lr': 0.5}",
    "everything[0]['lr'] = 0.5",
    "parts[0]['lr'] = 0.5",
    "key = 'lr'; parts[0][key] = 0.5",
    "for part in whole.values(): part.update(lr=0.5)",
    "for part in whole.values(): part['lr'] = 0.5",
    "with Tuner(): pass",
    "tune(settings)",
    "tune(whole['optim'])",
    "change = tune; change(parts[0])",
    "for parts[0]['lr'] in (0.5,): pass",
    "parts[0]['lr'], other = 0.5, 0",
    "operator.setitem(parts[0], 'lr', 0.5)",
    "dict.__setitem__(parts[0], 'lr', 0.5)",
    "change = parts[0].update; change(lr=0.5)",
    "json.loads('{}', object_hook=lambda read: parts[0].update(lr=0.5))",
    "collections.deque(map(tune, parts[:1]))",
]
HARMLESS = [
    "start = settings['lr']",
    "print(settings['lr'], options['decay'], config['run']['folder'])",
    "show(config['run'])",
    "counts = {}; counts['n'] = 3; counts['lr'] = 7",
    "meter = Meter(); meter.update(3)",
    "seen = torch.zeros(3); seen[0] = 1",
    "config['run']['folder'] = 'other'",
    "if settings['lr'] > 1: print('high')",
]


def _checked(text: str, runner: Runner) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and len(before.events) == 12
    assert first_difference(before, after) is None
    return result.after


@pytest.mark.parametrize("between", CHANGES)
def test_the_optimizer_is_made_where_the_script_makes_it(between: str, runner: Runner) -> None:
    assert "return self.optimizer" in _checked(SCRIPT.replace("BETWEEN", between), runner)


@pytest.mark.parametrize("between", HARMLESS)
def test_what_sets_none_of_the_items(between: str, runner: Runner) -> None:
    assert "return optim.Adam(" in _checked(SCRIPT.replace("BETWEEN", between), runner)


ASKING = [
    (
        "class Loud(dict):\n    def __getitem__(self, key):\n        print(key)\n        return dict.get(self, key)\n",
        "Loud",
    ),
    ("class Loud(dict):\n    def __missing__(self, key):\n        print(key)\n        return 0.1\n", "Loud"),
    ("class Loud(dict):\n    __getitem__ = lambda self, key: print(key) or dict.get(self, key)\n", "Loud"),
    (
        "class Loud(dict):\n    def get(self, key):\n        print(key)\n        return dict.get(self, key)\n"
        "    def __getitem__(self, key):\n        return self.get(key)\n",
        "Loud",
    ),
]


@pytest.mark.parametrize(("definition", "kind"), ASKING)
def test_dictionaries_of_the_script_that_do_more_than_look(definition: str, kind: str, runner: Runner) -> None:
    text = SCRIPT.replace("settings = config['optim']", f"{definition}settings = {kind}(config['optim'])")
    text = text.replace("    BETWEEN\n", "    print('training')\n")
    assert "return self.optimizer" in _checked(text, runner)


LATER = [
    """\
def closing():
    given = {'lr': 0.1, 'betas': [0.9, 0.99]}

    def change():
        given['lr'] = 0.5

    return given, change


settings, change = closing()
""",
    """\
def turning():
    given = {'lr': 0.1, 'betas': [0.9, 0.99]}
    yield given
    given['lr'] = 0.5
    yield given


turns = turning()
settings = next(turns)
change = turns.__next__
""",
]


@pytest.mark.parametrize("definition", LATER)
def test_functions_that_go_on_with_a_dictionary_that_they_made(definition: str, runner: Runner) -> None:
    text = SCRIPT.replace("def show(", f"{definition}\n\ndef show(").replace("BETWEEN", "change()")
    assert "return self.optimizer" in _checked(text, runner)


def test_a_dictionary_that_grows_when_it_is_asked(runner: Runner) -> None:
    text = SCRIPT.replace("alias['eps']", "grown['eps']")
    text = text.replace("whole = config", "grown = collections.defaultdict(lambda: 1e-8)")
    text = text.replace("BETWEEN", "print(len(grown))")
    assert "return self.optimizer" in _checked(text, runner)


def test_a_dictionary_of_another_file_beside_its_functions() -> None:
    text = SCRIPT.replace("import collections\n", "import collections\nfrom elsewhere import settings, prepare\n")
    text = text.replace("settings = config['optim']\n", "").replace("everything = [settings]\n", "")
    assert "return optim.Adam(" in _text(text.replace("BETWEEN", "torch.manual_seed(1)"))
    assert "return self.optimizer" in _text(text.replace("BETWEEN", "prepare()"))


def _text(script: str) -> str:
    result = convert(script)
    assert isinstance(result, Converted), result
    return result.after
