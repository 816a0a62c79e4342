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
    ("n = len(x)\nz = Tensor(n).fill_(1)", "z = torch.ones(n, device=self.device)"),
    ("z = LongTensor(x.shape[0]).fill_(7)", "z = torch.full((x.shape[0],), 7, dtype=torch.long, device=self.device)"),
    ("z = Tensor(x.size(0), 2).fill_(-0.25)", "z = torch.full((x.size(0), 2), -0.25, dtype=torch.float, device="),
    ("z = Tensor(2 * len(x)).fill_(0.9)", "z = torch.full((2 * len(x),), 0.9, device=self.device)"),
    ("z = Tensor(x.size(0)).fill_(3)", "z = torch.full((x.size(0),), 3, dtype=torch.float, device=self.device)"),
    ("z = Tensor(x.size(0)).fill_(epoch)", "z = torch.empty(x.size(0), device=self.device).fill_("),
    ("z = Tensor([1.0, 2.0])", "z = torch.tensor([1.0, 2.0], dtype=torch.float, device=self.device)"),
    ("z = LongTensor([len(row) for row in x])",
     "z = torch.tensor([len(row) for row in x], dtype=torch.long, device=self.device)"),
    ("drawn = np.random.randint(0, 9, len(x))\nz = LongTensor(np.random.randint(0, 9, x.shape[0]))",
     "z = torch.tensor(np.random.randint(0, 9, x.shape[0]), dtype=torch.long, device=self.device)"),
    ("drawn = np.random.randint(0, 9, x.shape[0])\nz = LongTensor(drawn)",
     "z = torch.tensor(drawn, dtype=torch.long, device=self.device)"),
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
    assert ("N105" in notes) == ("(x + 1)" in body)  # what is computed on the CPU is not moved before
    assert first_difference(runner.run(before), runner.run(text)) is None


STAYS = {
    "a size or a content": (TYPES, "n = [len(x), 2][epoch % 2]\nz = Tensor(n).fill_(1)"),
    "a size, then a content": (TYPES, "n = len(x)\nif epoch:\n    n = [1.0]\nz = Tensor(n).fill_(1)"),
    "a length of the script's own": ("def len(x):\n    return [1.0, 2.0]\n" + TYPES, "z = Tensor(len(x)).fill_(3)"),
    "several places of a shape": (TYPES, "z = Tensor(x.shape[:2]).fill_(3)"),
    "a whole shape": (TYPES, "z = Tensor(x.size()).fill_(3)"),
    "a number": (TYPES, "z = LongTensor(np.random.randint(2, 9)).fill_(3)"),
    "a size that may be missing": (TYPES, "n = None\nz = LongTensor(np.random.randint(2, 9, n)).fill_(3)"),
    "a quotient": (TYPES, "z = Tensor(len(x) and 3).fill_(3)"),
    "another condition": (TYPES.replace("FloatTensor if use_cuda", "FloatTensor if other and use_cuda")
                          .replace("use_cuda =", "other = True\nuse_cuda =", 1), "z = Tensor(2, 1).fill_(1)"),
    "other types": (TYPES.replace("else torch.FloatTensor", "else torch.DoubleTensor"), "z = Tensor(2, 1).fill_(1)"),
    "bound again": (TYPES + "\nTensor = torch.DoubleTensor", "z = Tensor(2, 1).fill_(1)"),
    "another default by name": (
        "from torch import set_default_dtype\nset_default_dtype(torch.float32)\n" + TYPES, "z = Tensor(2, 1).fill_(1)"
    ),
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


ARGUMENTS = """
parser = argparse.ArgumentParser()
{arguments}
args = parser.parse_args([])
"""
NUMBERS = {
    "a number": ('parser.add_argument("--n-classes", type=int, default=10, help="classes")', True),
    "a number that may be missing": ('parser.add_argument("--n-classes", type=int)\nargs_n = 1', False),
    "any text": ('parser.add_argument("--n-classes", default=10)', False),
    "several numbers": ('parser.add_argument("--n-classes", type=int, default=10, nargs=None)', False),
    "set": ('parser.add_argument("--n-classes", type=int, default=1)\nparser.set_defaults(n_classes=10)', False),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_settings_that_are_numbers(case: str, runner: Runner) -> None:
    argument, is_number = NUMBERS[case]
    front = TYPES + ARGUMENTS.format(arguments=argument)
    front += "if args.n_classes is None:\n    args = argparse.Namespace(n_classes=3)\n" if "missing" in case else ""
    before = NUMPY + script("z = LongTensor(len(x)).fill_(args.n_classes)" + SUM, front)
    text, _ = converted(before)
    filled = "z = torch.full((len(x),), args.n_classes, dtype=torch.long, device=self.device)" in text
    assert filled is is_number
    assert first_difference(runner.run(before), runner.run(text)) is None


DEVICE = (
    "device = torch.device({made})\nmodel.to(device)\nTensor = torch.cuda.FloatTensor if {asked} else torch.FloatTensor"
)
ASKED = {
    "the same question": ('"cuda" if torch.cuda.is_available() else "cpu"', "torch.cuda.is_available()", True),
    "the answer": ('"cuda:0" if torch.cuda.is_available() else "cpu"', "use_cuda", True),
    "another number": ('"cuda:1" if torch.cuda.is_available() else "cpu"', "torch.cuda.is_available()", False),
    "another question": ('"cuda" if torch.cuda.is_available() else "cpu"', "torch.cuda.device_count() > 1", False),
    "the opposite": ('"cpu" if torch.cuda.is_available() else "cuda"', "torch.cuda.is_available()", False),
    "a setting": ('"cuda" if sure_gpu else "cpu"', "sure_gpu", False),
}


@pytest.mark.parametrize("case", ASKED)
def test_types_of_a_device_in_a_variable(case: str) -> None:
    made, asked, follows = ASKED[case]
    front = "use_cuda = torch.cuda.is_available()\nsure_gpu = False\n" + DEVICE.format(made=made, asked=asked)
    text, notes = converted(script("x = x.to(device)\ny = y.to(device)\nz = Tensor(2, 3).fill_(1)", front))
    assert ("torch.ones(2, 3, device=self.device)" in step_of(text)) is follows
    assert ("N105" not in notes) is follows
