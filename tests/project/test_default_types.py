"""Types of tensors whose meaning on the CPU depends on the default, which other files may set."""

from __future__ import annotations

import pytest

from refactorer.project import OtherFile, Others, analyze_file, convert_file
from refactorer.result import Converted
from tests.idioms.device_harness import script, step_of

FRONT = """
use_cuda = torch.cuda.is_available()
if use_cuda:
    model.cuda()
Tensor = torch.cuda.FloatTensor if use_cuda else torch.Tensor
"""
BODY = "x = x.type(Tensor)\nz = Tensor(x.size(0), 1).fill_(1.0)"
PLAIN = {"models": "import torch.nn as nn\nfrom utils.shapes import SIZE\n", "utils.shapes": "import math\nSIZE = 3\n"}
KNOWN = {
    "files that set none": ("from models import *", PLAIN),
    "a package": ("from models import SIZE", {**PLAIN, "utils": "from . import shapes\n"}),
    "a module of a folder": ("from utils import shapes", PLAIN),
}
SETS = "import torch\ntorch.set_default_dtype(torch.float32)"
UNKNOWN = {
    "a file that is not there": ("from models import *", {"models": PLAIN["models"]}),
    "a library that is not known": ("import somebodys_library", {}),
    "a file that sets one": ("import models", {**PLAIN, "utils.shapes": SETS}),
    "a package that sets one": ("import models", {**PLAIN, "utils": "from torch import set_default_tensor_type as s"}),
    "a function that sets one": ("import models", {**PLAIN, "models": "def f(torch):\n    torch.set_default_dtype(1)"}),
    "a file that imports by name": ("import models", {"models": "import importlib\nimportlib.import_module('other')"}),
    "a file that is no Python": ("import models", {"models": "print 'hello'"}),
    "a name that is imported by a text": ("other = __import__('argparse')", {}),
    "an import in a function": ("import models", {"models": "def f():\n    import elsewhere\n"}),
}  # fmt: skip


def _files(files: dict[str, str]) -> Others:
    return Others({name: OtherFile(f"{name}.py", text, name == "utils") for name, text in files.items()})


@pytest.mark.parametrize("case", KNOWN)
def test_the_default_is_relied_on_where_no_file_sets_it(case: str) -> None:
    line, files = KNOWN[case]
    text = line + script(BODY, FRONT)
    result = convert_file(text, path="main.py", others=_files(files))
    assert isinstance(result, Converted)
    assert "x = x.float()\n" in step_of(result.after)
    assert "z = torch.ones(x.size(0), 1, device=self.device)\n" in step_of(result.after)
    assert not [found for found in result.diagnostics if found.code == "N105"]
    assert analyze_file(text, path="main.py", others=_files(files)).result == result


@pytest.mark.parametrize("case", UNKNOWN)
def test_it_is_not_relied_on_elsewhere(case: str) -> None:
    line, files = UNKNOWN[case]
    result = convert_file(line + script(BODY, FRONT), path="main.py", others=_files(files))
    assert isinstance(result, Converted)
    assert "x = x.type(Tensor)\n" in step_of(result.after)
    assert "z = Tensor(x.size(0), 1).fill_(1.0)\n" in step_of(result.after)
