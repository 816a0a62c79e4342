"""Lists and dictionaries that the training fills are the module's own; what is read behind it asks the module."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def show(*values):
    print(*values)


def fill(values):
    values.append(0.5)
"""
TRAINING = """
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
"""


def script(body: str) -> str:
    setup = """torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
    lines = (setup + body).splitlines()
    return HEAD + "\n\ndef main():\n" + "".join(f"    {line}\n" if line else "\n" for line in lines) + "\n\nmain()\n"


def converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted), result
    return result.after


ASKED = {
    "print(losses)": "print(module.losses)",
    "print(losses[-1], len(losses))": "print(module.losses[-1], len(module.losses))",
    "losses.append(2.0)\nprint(losses)": "module.losses.append(2.0)\n    print(module.losses)",
    "for value in losses:\n    print(value)": "for value in module.losses:\n        print(value)",
    "print([value * 2 for value in losses])": "print([value * 2 for value in module.losses])",
    "show(*losses)\nreturn losses": "show(*module.losses)\n    return module.losses",
}


@pytest.mark.parametrize("behind", ASKED)
def test_the_driver_asks_the_module(behind: str, runner: Runner) -> None:
    text = script(f"losses = []{TRAINING}{behind}\n")
    after = converted(text)
    assert "        self.losses = []\n" in after
    assert f"    trainer.fit(module, loader)\n    {ASKED[behind]}\n" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_several_of_one_line(runner: Runner) -> None:
    more = TRAINING + "        history['loss'].append(epoch)\n"
    text = script(f"losses, history = [], dict()\nhistory['loss'] = []{more}print(losses, history)\n")
    assert "        self.losses = losses\n" in converted(text)
    text = script(f"losses, seen = [], []{TRAINING}        seen.append(epoch)\nprint(losses, seen)\n")
    after = converted(text)
    assert "        self.losses, self.seen = [], []\n" in after
    assert "    print(module.losses, module.seen)\n" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


HANDED = {
    "read in front": f"losses = []\nprint(losses){TRAINING}print(losses)\n",
    "another name": f"losses = []\nothers = losses{TRAINING}print(losses, others)\n",
    "another name in one line": f"losses = others = []{TRAINING}print(losses, others)\n",
    "one of two": f"losses, others = [], []{TRAINING}print(losses, others)\n",
    "bound again behind": f"losses = []{TRAINING}losses = losses + [1]\nprint(losses)\n",
    "added to behind": f"losses = []{TRAINING}losses += [1]\nprint(losses)\n",
    "a nested function": f"losses = []\ndef tell():\n    print(losses){TRAINING}tell()\nprint(losses)\n",
    "a lambda behind": f"losses = []{TRAINING}(lambda: print(losses))()\n",
    "under a condition": "losses = []\nif len(loader):\n    "
                        + TRAINING.strip().replace("\n", "\n    ") + "\nprint(losses)\n",
    "goes on after an error": "losses = []\ntry:\n    " + TRAINING.strip().replace("\n", "\n    ")
                              + "\n    raise ValueError\nexcept ValueError:\n    print(losses)\n",
    "trained again": "losses = []\nfor run in range(2):\n    " + TRAINING.strip().replace("\n", "\n    ")
                     + "\n    print(losses)\n",
    "many reads": f"losses = []{TRAINING}print(losses)\nprint(losses)\nprint(losses)\nprint(losses)\n",
    "another training": f"losses = []{TRAINING}{TRAINING.lstrip()}print(losses)\n",
    "a constant": f"losses = [3]{TRAINING}print(losses)\n",
    "three reads": f"losses = []{TRAINING}print(min(losses), max(losses), len(losses))\n",
    "an object": f"losses = list(range(0)){TRAINING}print(losses)\n",
}  # fmt: skip


@pytest.mark.parametrize("case", HANDED)
def test_the_module_is_handed_what_the_driver_needs(case: str, runner: Runner) -> None:
    text = script(HANDED[case])
    after = converted(text)
    assert "        self.losses = losses\n" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_the_module_has_another_name_for_it() -> None:
    text = script(f"log = []{TRAINING.replace('losses', 'log')}print(log)\n")
    assert "        self.log_ = log\n" in converted(text)


def test_another_training_is_handed_a_number_that_this_one_counted(runner: Runner) -> None:
    counting = TRAINING.replace("losses.append(loss.item())", "count += 1")
    text = script(f"count = 0{counting}{TRAINING.strip().replace('losses.append(loss.item())', 'print(count)')}\n")
    after = converted(text)
    assert "    count = module.count\n" in after
    assert "self.count = count\n" in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_another_training_in_a_function(runner: Runner) -> None:
    body = TRAINING.strip().replace("\n", "\n    ")
    function = f"def more(model, optimizer, loader, losses):\n    {body}\n"
    text = script(f"losses = []{TRAINING}more(model, optimizer, loader, losses)\nprint(losses)\n")
    text = text.replace("\n\ndef main():", f"\n\n{function}\n\ndef main():")
    after = converted(text)
    assert "module_" not in after
    assert first_difference(runner.run(text), runner.run(after)) is None


def test_no_gap_is_left_at_the_start_of_a_block() -> None:
    function = (
        "def train(model, optimizer, loader):\n    losses = []\n"
        + TRAINING.replace("\n", "\n    ")
        + "\n    return losses\n"
    )
    after = converted(HEAD + function)
    assert "def train(model, optimizer, loader):\n    trainer = Trainer(max_epochs=2)\n" in after
    kept = converted(HEAD + function.replace("losses = []", "losses = []  # of all batches\n    print('begins')"))
    assert "    print('begins')\n\n    trainer = Trainer(max_epochs=2)\n" in kept


def test_a_remark_behind_a_call_goes_with_it() -> None:
    text = script(
        f"losses = []{TRAINING}".replace("zero_grad()", "zero_grad()  # Reset the gradients of the previous batch")
    )
    assert "Reset" not in converted(text)
    text = script(f"losses = []{TRAINING}".replace("zero_grad()", "zero_grad()  # as in the paper"))
    assert "        # as in the paper\n" in converted(text)


@pytest.mark.parametrize("error", ["UnboundLocalError", "NameError as error", "Exception as error", ""])
def test_a_handler_may_wait_for_the_name_of_a_training_of_no_steps(error: str, runner: Runner) -> None:
    read = f"try:\n    print(loss.item())\nexcept {error}:\n    print('none', {error.partition(' as ')[2]})\n"
    text = script(f"losses = []{TRAINING}{read.replace('except :', 'except:')}")
    for epochs in ("range(2)", "range(0)"):
        changed = text.replace("range(2)", epochs)
        after = converted(changed)
        assert 'if hasattr(module, "loss"):' in after
        assert first_difference(runner.run(changed), runner.run(after)) is None
