"""Tensors made and cast with types of the script's device: they follow the module, where their content is known."""

from __future__ import annotations

import re

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, script, step_of

FLAG = "use_cuda = torch.cuda.is_available()\nif use_cuda:\n    model.cuda()"
TYPES = FLAG + "".join(
    f"\n{name} = torch.cuda.{kind} if use_cuda else torch.{kind}"
    for name, kind in (("Tensor", "FloatTensor"), ("LongTensor", "LongTensor"), ("Double", "DoubleTensor"))
)
NUMPY = "import numpy as np\nnp.random.seed(5)\n"
SUM = "\nprint(repr(z.double().sum().item()), z.dtype, z.shape, z.device, z.requires_grad)"
FOLLOWS = [
    ("z = Tensor(len(x), 3).fill_(1)", "z = torch.ones(len(x), 3, device=self.device)"),
    ("z = Variable(Tensor(x.size(0), 1).fill_(0.0))", "z = torch.zeros(x.size(0), 1, device=self.device)"),
    ("z = LongTensor(2, 3).fill_(1)", "z = torch.ones(2, 3, dtype=torch.long, device=self.device)"),
    ("z = Tensor(2, *x.shape).fill_(0.5)", "z = torch.empty(2, *x.shape, device=self.device).fill_(0.5)"),
    ("z = Tensor(np.ones((len(x), 2)))", "z = torch.ones((len(x), 2), device=self.device)"),
    ("z = LongTensor(np.zeros(x.shape))", "z = torch.zeros(x.shape, dtype=torch.long, device=self.device)"),
    ("z = Tensor(np.random.normal(0, 1, (2, 3)))",
     "z = torch.tensor(np.random.normal(0, 1, (2, 3)), dtype=torch.float, device=self.device)"),
    ("n = x.shape[0]\nz = LongTensor(np.random.randint(0, 9, n))",
     "z = torch.tensor(np.random.randint(0, 9, n), dtype=torch.long, device=self.device)"),
    ("z = Tensor(0.5 * np.random.random(size=x.shape) - 1)",
     "z = torch.tensor(0.5 * np.random.random(size=x.shape) - 1, dtype=torch.float, device=self.device)"),
    ("z = x.type(Double)", "z = x.double()"),
    ("x = x.type(Tensor)\nz = x.type(LongTensor)", "x = x.float()\nz = x.long()"),
    ("z = (x + 1).type(Tensor)", "z = (x + 1).to(self.device, torch.float)"),
    ("w = x + 1\nz = w.type(LongTensor)", "z = w.to(self.device, torch.long)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "after"), FOLLOWS)
def test_what_is_made_follows_the_module(body: str, after: str, runner: Runner) -> None:
    before = NUMPY + script(body + SUM, TYPES)
    text, notes = converted(before)
    assert all(line in step_of(text) for line in after.splitlines())
    assert not any(
        f"\n{name} = " in text for name in ("Tensor", "LongTensor", "Double") if re.search(rf"\b{name}\b", body)
    )
    assert "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


STAYS = {
    "a size or a content": (TYPES, "n = len(x)\nz = Tensor(n).fill_(1)"),
    "a list": (TYPES, "z = Tensor([1.0, 2.0])"),
    "a number": (TYPES, "z = LongTensor(np.random.randint(2, 9)).fill_(3)"),
    "a size that may be missing": (TYPES, "n = None\nz = LongTensor(np.random.randint(2, 9, n)).fill_(3)"),
    "a product that is a number": (TYPES, "z = Tensor(2 * len(x)).fill_(3)"),
    "another condition": (TYPES.replace("FloatTensor if use_cuda", "FloatTensor if other and use_cuda")
                          .replace("use_cuda =", "other = True\nuse_cuda =", 1), "z = Tensor(2, 1).fill_(1)"),
    "other types": (TYPES.replace("else torch.FloatTensor", "else torch.DoubleTensor"), "z = Tensor(2, 1).fill_(1)"),
    "bound again": (TYPES + "\nTensor = torch.DoubleTensor", "z = Tensor(2, 1).fill_(1)"),
    "another default": ("torch.set_default_dtype(torch.float32)\n" + TYPES, "z = Tensor(2, 1).fill_(1)"),
}  # fmt: skip


@pytest.mark.parametrize("case", STAYS)
def test_what_stays(case: str, runner: Runner) -> None:
    front, body = STAYS[case]
    before = NUMPY + script(body + SUM, front)
    text, _ = converted(before)
    assert body.splitlines()[-1] in step_of(text)
    assert "\nTensor = " in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_default_that_another_file_may_set_is_not_relied_on(runner: Runner) -> None:
    body = "z = Tensor(2, 3).fill_(1)\nz = z + Default(2, 3).fill_(1)"
    front = TYPES + "\nDefault = torch.cuda.FloatTensor if use_cuda else torch.Tensor"
    text, _ = converted(NUMPY + script(body, front))
    assert "torch.ones(2, 3, device=self.device) " not in text and "z + torch.ones(2, 3, device=self.device)" in text
    text, _ = converted("from helper import other\n" + NUMPY + script(body, front))
    assert "torch.ones(2, 3, dtype=torch.float, device=self.device)" in step_of(text)
    assert "z + Default(2, 3).fill_(1)" in step_of(text)


def test_a_type_that_is_used_elsewhere_keeps_its_name(runner: Runner) -> None:
    before = NUMPY + script("z = Tensor(2, 3).fill_(1)", TYPES + "\ndef sample():\n    return Tensor(1, 2).fill_(4)")
    before += "\nprint(sample())\n"
    text, _ = converted(before)
    assert "torch.ones(2, 3, device=self.device)" in step_of(text)
    assert "\nTensor = " in text and "\nLongTensor = " in text  # nothing ever used the second
    assert first_difference(runner.run(before), runner.run(text)) is None
