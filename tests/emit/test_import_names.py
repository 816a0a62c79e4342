"""Imports inside functions, where two of them come to stand in one hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refactorer import Converted, convert
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

_SCRIPT = """
import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def evaluate():
    model.eval()
    total = 0.0
    {inner}
    with torch.no_grad():
        for x, y in loader:
            total += nn.functional.mse_loss(model(x), y).item()
    return total


for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    {outer}
    print(epoch, evaluate())
"""
_COPY = "import copy; kept = copy.deepcopy(model); print(len(list(kept.parameters())))"
_FROM = "from math import floor, pi; print(floor(pi + total))"
_DOTTED = "import os.path; print(os.path.join('a', 'b'))"


def _script(inner: str, outer: str) -> str:
    return _SCRIPT.format(inner=inner, outer=outer)


def _after(script: str) -> str:
    result = convert(script)
    assert isinstance(result, Converted), result
    return result.after


def test_a_second_import_of_a_module_in_one_hook_gets_another_name_but_imports_the_same(runner: Runner) -> None:
    script = _script(_COPY, _COPY)
    after = _after(script)
    assert "import copy as copy_" in after and "import copy_" not in after
    assert first_difference(runner.run(script), runner.run(after)) is None


def test_a_second_import_from_a_module(runner: Runner) -> None:
    script = _script(_FROM, "from math import ceil as floor, pi; print(floor(pi))")
    after = _after(script)
    assert "from math import floor as floor_, pi as pi_" in after
    assert first_difference(runner.run(script), runner.run(after)) is None


def test_a_package_that_is_imported_twice_by_its_dotted_name_is_no_name_for_another(runner: Runner) -> None:
    script = _script(_DOTTED, _DOTTED)
    after = _after(script)
    assert "os_" not in after
    assert first_difference(runner.run(script), runner.run(after)) is None
