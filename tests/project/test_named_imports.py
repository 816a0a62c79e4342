"""Libraries that only `from model import *` gives a script: imported by name where it is sure what they are."""

from __future__ import annotations

import pytest

from refactorer.project import OtherFile, Others, analyze_file, convert_file
from refactorer.project.modules import Modules
from refactorer.project.named_imports import named_imports
from refactorer.result import Converted

MODEL = """\
import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable
import math


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x):
        return self.layer(x)
"""
MAIN = """\
import random
from model import *

torch.manual_seed(0)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
for epoch in range(3):
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    net.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += (net(x) - y).abs().sum().item()
    print(epoch, repr(total), math.pi)
"""


def others(**texts: str) -> Others:
    return Others({name.replace("__", "."): OtherFile(f"{name}.py", text) for name, text in texts.items()})


def named(main: str = MAIN, **texts: str) -> str:
    return named_imports(main, Modules(others(**{"model": MODEL, **texts}))).text


def test_a_library_of_the_starred_file_is_imported_behind_it() -> None:
    assert named() == MAIN.replace("from model import *\n", "from model import *\nimport torch\n")


def test_the_result_says_where_its_torch_comes_from_and_validates() -> None:
    result = convert_file(MAIN, path="main.py", others=others(model=MODEL))
    assert isinstance(result, Converted) and result.before == MAIN
    assert "from model import *\nimport torch\n" in result.after
    assert "def validation_step(" in result.after and "return torch.optim.SGD(self.net.parameters()" in result.after


def test_without_the_other_file_nothing_is_said() -> None:
    result = convert_file(MAIN, path="main.py")
    assert isinstance(result, Converted) and "import torch\n" not in result.after


def test_lines_of_notes_and_findings_are_those_of_the_file() -> None:
    main = MAIN.replace("    print(epoch", "    if net.layer:\n        optimizer.step()\n    print(epoch")
    plain = analyze_file(main.replace("import random\n", "import random, torch\n"), path="main.py")
    analysis = analyze_file(main, path="main.py", others=others(model=MODEL))
    assert "N101" in {note.code for note in analysis.diagnostics}
    assert analysis.diagnostics == convert_file(main, path="main.py", others=others(model=MODEL)).diagnostics
    assert [(note.code, note.line) for note in analysis.diagnostics] == [
        (note.code, note.line) for note in plain.diagnostics
    ]
    assert [(one.kind, one.line) for one in analysis.findings] == [(one.kind, one.line) for one in plain.findings]


def test_the_form_of_the_import_is_that_of_the_starred_file() -> None:
    main = MAIN + "print(np.zeros(2), Variable, nn.Linear)\n"
    added = "import numpy as np\nfrom torch.autograd import Variable\nimport torch.nn as nn\nimport torch\n"
    assert sorted(set(named(main).split("\n")) - set(main.split("\n"))) == sorted(added.split("\n")[:-1])


def test_files_behind_the_starred_one_are_followed() -> None:
    assert "import *\nimport torch\n" in named(model="from base import *\n", base=MODEL)
    assert "import *\nimport torch\n" in named(model="import torch\nimport torch.nn\nimport torch.optim\n")


def test_line_ends_are_kept() -> None:
    main = MAIN.replace("\n", "\r\n")
    assert named(main) == main.replace("from model import *\r\n", "from model import *\r\nimport torch\r\n")


@pytest.mark.parametrize(
    "texts",
    [
        {"model": "__all__ = ['Net']\n" + MODEL},
        {"model": MODEL + "torch = None\n"},
        {"model": MODEL.replace("import torch\n", "try:\n    import torch\nexcept ImportError:\n    torch = None\n")},
        {"model": MODEL + "def off():\n    global torch\n    torch = None\n"},
        {"model": MODEL + "globals()['torch'] = None\n"},
        {"model": MODEL.replace("import torch\n", "from local import torch\n")},
        {"model": MODEL.replace("import torch\n", "import local as torch\n")},
        {"model": MODEL.replace("import torch\n", "from .torch import torch\n")},
        {"model": "from missing import *\n"},
        {"model": "from base import *\n", "base": "from model import *\n"},
        {"main": MAIN.replace("from model import *", "from model import *\nfrom missing import *")},
        {"main": MAIN.replace("from model import *", "if random:\n    from model import *")},
        {"main": MAIN.replace("from model import *", "from model import *; z = [\n    1]")},
        {"main": MAIN.replace("from model import *", "from model import *\ntorch = None")},
        {"main": MAIN.replace("from model import *", "from model import *\nglobals()['torch'] = None")},
        {"main": MAIN.replace("from model import *", "import torch\nfrom model import *")},
        {"main": MAIN.replace("from model import *", "from model import *\nfrom own import *"), "own": "torch = 1\n"},
        {"main": MAIN.replace("from model import *", "import model")},
        {"main": MAIN.replace("from model import *", "from pack import *"), "pack": "", "pack__torch": ""},
    ],
)  # fmt: skip
def test_where_the_name_may_be_another_nothing_changes(texts: dict[str, str]) -> None:
    main = texts.pop("main", MAIN)
    assert named(main, **texts) == main
