"""Importing the runtime beside scripts that have the name of a library, and what it leaves of the random state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def output(script: Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_script_may_be_called_like_a_library(tmp_path: Path) -> None:
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn" / "__init__.py").write_text("HERE = True\n")
    (tmp_path / "yaml.py").write_text("HERE = True\n")
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\nimport sklearn, yaml\nbefore = list(sys.path)\nfrom runtime import Module, Trainer\n"
        "import yaml as again\nprint(sklearn.HERE, again is yaml, sys.path == before, sys.modules['yaml'] is yaml)\n"
    )
    assert output(script) == ["True True True True"]


def test_an_environment_below_the_script_stays(tmp_path: Path) -> None:
    library = tmp_path / "env" / "ourlibrary"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("print('imported')\n")
    script = tmp_path / "train.py"
    script.write_text(
        f"import sys\nsys.path.append({str(tmp_path / 'env')!r})\nimport ourlibrary\n"
        "import runtime\nimport ourlibrary as again\nprint(again is ourlibrary)\n"
    )
    assert output(script) == ["imported", "True"]


def test_libraries_draw_for_the_script_as_without_the_runtime(tmp_path: Path) -> None:
    text = "import random\nrandom.seed(3)\nimport rich.style\nprint(random.random())\n"
    plain, beside = tmp_path / "plain.py", tmp_path / "beside.py"
    plain.write_text(text)
    beside.write_text(f"import runtime\n{text}")
    assert output(plain) == output(beside)


def test_the_progress_bar_is_made_of_one_copy_of_rich(tmp_path: Path) -> None:
    """The script imports rich by itself, and the bar imports more of it while it draws."""
    script = tmp_path / "train.py"
    script.write_text(
        "import runtime\nimport rich.style, rich.console\nown = rich.style.Style\n"
        "from pytorch_lightning.callbacks import RichProgressBar\n"
        "from torch import nn, optim\n"
        "class Lit(runtime.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.model = nn.Linear(2, 1)\n"
        "    def training_step(self, batch, batch_idx):\n        return self.model(batch).sum()\n"
        "    def validation_step(self, batch, batch_idx):\n        pass\n"
        "    def configure_optimizers(self):\n        return optim.SGD(self.parameters(), lr=0.1)\n"
        "import torch\ndata = [torch.ones(3, 2)] * 4\n"
        "trainer = runtime.Trainer(max_epochs=1, callbacks=[RichProgressBar()])\n"
        "trainer.fit(Lit(), data, data)\n"
        "import rich.table\nprint(rich.style.Style is own)\n"
    )
    assert output(script)[-1] == "True"
