"""Parts of a batch that the script uses on the CPU as well, and items of a batch that are moved one by one."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner
from tests.idioms.device_harness import A_LIST, DATALOADER, checked, converted, script, step_of

FRONT = "device = torch.device('cpu')\nmodel.to(device)"
LATE = "x, y = x.to(device), y.to(device)"


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("print(y.detach().cpu().sum())", "y.detach().cpu().sum()"),
        ("print(y.tolist(), x[0].tolist())", "y.tolist(), x[0].tolist()"),
        ("print(y[0, 0].item())", "y[0, 0].item()"),
        ("print(y.numpy().sum())", "y.cpu().numpy().sum()"),
        ("points = x.data.numpy()\nprint(points.mean())", "points = x.data.cpu().numpy()"),
        ("kept = y.clone()\nprint(kept.sum())", "kept = y.cpu().clone()"),
    ],
)
def test_what_is_used_on_the_cpu_is_brought_back(line: str, becomes: str, runner: Runner) -> None:
    text, notes = checked(script(f"{line}\n{LATE}", FRONT), runner)
    assert becomes in step_of(text) and "N105" not in notes
    assert "to(device)" not in step_of(text) and "transfer_batch_to_device" not in text


@pytest.mark.parametrize(
    "line",
    [
        "print(sum(y).item())",
        "print(torch.from_numpy(y.numpy(force=True)).sum())",
        "kept = y.clone(memory_format=torch.contiguous_format)\nprint(kept.sum())",
        "for row in y:\n    print(row.sum())",
    ],
)
def test_other_uses_keep_the_moves(line: str, runner: Runner) -> None:
    text, notes = checked(script(f"{line}\n{LATE}", FRONT), runner)
    assert "to(self.device)" in step_of(text) and "N105" in notes and "transfer_batch_to_device" in text


CLASSES = "k = torch.zeros_like(y, dtype=torch.long)\n"
ENCODED = [
    ("k = torch.zeros(len(x), 3).scatter_(1, k.view(-1, 1), 1)",
     "k = torch.zeros(len(x), 3, device=self.device).scatter_(1, k.view(-1, 1), 1)"),
    ("k = torch.full((len(x), 3), 0.1).scatter(1, k, 0.8)",
     "k = torch.full((len(x), 3), 0.1, device=self.device).scatter(1, k, 0.8)"),
    ("k = torch.zeros(len(x), 3, device='cpu').scatter_(1, k, 1)", None),
    ("k = torch.zeros(len(x), 3).scatter_(1, k, x)", None),
    ("k = torch.rand(len(x), 3).scatter_(1, k, 1)", None),
    ("k = torch.zeros(len(x), int(k.max()) + 3).scatter_(1, k, 1)", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "becomes"), ENCODED)
def test_classes_as_zeros_and_ones(line: str, becomes: str | None, runner: Runner) -> None:
    body = f"{CLASSES}{line}.to(device)\n{LATE}\ny = y + k.sum()"
    text, notes = checked(script(body, FRONT), runner)
    assert (becomes or line) in step_of(text) and ("N105" in notes) is (becomes is None)
    used = f"{CLASSES}{line}\nprint(k.sum())\n{LATE}"
    text, notes = checked(script(used, FRONT), runner)
    assert line in step_of(text) and "N105" in notes


GRIDS = [
    ("grid = make_grid(x.view(-1, 1, 1, 2), normalize=True)", "make_grid(x.view(-1, 1, 1, 2).cpu(), normalize=True)"),
    ("save_image(tensor=x[:, :1], fp='x.png')", "save_image(tensor=x[:, :1].cpu(), fp='x.png')"),
    ("grid = make_grid([x, x])", None),
    ("grid = other_grid(x)", None),
    ("grid = make_grid(x * 2)", None),
]


@pytest.mark.parametrize(("line", "becomes"), GRIDS)
def test_what_is_shown_is_brought_back(line: str, becomes: str | None) -> None:
    front = f"from torchvision.utils import make_grid, save_image\nfrom grids import other_grid\n{FRONT}"
    text, notes = converted(script(f"if epoch == 0:\n    {line}\n{LATE}", front))
    assert (becomes or line) in step_of(text) and ("N105" in notes) is (becomes is None)
    assert ("x.to(" in step_of(text)) is (becomes is None)


def test_what_nobody_moves_is_not_brought_back() -> None:
    front = f"from torchvision.utils import make_grid\n{FRONT}"
    text, notes = converted(script("print(make_grid(z).sum())\n" + LATE, front, "x, y, z", A_LIST))
    assert "make_grid(z).sum()" in step_of(text) and "N105" in notes


OWN = """
class Row(list):
    def numpy(self):
        return self
    def clone(self):
        print('cloned')
        return self
