"""A module `runtime` of the project would be imported in the place of the one that a result needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from refactorer.options import choose
from refactorer.project import OtherFile, Others, convert_file
from refactorer.result import Converted, Refused, Result
from tests.project.test_reading import refactorer

SCRIPT = """\
import torch

model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
"""


def with_runtime(text: str, target: str = "runtime", script: str = SCRIPT) -> Result:
    others = Others({"runtime": OtherFile("runtime.py", text)})
    return convert_file(script, path="train.py", options=choose(target), others=others)


@pytest.mark.parametrize("text", ["", "class Trainer: ...\n", "def run(): ...\n", "(", "import Module\n"])
def test_a_module_that_hides_the_runtime(text: str) -> None:
    result = with_runtime(text)
    assert isinstance(result, Refused)
    (found,) = result.diagnostics
    assert (found.code, found.path) == ("R502", "train.py")
    assert found.message.startswith("runtime.py would be imported")


def test_a_copy_of_the_bundled_runtime() -> None:
    assert isinstance(
        with_runtime("from runtime.module import Module\nfrom runtime.trainer import Trainer\n"), Converted
    )


def test_a_script_that_does_not_train() -> None:
    assert not isinstance(with_runtime("", script="import torch\n"), Refused)


def test_another_target() -> None:
    result = with_runtime("", target="lightning")
    assert "R502" not in {found.code for found in result.diagnostics}


@pytest.mark.parametrize("name", ["runtime.py", "runtime/__init__.py"])
def test_a_file_beside_the_script(tmp_path: Path, name: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("VERSION = 1\n")
    done = refactorer("convert", "train.py", "--in-place", cwd=tmp_path)
    assert (done.returncode, script.read_text()) == (3, SCRIPT)
    assert b"R502" in done.stderr


def test_a_folder_of_that_name_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "runtime").mkdir()
    assert refactorer("convert", "train.py", cwd=tmp_path).returncode == 0
