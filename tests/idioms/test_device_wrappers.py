"""`Variable(x)`: taken out where nothing can tell the difference, and where it must stay."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import A_LIST, DATALOADER, converted, script, step_of

UNWRAPPED = [
    ("x, y = Variable(x), Variable(y)", ""),
    ("x = Variable(x)\ny = Variable(y, requires_grad=False)", ""),
    ("x = Variable(x.float())\ny = Variable(y).view(-1, 1)", "x = x.float()\ny = y.view(-1, 1)"),
    ("x = Variable(x * 2 + 1).float()", "x = (x * 2 + 1).float()"),
    ("x = Variable(x * 2)", "x = x * 2"),
    ("x = Variable(x, volatile=True)\ny = Variable(y, volatile=False)", ""),
    ("noise = Variable(torch.zeros(4, 2))\nx = x + noise", "noise = torch.zeros(4, 2)"),
    (
        "noise = Variable(torch.FloatTensor(4, 2).fill_(0.5))\nx = x + noise",
        "noise = torch.FloatTensor(4, 2).fill_(0.5)",
    ),
    ("w = Variable(model.weight.data)\nx = x * w.sum()", "w = self.model.weight.data"),
    ("x = Variable(Variable(x))", ""),
    ("z = Variable(x)\nx = z", "z = x"),
]
STAYING = [
    "x = Variable(x, requires_grad=True)",
    "x = Variable(x, volatile=bool(print()))",
    "x = Variable(x * model.weight.sum())",  # cuts the gradient
    "w = Variable(model.weight)\nx = x * w.sum()",
    "h = Variable(model(x))\nx = torch.cat([h, h], 1)",
    "w = torch.ones(1, requires_grad=True)\nx = Variable(w * 2) * x",
    "x = Variable(x)\nx.requires_grad_()",
    "x = Variable(x)\nx.requires_grad = True",
    "x = Variable(x)\nx.add_(model.weight.sum())",
    "x = Variable(x)\nx += model.weight.sum()",
    "z = Variable(x)\nz[:, 0] = model.weight.sum()",
    "z = Variable(x)\nprint(z is x)",
    "z = torch.FloatTensor(model.weight)\nz = Variable(torch.FloatTensor(z))\nx = x * z.sum()",
]


@pytest.mark.parametrize(("body", "after"), UNWRAPPED)
def test_the_wrapper_goes(body: str, after: str, runner: Runner) -> None:
    before = script(body)
    text, _ = converted(before)
    assert "Variable(" not in text
    for line in after.splitlines():
        assert line in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("body", STAYING)
def test_the_wrapper_stays(body: str, runner: Runner) -> None:
    before = script(body)
    text, _ = converted(before)
    assert "Variable(" in step_of(text)
    assert "from torch.autograd import Variable" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


SHIFTING = """
class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        x += self.shift
        return self.linear(x)


model = Shift()
"""


def test_data_that_is_given_again_may_not_change(runner: Runner) -> None:
    """A model that changes its argument in place: the alias keeps the gradient out of the list's own tensor."""
    for loader, stays in ((A_LIST, True), (DATALOADER, False)):
        before = script("x = Variable(x)", SHIFTING, loader=loader)
        text, _ = converted(before)
        assert ("Variable(x)" in text) == stays
        assert first_difference(runner.run(before), runner.run(text)) is None


def test_data_that_is_looked_at_twice_may_not_change(runner: Runner) -> None:
    before = script("z = Variable(x)\nprint(model(z).sum().item())\nx = x * 2", SHIFTING)
    text, _ = converted(before)
    assert "Variable(x)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_data_that_was_computed_with_a_model_may_have_gradients() -> None:
    front = "features = model(torch.ones(4, 2))\nloader = DataLoader(TensorDataset(features, features))"
    assert "Variable(y)" in converted(script("y = Variable(y)", front))[0]


def test_other_files_may_change_what_a_list_gives() -> None:
    front = "from helpers import attack"
    assert "Variable(x)" in converted(script("x = Variable(x)", front, loader=A_LIST))[0]


def test_other_wrappers_are_not_meant() -> None:
    front = "def Variable(x):\n    return x.flip(0)"
    assert "Variable(x)" in converted(script("x = Variable(x)", front))[0]


def test_the_import_goes_with_the_last_wrapper() -> None:
    text, _ = converted(script("x = Variable(x)"))
    assert "import Variable" not in text
    text, _ = converted(script("x = Variable(x)\nassert not isinstance(x, Variable) or True"))
    assert "from torch.autograd import Variable" in text


def test_an_import_that_was_never_used_stays() -> None:
    assert "from torch.autograd import Variable" in converted(script("x = x * 1"))[0]


def test_other_names_of_the_import_stay() -> None:
    before = script("x = Variable(x)").replace("import Variable", "import Function, Variable")
    assert "from torch.autograd import Function\n" in converted(before)[0]
    before = script("x = V(x)").replace("import Variable", "import Variable as V")
    assert "torch.autograd" not in converted(before)[0]
