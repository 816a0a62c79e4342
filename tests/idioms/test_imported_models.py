"""Models that another file has made: the module holds them, and what else that file gives may use them."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SHARED = """
import torch
from torch import nn
torch.manual_seed(1)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
def check():
    return net.training, net(torch.ones(2, 4)).sum().item()
def grow():
    net[3] = nn.Linear(8, 2)
"""
SCRIPT = """
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from shared_of_test import net, check, grow
torch.manual_seed(0)
x = torch.randn(20, 4); y = torch.randint(0, 2, (20,))
train_loader = DataLoader(TensorDataset(x, y), batch_size=5, shuffle=True)
test_loader = DataLoader(TensorDataset(x, y), batch_size=6)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
pass  # made
for epoch in range(3):
    net.train()
    for images, labels in train_loader:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pass  # trained
    net.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in test_loader:
            correct += (net(images).argmax(1) == labels).sum().item()
    pass  # evaluated
    print(epoch, loss.item(), correct)
print([p.sum().item() for p in net.parameters()], torch.rand(1))
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [("made", "pass"), ("made", "grow()"), ("trained", "print(check())"), ("evaluated", "print(check())")],
)
def test_scripts_with_models_of_other_files_train_the_same(place: str, line: str, runner: Runner) -> None:
    text = SCRIPT.replace(f"pass  # {place}", line)
    result = convert(text)
    assert isinstance(result, Converted)
    others = {"shared_of_test.py": SHARED}
    runs = [runner.run(version, beside=others) for version in (text, result.after)]
    assert runs[0].status == 0
    assert first_difference(*runs) is None


def test_the_module_holds_a_model_of_another_file() -> None:
    result = convert(SCRIPT)
    assert isinstance(result, Converted)
    assert "self.net = net" in result.after
    assert "automatic_modes" not in result.after