"""


@pytest.mark.parametrize("line", ["print(z.numpy())", "print(z.clone())"])
def test_a_class_of_the_script_may_have_these_methods(line: str, runner: Runner) -> None:
    loader = "[(torch.ones(2, 2), torch.ones(2, 1), Row([1])), (torch.zeros(2, 2), torch.ones(2, 1), Row([2]))]"
    before = script(f"{line}\n{LATE}", FRONT, "x, y, z", loader).replace("torch.manual_seed(0)", OWN, 1)
    text, notes = checked(before, runner)
    assert "cpu()" not in step_of(text) and "N105" in notes


def test_an_alias_without_gradient_is_a_part(runner: Runner) -> None:
    body = "inputs = Variable(x).to(device)\nx, y = inputs, Variable(y).to(device)\nx[0] = 0"
    text, notes = checked(script(body, FRONT, loader=A_LIST), runner)
    assert "to(device)" not in step_of(text) and "N105" not in notes


LISTS = "[([torch.ones(2, 2), torch.ones(2, 2)], torch.ones(2, 1)), ([torch.zeros(2, 2)] * 2, torch.ones(2, 1))]"
TAKEN = "y = y.to(device)\nx = xs[0] + xs[1]"


@pytest.mark.parametrize(
    "moves",
    [
        "xs[0] = xs[0].to(device)\nxs[1] = xs[1].to(device, non_blocking=True)",
        "for i in range(len(xs)):\n    xs[i] = xs[i].to(device)",
    ],
)
def test_items_that_are_moved_one_by_one(moves: str, runner: Runner) -> None:
    text, notes = checked(script(f"{moves}\n{TAKEN}", FRONT, "xs, y", LISTS), runner)
    assert "xs[0] =" not in step_of(text) and "range" not in step_of(text) and "N105" not in notes


@pytest.mark.parametrize(
    "moves",
    [
        "xs[0] = xs[0].to(device)",  # the other one stays
        "if y.sum() > 0:\n    xs[0] = xs[0].to(device)\nxs[1] = xs[1].to(device)",
        "xs[0] = xs[1].to(device)\nxs[1] = xs[1].to(device)",
        "xs[0] = xs[0].to(device)\nxs[1] = xs[1].to(device)\nxs = list(reversed(xs))",
        "for i in range(len(xs) - 1):\n    xs[i] = xs[i].to(device)",
        "for i in range(len(xs)):\n    xs[i] = xs[i].to(device)\n    print(i)",
    ],
)
def test_items_of_which_some_may_stay(moves: str, runner: Runner) -> None:
    text, _ = checked(script(f"{moves}\n{TAKEN}", FRONT, "xs, y", LISTS), runner)
    assert "to(self.device)" in step_of(text) and "transfer_batch_to_device" in text


NUMBERED = "args = argparse.Namespace(gpu=None)\nif args.gpu is not None:\n    model.cuda(args.gpu)"


def test_items_under_the_condition_for_the_device(runner: Runner) -> None:
    moves = "xs[0] = xs[0].cuda(args.gpu)\n    xs[1] = xs[1].cuda(args.gpu)\n    y = y.cuda(args.gpu)"
    body = f"if args.gpu is not None:\n    {moves}\nx = xs[0] + xs[1]"
    text, notes = checked(script(body, NUMBERED, "xs, y", LISTS), runner)
    assert "gpu" not in step_of(text) and notes.count("N105") == 1


@pytest.mark.parametrize("bar", ["pbar", "tqdm(pbar, disable=True)"])
def test_a_number_in_front_of_the_batch(bar: str, runner: Runner) -> None:
    before = script("x, y = x.to(device), y.to(device)\nprint(i)", FRONT, "i, (x, y)", "batches")
    before = before.replace("batches\nmodel", f"{DATALOADER}\nmodel").replace(
        "import argparse", "import argparse\nfrom tqdm import tqdm"
    )
    before = before.replace(
        "    for i,", f"    pbar = enumerate(loader)\n    if args.bar:\n        pbar = {bar}\n    for i,"
    )
    before = before.replace("in loader:", "in pbar:").replace(
        "device = ", "args = argparse.Namespace(bar=True)\ndevice = "
    )
    text, notes = checked(before, runner)
    assert "N105" not in notes and "to(" not in step_of(text)
