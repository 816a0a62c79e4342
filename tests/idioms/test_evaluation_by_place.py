"""Evaluations that take their data item by item, by the number of a loop: the Trainer goes through the numbers."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import FIXTURES, Runner, first_difference, read

SCRIPT = read(FIXTURES / "one_image_at_a_time.in.py")
LOOP = "    for k in range(len(dataset_val)):\n"
FETCH = "        img_val = torch.unsqueeze(dataset_val[k], 0)\n"
START = "    psnr_val = 0\n"
DATA = "torch.manual_seed(0)\n"
LENGTH = "    def __len__(self):\n"
ITEM = "    def __getitem__(self, index):\n"


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


TRAINED = {
    "a tensor": but(
        (LOOP, "    for k in range(images.size(0)):\n"),
        ("dataset_val[k]", "images[k]"),
        ("criterion = nn", "images = dataset_val.x\ncriterion = nn"),
    ),
    "parts of a tensor": but(
        (LOOP, "    for k in range(math.ceil(len(images) / 2)):\n"),
        (FETCH, "        img_val = images[k * 2 : (k + 1) * 2]\n"),
        ("criterion = nn", "images = dataset_val.x\ncriterion = nn"),
        ("import torch\nfrom", "import math\n\nimport torch\nfrom"),
    ),
    "an item that draws": but((ITEM, f"{ITEM}        print('asked for', index, torch.rand(1).item())\n")),
    "draws in front": but((START, f"{START}    print(torch.rand(1).item())\n")),
    "none": but(("Images(5)", "Images(0)"), ("    psnr_val /= len(dataset_val)\n", "")),
    "skipped and left": but(
        (FETCH, f"{FETCH}        if k == 1:\n            continue\n        if k > 2:\n            break\n")
    ),
    "the number is read behind it": but(("    print(out_train", "    print(k, imgn_val.sum().item(), out_train")),
    "an item that is changed in place": but((FETCH, f"{FETCH}        img_val += 0.01\n")),
    "it grows in front": but(
        (START, f"{START}    dataset_val.x = torch.cat([dataset_val.x, dataset_val.x[:1]])\n"),
    ),
    "a function makes it grow": but(
        (START, f"{START}    grow(dataset_val)\n"),
        (DATA, f"def grow(images):\n    images.x = torch.cat([images.x, images.x[:1]])\n\n\n{DATA}"),
    ),
}
KEPT = {
    "a length that prints": but((LENGTH, f"{LENGTH}        print('asked')\n")),
}
SILENT = {
    "it writes what comes next": but(
        (LOOP, "    img_val = dataset_val[0]\n    for k in range(3):\n"),
        (FETCH, "        img_val = model(img_val[None])[0]\n"),
    ),
}


def converted(text: str) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result


@pytest.mark.parametrize("name", TRAINED)
def test_they_train_the_same(name: str, runner: Runner) -> None:
    result = converted(TRAINED[name])
    assert "def validation_step(self, k, batch_idx):" in result.after
    before = runner.run(TRAINED[name])
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", KEPT)
def test_what_may_change_by_then_stays(name: str, runner: Runner) -> None:
    result = converted(KEPT[name])
    assert "def validation_step" not in result.after
    assert [note.code for note in result.diagnostics].count("N102") == 1
    assert first_difference(runner.run(KEPT[name]), runner.run(result.after)) is None


@pytest.mark.parametrize("name", SILENT)
def test_what_goes_through_no_data_is_no_evaluation(name: str) -> None:
    result = converted(SILENT[name])
    assert "def validation_step" not in result.after
    assert "N102" not in [note.code for note in result.diagnostics]
