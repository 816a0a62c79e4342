"""The names of what a conversion adds: those that an expert would take, where they mean nothing else yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from refactorer import Converted, convert
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

_HEAD = """
import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
"""
_LOOP = """
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.{loss}(model(x), y)
        loss.backward()
        optimizer.step()
        steps = {steps}
print(loss.item(), steps)
"""


def _loop(loss: str = "mse_loss", steps: str = "1", indent: str = "") -> str:
    return _LOOP.format(loss=loss, steps=steps).replace("\n", "\n" + indent)


def _converted(script: str) -> str:
    result = convert(script)
    assert isinstance(result, Converted), result
    return result.after


def test_a_second_training_is_numbered() -> None:
    """Its trainer and its module take the names of the first ones, which nobody uses any more."""
    text = _converted(_HEAD + _loop() + _loop("l1_loss", "2"))
    assert "class LitModel(Module):" in text and "class LitModel2(Module):" in text
    assert "trainer2" not in text and "module2" not in text
    assert text.count("module = LitModel") == 2 and text.count("trainer = Trainer(") == 2


def test_a_name_that_ends_with_a_digit_is_kept_apart_from_the_number() -> None:
    head = _HEAD.replace("model", "net18")
    text = _converted(head + (_loop() + _loop("l1_loss", "2")).replace("model", "net18"))
    assert "class LitNet18(Module):" in text and "class LitNet18_2(Module):" in text


def test_the_module_of_a_training_keeps_its_name_where_it_is_read_later() -> None:
    text = _converted(_HEAD + _loop() + _loop("l1_loss", "2").replace("steps", "others") + "print(steps)\n")
    assert "module2 = LitModel2(" in text
    assert "print(module.steps)" in text or "steps = module.steps" in text


def test_a_training_in_a_loop_does_not_take_the_name_of_another() -> None:
    again = "for _ in range(2):" + _loop("l1_loss", "2", indent="    ").replace("epoch", "turn")
    assert "module2" in _converted(_HEAD + _loop() + again + "\n")


def test_functions_have_trainers_of_their_own() -> None:
    first = "def first():" + _loop(indent="    ") + "\n"
    second = "def second():" + _loop("l1_loss", "2", indent="    ") + "\n"
    text = _converted(_HEAD + first + second + "first()\nsecond()\n")
    assert "trainer2" not in text and "module2" not in text
    assert "class LitModel2(Module):" in text


def test_a_name_that_the_function_uses_is_not_taken() -> None:
    script = _HEAD + "trainer = 'me'\nmodule = 'mine'\n\n\ndef fit():" + _loop(indent="    ")
    for use in (
        "print(trainer, module)",
        "print((lambda: trainer + module)())",
        "print([trainer for _ in module])",
    ):
        text = _converted(script + use + "\n\nfit()\n")
        assert "trainer2 = Trainer(" in text and "module2 = LitModel(" in text
    text = _converted(script + "\n\nfit()\nprint(trainer, module)\n")
    assert "    trainer = Trainer(" in text and "    module = LitModel(" in text


def test_a_name_that_the_function_declares_global_is_not_taken() -> None:
    script = _HEAD + "trainer = 'me'\n\n\ndef fit():\n    global trainer, module" + _loop(indent="    ")
    text = _converted(script + "\n\nfit()\nprint(trainer)\n")
    assert "trainer2 = Trainer(" in text and "module2 = LitModel(" in text


_BEHIND = """
outputs = 3
for epoch in range(2):
    for x, y in loader:
        {first}
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(loss.item(), model.weight.sum().item(), {told})
"""


@pytest.mark.parametrize(
    ("first", "told", "plain"),
    [
        ("x = x * 2", "epoch", True),
        ("scale = model(x).detach()", "scale.sum().item()", True),
        ("outputs = model(x).detach()", "outputs.sum().item()", True),
        ("x = x * 2", "outputs", False),
        ("x = x * 2", "(lambda outputs: outputs)(3)", False),
        ("x = x * 2", "[outputs for outputs in (1, 2)]", False),
    ],
)
def test_what_a_step_hands_back_has_its_customary_name(first: str, told: str, plain: bool, runner: Runner) -> None:
    before = _HEAD.replace("model = ", "torch.manual_seed(0)\nmodel = ") + _BEHIND.format(first=first, told=told)
    text = _converted(before)
    assert ("def on_train_batch_end(self, outputs, batch" in text) == plain
    assert ("def on_train_batch_end(self, outputs_, batch" in text) != plain
    assert first_difference(runner.run(before), runner.run(text)) is None
