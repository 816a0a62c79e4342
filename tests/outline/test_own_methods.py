"""Methods of a trainer class that compute gradients: entered where they surely are what `self.method()` runs."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted

SCRIPT = """
import torch

class Base:
    def greet(self):
        print("hello")

class Trainer(Base):
    def __init__(self, model, loader):
        self.model = model
        self.loader = loader
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def _run_batch(self, x, y):
        self.optimizer.zero_grad()
        loss = (self.model(x) - y).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def train(self, epochs):
        for epoch in range(epochs):
            for x, y in self.loader:
                value = self._run_batch(x, y)
            print(epoch, value)

model = torch.nn.Linear(2, 1)
trainer = Trainer(model, [(torch.ones(4, 2), torch.ones(4, 1))])
trainer.train(2)
"""
_STEP = "        self.optimizer.step()\n"
_FIT = "trainer.train(2)\n"


def _converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result.after


def test_the_step_is_that_of_the_method() -> None:
    text = _converted(SCRIPT)
    assert "_run_batch" not in text
    assert "(self.model(x) - y).square().mean()\n" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_FIT, 'setattr(trainer, "_run_batch", lambda x, y: 1.0)\n' + _FIT),
        (_FIT, 'name = "_run" + "_batch"\nsetattr(Trainer, name, lambda self, x, y: 1.0)\n' + _FIT),
        (_FIT, 'trainer.__dict__["_run_batch"] = lambda x, y: 1.0\n' + _FIT),
        (_FIT, "trainer._run_batch = lambda x, y: 1.0\n" + _FIT),
        (_FIT, _FIT + 'print(getattr(trainer, "_run_batch"))\n'),
        (_FIT, _FIT + 'print(getattr(trainer, "_run" + str(epoch)))\n'),
        (_FIT, _FIT + 'print(getattr(trainer, f"{epoch}_batch"))\n'),
        (_FIT, _FIT + 'find = getattr\nprint(find(trainer, "_run_batch"))\n'),
        (_STEP, _STEP + "        super().greet()\n"),
        (_STEP, _STEP + "        print(__class__)\n"),
        ("    def train(", "    def __getattribute__(self, name):\n        return 1\n\n    def train("),
        ("model = torch", "class Sub(Trainer):\n    def _run_batch(self, x, y):\n        return 1.0\n\nmodel = torch"),
        ("    def _run_batch", "    @torch.enable_grad()\n    def _run_batch"),
    ],
)  # fmt: skip
def test_a_method_that_may_be_another_stays(old: str, new: str) -> None:
    assert SCRIPT.count(old) == 1, old
    text = _converted(SCRIPT.replace(old, new))
    assert "self._run_batch(x, y)" in text.replace("self.owner.", "self.").replace("self.trainer_.", "self.")


@pytest.mark.parametrize(
    "line",
    [
        'print(getattr(trainer, name + "_writer", None))',
        'print(getattr(trainer, f"{name}_writer", None))',
    ],
)
def test_a_name_that_is_put_together_may_be_surely_another_one(line: str) -> None:
    text = _converted(SCRIPT.replace(_FIT, f"{_FIT}for name in 'ab':\n    {line}\n"))
    assert "_run_batch" not in text


@pytest.mark.parametrize(
    "line",
    [
        'setattr(trainer, "_Trainer__run_batch", lambda x, y: 1.0)',
        'setattr(trainer, "_Trainer__run" + "_batch", lambda x, y: 1.0)',
        "trainer._Trainer__run_batch = lambda x, y: 1.0",
        'trainer.__dict__["_Trainer__run_batch"] = lambda x, y: 1.0',
    ],
)
def test_a_private_method_may_be_set_by_its_whole_name(line: str) -> None:
    private = SCRIPT.replace("_run_batch", "__run_batch")
    assert "__run_batch" not in _converted(private)
    assert "._Trainer__run_batch(x, y)" in _converted(private.replace(_FIT, f"{line}\n{_FIT}"))


def test_the_name_of_an_imported_module_is_no_use_of_a_method() -> None:
    text = _converted("from local._run_batch import settings\nfrom other import train\n" + SCRIPT)
    assert "def _run_batch" not in text
