"""Devices that are items of dictionaries, or that a function of the training names anew."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, step_of

SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4)
criterion = nn.MSELoss()
{top}

def train(model, optimizer, config):
    {device}
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        noise = torch.zeros(len(x), 2, device=device)
        optimizer.zero_grad()
        loss = criterion(model(x + noise), y)
        loss.backward()
        optimizer.step()
        print(loss.item())
        {inside}

def main():
    config = {config}
    {front}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        train(model, optimizer, config)
    {behind}

main()
"""
CONFIG = "{'lr': 0.1, 'device': 'cpu', 'run': {'device': 'cpu'}}"
ITEM = "device = torch.device(config['device'])"
MOVED = "model = nn.Linear(2, 1).to(torch.device(config['device']))"


def _script(device: str, front: str, inside: str = "pass", behind: str = "pass", top: str = "") -> str:
    return SCRIPT.format(device=device, front=front, inside=inside, behind=behind, top=top, config=CONFIG)


KNOWN = {
    "an item": (ITEM, MOVED, "device=config['device']"),
    "without torch.device": ("device = config['device']", "model = nn.Linear(2, 1).to(config['device'])",
                             "device=config['device']"),
    "an item of an item": ("device = torch.device(config['run']['device'])",
                           "model = nn.Linear(2, 1)\n    model.to(config['run']['device'])",
                           "device=config['run']['device']"),
    "set before": (ITEM, "config['device'] = 'cpu'\n    " + MOVED, "device=config['device']"),
    "another item is set later": (ITEM + "\n    config['lr'] = 1", MOVED, "device=config['device']"),
    "the answer of the driver": ("device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
                                 "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\n"
                                 "    model = nn.Linear(2, 1).to(device)", "device=device"),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_the_trainer_is_given_the_device(case: str, runner: Runner) -> None:
    device, front, given = KNOWN[case]
    text, notes = checked(_script(device, front), runner)
    assert given in text and "N105" not in notes
    assert "device=self.device" in step_of(text) and ".to(" not in step_of(text) and "device_" not in text


UNKNOWN = {
    "set while it trains": (ITEM, MOVED, "config['device'] = 'cpu'"),
    "set by another name": (ITEM, MOVED, "other = config\n        other['device'] = 'cpu'"),
    "any item is set": (ITEM, MOVED, "key = 'lr'\n        config[key] = 0.2"),
    "updated": (ITEM, MOVED, "config.update(lr=0.2)"),
    "taken out": (ITEM, MOVED, "config.setdefault('device', 'cpu')"),
    "another item": (ITEM, MOVED.replace("config['device']", "config['run']['device']"), "pass"),
    "another number": ("device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
                       "device = torch.device('cuda:1' if torch.cuda.is_available() else 'cpu')\n"
                       "    model = nn.Linear(2, 1).to(device)", "pass"),
    "chosen twice": (ITEM + "\n    if loader is None:\n        device = torch.device('cpu')", MOVED, "pass"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_may_be_another_device_stays(case: str, runner: Runner) -> None:
    device, front, inside = UNKNOWN[case]
    text, notes = checked(_script(device, front, inside), runner)
    assert "N105" in notes and "x.to(" in text.replace("self.x.to(", "x.to(")


def test_a_device_that_is_printed_keeps_its_name(runner: Runner) -> None:
    text, notes = checked(_script(ITEM, MOVED, "print(device)"), runner)
    assert "torch.device(self.config['device'])" in text and "N105" not in notes


ODD = """
class Odd(dict):
    def __getitem__(self, key):
        print('asked for', key)
        return dict.__getitem__(self, key)
"""
DATA = """
class Rows(torch.utils.data.Dataset):
    def __getitem__(self, index):
        return torch.ones(2)
"""


def test_a_dictionary_that_does_more_is_asked_as_often(runner: Runner) -> None:
    before = _script(ITEM, MOVED, top=ODD).replace("config = {'lr'", "config = Odd({'lr'").replace("cpu'}}", "cpu'}})")
    text, notes = checked(before, runner)
    assert "N105" in notes and "torch.device(self.config['device'])" in text


def test_a_data_set_is_no_dictionary(runner: Runner) -> None:
    text, notes = checked(_script(ITEM, MOVED, top=DATA), runner)
    assert "N105" not in notes and "device=config['device']" in text


PROPERTY = """
class Config:
    lr = 0.1
    @property
    def device(self):
        {does}
"""


@pytest.mark.parametrize(("does", "known"), [("print('asked')\n        return 'cpu'", False), ("return 'cpu'", True)])
def test_a_property_that_does_more_is_asked_as_often(does: str, known: bool, runner: Runner) -> None:
    before = _script("device = torch.device(config.device)", MOVED, top=PROPERTY.format(does=does))
    before = before.replace(f"config = {CONFIG}", "config = Config()").replace("config['device']", "config.device")
    text, notes = checked(before, runner)
    assert ("N105" not in notes) is known and ("device=config.device" in text) is known
