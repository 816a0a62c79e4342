"""Strings that come to stand in a formatted string do not end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst
import pytest

from refactorer import convert
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply
from refactorer.result import Converted
from tests.fixtures_harness import first_difference

if TYPE_CHECKING:
    from tests.fixtures_harness import Runner

SCRIPT = """\
import torch

torch.manual_seed(3)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
names = {'Valid': 1, "it's": 2, 'a\\n': 3, '{x}': 4}


def train(loader, mode):
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        print(SHOWN, loss.item())


for epoch in range(2):
    train(loader, VALUE)
"""


def _placed(place: str, value: str) -> str:
    module = cst.parse_module(place + "\n")
    names = [node for node in walk(module) if isinstance(node, cst.Name) and node.value == "V"]
    return apply(module, {name: cst.parse_expression(value) for name in names}).code.rstrip("\n")


@pytest.mark.parametrize(
    ("place", "value", "placed"),
    [
        ("f'{V}'", "'Valid'", "f'Valid'"),
        ("f'{V}: {z:.3f}'", "'Valid'", "f'Valid: {z:.3f}'"),
        ('f"{V}"', "'it is'", 'f"it is"'),
        ('f"{V}"', '"it\'s"', 'f"it\'s"'),
        ("f'{V}'", "'{x}'", "f'{{x}}'"),
        ("f'{V:>9}'", "'Valid'", "f'{\"Valid\":>9}'"),
        ("f'{z[V]}'", "'Valid'", "f'{z[\"Valid\"]}'"),
        ("f'{z:{V}}'", "'>9'", "f'{z:{\">9\"}}'"),
        ("f'{V!r}'", "'Valid'", "f'{\"Valid\"!r}'"),
        ("f'''{z[V]} {V}'''", "'Valid'", "f'''{z['Valid']} Valid'''"),
        ("f'{V}'", "z['a']", "f'{z[\"a\"]}'"),
        ("f'{V}' + z['a']", "z['b']", "f'{z[\"b\"]}' + z['a']"),
    ],
)
def test_new_parts_have_other_quotes(place: str, value: str, placed: str) -> None:
    z = {"Valid": 1, "a": "x", "b": "y"}
    assert _placed(place, value) == placed
    if ":{" not in place and ".3f" not in place:
        assert eval(placed, {"z": z}) == eval(place, {"z": z, "V": eval(value, {"z": z})})


def test_the_rest_of_a_new_part_keeps_its_own_edits() -> None:
    module = cst.parse_module("f'{V} {V}'\n")
    names = [node for node in walk(module) if isinstance(node, cst.Name)]
    plain, quoted = cst.Name("n"), cst.parse_expression("z['a'][n]")
    inner = next(node for node in walk(quoted) if isinstance(node, cst.Name) and node.value == "n")
    placed = apply(apply(module, {names[0]: plain, names[1]: quoted}), {plain: cst.Name("m"), inner: cst.Name("k")})
    assert placed.code == "f'{m} {z[\"a\"][k]}'\n"


@pytest.mark.parametrize("place", ["f'{z[\"a\"]} {W}'", "f'{\"a\"} {W}'", "f\"{z['a']!r} {W:>{9}}\"", "f'{{V}} {W}'"])
def test_other_parts_stay_as_they_are(place: str) -> None:
    assert _placed(place.replace("W", "V"), "n") == place.replace("W", "n")


@pytest.mark.parametrize(
    ("shown", "value", "placed"),
    [
        ("f'{mode}: '", "'Valid'", "f'Valid: '"),
        ("f'{mode:>9}{names[mode]}'", "'Valid'", 'f\'{"Valid":>9}{names["Valid"]}\''),
        ("f'{mode=}'", "'Valid'", "f'mode={\"Valid\"!r}'"),
        ("f'{mode}'", "'{x}'", "f'{{x}}'"),
        ("f'{mode}{names[mode]}'", '"it\'s"', "f'{self.mode}{names[self.mode]}'"),
        ("f'{mode}{names[mode]}'", "'a\\n'", "f'{self.mode}{names[self.mode]}'"),
        ("f'{f\"{names[mode]}\"}'", "'Valid'", "f'{f\"{names[self.mode]}\"}'"),
        ("names[mode]", '"it\'s"', 'names["it\'s"]'),
        ("'%s' % mode", "'a\\n'", "'%s' % 'a\\n'"),
    ],
)
def test_a_constant_argument_that_a_formatted_string_shows(shown: str, value: str, placed: str, runner: Runner) -> None:
    text = SCRIPT.replace("SHOWN", shown).replace("VALUE", value)
    result = convert(text)
    assert isinstance(result, Converted), result
    assert f"self.print({placed}, loss.item())" in result.after
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and before.lines
    assert first_difference(before, after) is None
