"""Networks beside the model that the steps call: the module holds them, and the Trainer moves them."""

from __future__ import annotations

import pytest

from refactorer.options import Options
from refactorer.project import OtherFile, Others, convert_file
from refactorer.result import Converted
from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, converted

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)


class Extractor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))

    def forward(self, x):
        return self.layers(x)


device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 2)), batch_size=4)
model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).to(device)
extractor = Extractor(){move}
{mode}
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = (extractor(model(x)) - extractor(y).detach()).pow(2).mean()
        loss.backward()
        optimizer.step()
        print(loss.item())
{evaluation}
print(extractor.training, extractor.layers[1].running_mean.tolist(), torch.rand(1))
"""
EVALUATION = """
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += (extractor(model(x.to(device))) - y.to(device)).abs().sum().item()
    print(total, extractor.training)
"""


def with_(move: str = ".to(device)", mode: str = "", evaluation: str = "") -> str:
    return SCRIPT.format(move=move, mode=mode, evaluation=evaluation)


@pytest.mark.parametrize("evaluation", ["", EVALUATION])
@pytest.mark.parametrize("mode", ["", "extractor.eval()", "extractor = extractor.eval()", "print(extractor)"])
def test_the_module_holds_a_network_that_the_steps_call(mode: str, evaluation: str, runner: Runner) -> None:
    text, _ = checked(with_(mode=mode, evaluation=evaluation), runner)
    assert "self.extractor = extractor" in text and "self.extractor(" in text
    assert ".to(device)" not in text and "device=device" in text


@pytest.mark.parametrize(
    ("move", "mode"),
    [("", ""), ("", "extractor.eval()"), (".to('cuda:1' if torch.cuda.is_available() else 'cpu')", "")],
)
def test_a_network_that_the_script_leaves_or_puts_elsewhere_is_not_held(move: str, mode: str, runner: Runner) -> None:
    text, _ = checked(with_(move, mode), runner)
    assert "self.extractor" not in text


def test_a_network_that_a_function_binds_again_stays_a_global(runner: Runner) -> None:
    again = "def renew():\n    global extractor\n    extractor = Extractor().to(device)"
    text, _ = checked(with_(mode=again, evaluation="    renew()"), runner)
    assert "self.extractor" not in text and "Extractor().to(device)" in text


ELSEWHERE = with_().replace("class Extractor", "class Own").replace("import torch\n", "import torch\n{imports}\n", 1)
NETWORK = "from torch import nn\nclass Extractor(nn.Module):\n    def forward(self, x):\n        return x\n"
PACKAGE = {"nets.__init__": "", "nets.base": NETWORK.replace("Extractor", "Base")}


def with_others(imports: str, files: dict[str, str]) -> str:
    found = {name: OtherFile(f"{name}.py", text, name == "nets") for name, text in files.items()}
    result = convert_file(ELSEWHERE.replace("{imports}", imports), options=Options(), others=Others(found))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


@pytest.mark.parametrize(
    ("imports", "files"),
    [
        ("from nets import Extractor", {"nets": NETWORK}),
        ("from nets import *", {"nets": NETWORK}),
        ("from nets import Extractor", {"nets": "from .parts import *", "nets.parts": NETWORK}),
        ("from nets import Extractor", {"nets": "from .parts import Extractor", "nets.parts": NETWORK}),
        ("from nets import Extractor", {"nets": NETWORK.replace("(nn.M", "(Base):\n    pass\nclass Base(nn.M")}),
        ("from nets import Extractor", {"nets": NETWORK.replace("from torch import nn", "import torch.nn as nn")}),
    ],
)
def test_a_class_of_another_file_is_a_network_by_its_bases(imports: str, files: dict[str, str]) -> None:
    text = with_others(imports, files)
    assert "self.extractor = extractor" in text and "extractor = Extractor()\n" in text


@pytest.mark.parametrize(
    ("imports", "files"),
    [
        ("from nets import Extractor", {}),
        ("from nets import Extractor", {"nets": NETWORK.replace("(nn.Module)", "")}),
        ("from nets import Extractor", {"nets": NETWORK.replace("(nn.Module)", "(object)")}),
        ("from nets import Extractor", {"nets": NETWORK + "    def to(self, device):\n        return self\n"}),
        ("from nets import Extractor", {"nets": NETWORK + "Extractor = wrapped(Extractor)\n"}),
        ("from nets import Extractor", {"nets": NETWORK.replace("class", "@wrapped\nclass")}),
        ("from nets import Extractor", {"nets": NETWORK.replace("from torch", "from mine")}),
        ("from nets import *\nfrom more import *", {"nets": NETWORK}),
        ("from nets import *\nfrom more import *", {"nets": NETWORK, "more": NETWORK}),
    ],
)
def test_a_class_that_may_be_none_of_networks_is_moved_by_the_script(imports: str, files: dict[str, str]) -> None:
    text = with_others(imports, files)
    assert "self.extractor" not in text and "extractor = Extractor().to(device)\n" in text


IN_FUNCTION = """
import torch
from torch import nn, optim
from elsewhere import make

def main(loader):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.Linear(2, 1).to(device)
    teacher = make().to(device)
    {mode}
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            optimizer.zero_grad()
            loss = (model(x) - {target}).abs().sum()
            loss.backward()
            optimizer.step()
"""


@pytest.mark.parametrize(
    ("mode", "target", "goes"),
    [
        ("teacher.eval()", "teacher(y)", True),
        ("teacher.load_state_dict(torch.load('teacher.pt'))", "teacher(y)", True),
        ("", "teacher(y)", False),
        ("teacher.eval()", "teacher.targets(y)", False),
        ("", "teacher", False),
    ],
)
def test_what_is_called_and_switched_as_networks_are_is_one(mode: str, target: str, goes: bool) -> None:
    text, _ = converted(IN_FUNCTION.format(mode=mode, target=target))
    assert ("teacher = make()\n" in text) is goes
