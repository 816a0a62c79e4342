"""Scripts whose results named what nothing binds, or were no Python."""

from __future__ import annotations

from refactorer import convert
from refactorer.result import Converted, Refused

HEAD = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
STEP = """
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
"""


def test_a_generator_keeps_its_brackets_without_the_call_around_it() -> None:
    text = HEAD + "for epoch in range(2):\n    for i, x in enumerate(x / 2 for x in data):" + STEP
    result = convert(text)
    assert isinstance(result, Converted)
    assert "return (x / 2 for x in data)" in result.after
    result = convert(text.replace("for epoch in range(2):", "if data:"))
    assert isinstance(result, Converted)
    assert ", (x / 2 for x in data))" in result.after


def test_a_name_that_only_the_training_binds_stays_the_own_one_of_its_function() -> None:
    loop = "    for epoch in range(3):\n      for x in data:" + STEP
    result = convert(HEAD + "def main(data, test):\n    if test:\n        print(epoch)\n" + loop)
    assert isinstance(result, Converted)
    assert result.diagnostics[0].message.endswith("epoch is read in front of the loop that binds it")
    assert "for epoch in range(3):" in result.after
    assert isinstance(convert(HEAD + "def main(data):\n    epoch = 7\n    print(epoch)\n" + loop), Converted)
    outer = "  for run in range(2):\n    if run:\n        print(epoch)\n"
    assert isinstance(convert(HEAD + "def main(data):\n" + outer + loop), Converted)


def test_functions_that_read_a_name_above_the_training_are_no_obstacle() -> None:
    loop = "for epoch in range(3):\n    for x in data:" + STEP
    result = convert(HEAD + "def show():\n    print(epoch)\n" + loop + "    show()\n")
    assert isinstance(result, Converted)
    assert "N103" not in [note.code for note in result.diagnostics]


def test_a_function_that_is_defined_in_the_loop_of_another_training_stays_there() -> None:
    first = "    for epoch in range(2):\n      for x in data:" + STEP
    closure = (
        "        def closure():\n            model(x).square().mean().backward()\n        optimizer.step(closure)\n"
    )
    result = convert(
        HEAD + "def main(data):\n" + first + "    for epoch in range(2):\n      for x in data:\n" + closure
    )
    assert isinstance(result, Refused)
    assert [(found.code, found.message) for found in result.diagnostics] == [
        ("R402", "a nested function shares x with the loop")
    ]
