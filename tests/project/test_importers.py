"""What other files use of one that is converted stays there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from refactorer.batch import convert_all
from refactorer.files import read_source
from refactorer.options import Options
from refactorer.project import analyze_file, forget, read_others
from refactorer.source import Source

TRAIN = """\
import torch
from torch import nn

LIMIT = 3


def train_epoch(model, optimizer, data, epoch):
    model.train()
    for x, y in data:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
        print(epoch, loss.item())


def validate(model, data):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in data:
            total += (model(x) - y).pow(2).mean().item()
    print(total)


def main():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(5)]
    for epoch in range(LIMIT):
        train_epoch(model, optimizer, data, epoch)
        validate(model, data)


if __name__ == "__main__":
    main()
"""
SOLVER = """\
import torch
from torch import nn


class Solver:
    def __init__(self):
        self.model = nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.data = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(5)]

    def train(self, epochs):
        for epoch in range(epochs):
            self.train_epoch(epoch)

    def train_epoch(self, epoch):
        self.model.train()
        for x, y in self.data:
            self.optimizer.zero_grad()
            loss = (self.model(x) - y).pow(2).mean()
            loss.backward()
            self.optimizer.step()
            print(epoch, loss.item())
"""


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """A project with a training and other files. Returns the script."""
    forget()
    for name, text in {"train": TRAIN, **files}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "train.py"


def used(path: Path) -> set[str]:
    return set(read_others(read_source(str(path))).used)


def converted(path: Path) -> str:
    (report,) = convert_all([str(path)], options=Options())
    assert report.after is not None
    return report.after.text


@pytest.mark.parametrize(
    ("other", "names"),
    [
        ("from train import validate", {"validate"}),
        ("from train import validate as v", {"validate"}),
        ("from train import (\n    LIMIT,\n    validate,\n)", {"LIMIT", "validate"}),
        ("from train import LIMIT, \\\n    validate", {"LIMIT", "validate"}),
        ("def f():\n    from train import validate", {"validate"}),
        ("import train\ntrain.validate(1, 2)", {"validate"}),
        ("import train as t\nt.validate(1, 2)", {"validate"}),
        ("import train\nrun(train)", {"train_epoch", "validate", "main"}),
        ("import train\ngetattr(train, 'val' + 'idate')", {"train_epoch", "validate", "main"}),
        ("from importlib import import_module\nimport_module('train')", {"train_epoch", "validate", "main"}),
        ("from train import *\nvalidate(1, 2)\nfoo()", {"validate"}),
        ("x = 1; from train import validate", {"validate"}),
        ("try: from train import validate\nexcept ImportError: pass", {"validate"}),
        ("import sys\nsys.modules['train'].x", {"train_epoch", "validate", "main"}),
        ("import runpy\nrunpy.run_path('train.py')", {"train_epoch", "validate", "main"}),
        ("print('train.py')", set()),
        ("import train\ntrain.validate = None", {"validate="}),
        ("import train\ntrain.missing = None", set()),
        ("import train\nmock.patch.object(train, 'validate')", {"train_epoch", "validate=", "main"}),
        ("mock.patch('train.validate')", {"validate="}),
        ("mock.patch('other.validate')", set()),
        ("from train import nothing", set()),
        ("from other import validate", set()),
        ("# from train import validate", set()),
        ("import torch\nmodel.train()", set()),
        ("from train import validate  (", set()),
    ],
)
def test_names_that_another_file_uses(tmp_path: Path, other: str, names: set[str]) -> None:
    assert used(written(tmp_path, {"other": f"{other}\n"})) == names


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"tests/other": "from train import validate"}, {"validate"}),
        ({"tests/other": "from ..train import validate"}, {"validate"}),
        ({"tests/other": "from .train import validate"}, set()),
        ({"tests/other": "from train import validate", "tests/train": ""}, {"validate"}),
        ({"a": "from train import *", "b": "from a import validate, LIMIT"}, {"LIMIT", "validate"}),
        ({"a": "from train import *\nfrom b import *", "b": "from a import *\nmain()"}, {"main"}),
    ],
)
def test_files_in_other_places(tmp_path: Path, files: dict[str, str], names: set[str]) -> None:
    assert used(written(tmp_path, files)) == names


def test_a_package(tmp_path: Path) -> None:
    files = {
        "pkg/train": TRAIN, "pkg/__init__": "from .train import validate\n", "main": "from pkg.train import main\n",
        "tool": "from pkg import train\ntrain.LIMIT\n",
    }  # fmt: skip
    written(tmp_path, files)
    assert used(tmp_path / "pkg" / "train.py") == {"validate", "main", "LIMIT"}


def test_a_module_that_its_package_is_asked_for(tmp_path: Path) -> None:
    files = {"pkg/train": TRAIN, "pkg/__init__": "from . import train\n"}
    written(tmp_path, {**files, "tool": "import pkg\npkg.train.validate\n", "other": "import pkg as p\np.train.LIMIT"})
    assert used(tmp_path / "pkg" / "train.py") == {"validate", "LIMIT"}


def test_a_package_that_hands_on_all_names_of_a_file_with_such_an_import(tmp_path: Path) -> None:
    files = {
        "pkg/train": f"from .layers import *\n{TRAIN}", "pkg/__init__": "from .train import *\n",
        "main": "from pkg import *\nvalidate(1, 2)\n",
    }  # fmt: skip
    written(tmp_path, files)
    path = tmp_path / "pkg" / "train.py"
    assert used(path) == {"validate"}
    assert "trainer.fit(" in converted(path)


def test_a_project_with_its_sources_in_a_folder(tmp_path: Path) -> None:
    files = {"src/train": TRAIN, "tests/test_it": "from train import validate\n", "setup": ""}
    (written(tmp_path, files)).unlink()
    assert used(tmp_path / "src" / "train.py") == {"validate"}
    (tmp_path / "tests" / "train.py").write_text("")
    forget()
    assert used(tmp_path / "src" / "train.py") == set()


def test_modules_of_a_package_by_a_text(tmp_path: Path) -> None:
    files = {"methods/a": TRAIN, "main": "import importlib\nimportlib.import_module('methods.' + name)\n"}
    written(tmp_path, files)
    assert used(tmp_path / "methods" / "a.py") == {"train_epoch", "validate", "main"}


def test_nothing_is_known_around_standard_input() -> None:
    assert read_others(Source("<stdin>", TRAIN)).used == ()


def test_an_evaluation_that_another_file_uses_stays_beside_the_module(tmp_path: Path) -> None:
    before = converted(written(tmp_path, {}))
    assert "def validate(" not in before
    after = converted(written(tmp_path, {"other": "from train import validate\n"}))
    assert "def validate(model, data):\n    model.eval()" in after
    assert "def validation_step(" in after
    assert after.endswith('if __name__ == "__main__":\n    main()\n')


def test_an_evaluation_that_another_file_replaces_is_called(tmp_path: Path) -> None:
    other = "import train\ntrain.validate = lambda *given: print('replaced')\ntrain.main()\n"
    after = converted(written(tmp_path, {"other": other}))
    assert "validation_step" not in after
    assert "validate(model, data)" in after.split("class ")[1]


@pytest.mark.parametrize(
    "line",
    [
        "s.evaluate = lambda: 5", "Solver.evaluate = fake", "setattr(s, 'evaluate', fake)",
        "mock.patch.object(Solver, 'evaluate')", "mock.patch('solver.Solver.evaluate')",
    ],
)  # fmt: skip
def test_a_method_that_another_file_replaces_is_called(tmp_path: Path, line: str) -> None:
    solver = SOLVER.replace("self.train_epoch(epoch)\n", "self.train_epoch(epoch)\n            self.evaluate()\n")
    evaluate = TRAIN.split("def validate(model, data):\n")[1].split("\n\n")[0]
    for name in ("model", "data"):
        evaluate = evaluate.replace(f"{name}.eval", f"self.{name}.eval").replace(f"in {name}:", f"in self.{name}:")
    lines = evaluate.replace("(model(", "(self.model(").splitlines()
    solver += "\n    def evaluate(self):\n" + "\n".join(f"    {line}" for line in lines) + "\n"
    written(tmp_path, {"solver": solver, "other": "from solver import Solver\ns = Solver()\n"})
    assert "validation_step" in converted(tmp_path / "solver.py")
    written(tmp_path, {"other": f"from solver import Solver\ns = Solver()\n{line}\ns.train(3)\n"})
    assert "validation_step" not in converted(tmp_path / "solver.py")


def test_a_setting_named_like_a_method_replaces_none(tmp_path: Path) -> None:
    written(tmp_path, {"solver": SOLVER, "other": "from solver import Solver\nargs.train_epoch = True\n"})
    assert "def train_epoch(" not in converted(tmp_path / "solver.py")


def test_a_training_function_that_another_file_uses_stays(tmp_path: Path) -> None:
    after = converted(written(tmp_path, {"other": "from train import train_epoch\n"}))
    assert "def train_epoch(model, optimizer, data, epoch):" in after
    assert "        train_epoch(model, optimizer, data, epoch)" in after


def test_an_analysis_says_the_same(tmp_path: Path) -> None:
    source = read_source(str(written(tmp_path, {"other": "from train import train_epoch\n"})))
    analysis = analyze_file(source.text, path=source.path, others=read_others(source))
    assert analysis.result.after == converted(Path(source.path))  # type: ignore[union-attr]
    assert analysis.result.before == source.text  # type: ignore[union-attr]


def test_names_in_all_are_used_elsewhere(tmp_path: Path) -> None:
    script = TRAIN.replace("LIMIT = 3", "LIMIT = 3\n__all__ = ['validate', 'Other']")
    after = converted(written(tmp_path, {"train": script}))
    assert "def validate(" in after
    assert "def train_epoch(" not in after


def test_a_variable_that_the_training_sets_is_bound_for_others(tmp_path: Path) -> None:
    script = TRAIN.split("\n\nif __name__")[0].replace("def main():\n    torch", "if True:\n    torch")
    script = script.replace("range(LIMIT):", "range(LIMIT):\n        last = epoch")
    other = "from train import last, model\nprint(last, sum(model.bias.shape))\n"
    text = converted(written(tmp_path, {"train": script, "other": other}))
    (tmp_path / "train.py").write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    command = [sys.executable, "other.py"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "2 1", run.stderr


@pytest.mark.parametrize(
    ("other", "stays"),
    [
        ("from solver import Solver\nSolver().train(3)", False),
        ("from solver import Solver\nSolver().model.train()", False),
        ("from solver import Solver\ndef f(s: Solver):\n    return isinstance(s, Solver)", False),
        ("import solver\nsolver.Solver().train(3)", False),
        ("from solver import Solver\ns = Solver()\ns.train_epoch(3)", True),
        ("from solver import Solver\nclass Other(Solver):\n    pass", True),
        ("import solver\nclass Other(solver.Solver):\n    pass", True),
        ("from solver import Solver\nKINDS = {'solver': Solver}", True),
        ("from train import LIMIT\ns.train_epoch(3)", False),
    ],
)
def test_methods_that_another_file_may_call(tmp_path: Path, other: str, stays: bool) -> None:
    written(tmp_path, {"solver": SOLVER, "other": other + "\n"})
    assert ("def train_epoch(" in converted(tmp_path / "solver.py")) is stays


def test_a_class_that_a_package_hands_on(tmp_path: Path) -> None:
    files = {"pkg/solver": SOLVER, "pkg/__init__": "from .solver import Solver\n"}
    written(tmp_path, {**files, "main": "from pkg import Solver\nSolver().train(3)\n"})
    assert "def train_epoch(" not in converted(tmp_path / "pkg" / "solver.py")
    written(tmp_path, {**files, "main": "from pkg import Solver\nclass Other(Solver):\n    pass\n"})
    assert "def train_epoch(" in converted(tmp_path / "pkg" / "solver.py")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("tools.SCALE = 3", {"SCALE"}),
        ("if True:\n    tools.inner.SCALE = 3", set()),
        ("pkg.tools.SCALE = 3", {"SCALE"}),
        ("tools.SCALE == 3", set()),
        ("self.SCALE = 3", set()),
        ("setattr(tools, 'SCALE', 3)", {"SCALE"}),
        ("with mock.patch.object(tools, 'run'):\n    pass", {"run"}),
        ("with mock.patch('pkg.tools.run'):\n    pass", {"run"}),
        ("with mock.patch('pkg.tools.Solver.run'):\n    pass", set()),
    ],
)
def test_what_files_of_a_project_replace(tmp_path: Path, line: str, names: set[str]) -> None:
    path = written(tmp_path, {"tests/test_tools": f"from pkg import tools\n{line}\n", "pkg/tools": "SCALE = 2\n"})
    assert read_others(read_source(str(path))).replaced() == names
