"""Notes on moves that stay in the hooks: by a type, or to a device that only the training names."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner
from tests.idioms.device_harness import checked, converted, script

FLAG = "cuda = torch.cuda.is_available()\n"
KIND = FLAG + "Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor\n"
BRANCHES = FLAG + "if cuda:\n    Tensor = torch.cuda.FloatTensor\nelse:\n    Tensor = torch.FloatTensor\n"
HERE = "device = x.device\ny = y.to(device)"


@pytest.mark.parametrize("front", [KIND, BRANCHES])
@pytest.mark.parametrize("body", ["x = x.type(Tensor)", "y = Tensor(4, 1).fill_(1.0)", "x = x + Tensor([1.0, 2.0])"])
def test_a_type_that_names_the_device(front: str, body: str, runner: Runner) -> None:
    before = script(body, front)
    text, notes = checked(before, runner)
    assert body in text and notes.count("N105") == 1
    result = convert_text(before)
    assert isinstance(result, Converted)
    said = [note.message for note in result.diagnostics]
    assert "a device move stays: the type Tensor says where its tensors are" in said


@pytest.mark.parametrize("front", ["Tensor = torch.FloatTensor", "Tensor = torch.Tensor", "Tensor = torch.zeros"])
def test_other_types_name_no_device(front: str, runner: Runner) -> None:
    _, notes = checked(script("y = Tensor(4, 1).fill_(1.0)", front), runner)
    assert "N105" not in notes


def test_a_type_by_its_own_name() -> None:
    text, notes = converted(script("if cuda:\n    y = torch.cuda.FloatTensor(4, 1).fill_(1.0)", FLAG))
    assert "torch.cuda.FloatTensor(4, 1)" in text and notes.count("N105") == 1


def test_a_device_that_the_step_names(runner: Runner) -> None:
    text, notes = checked(script(HERE, ""), runner)
    assert "y = y.to(device)" in text and notes.count("N105") == 1


def test_the_device_of_the_script_needs_no_note(runner: Runner) -> None:
    front = "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nmodel.to(device)"
    text, notes = checked(script("x = x + torch.ones(2).to(device)", front), runner)
    assert "torch.ones(2).to(self.device)" in text and "N105" not in notes
