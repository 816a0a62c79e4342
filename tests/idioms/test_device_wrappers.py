"""`Variable(x)`: taken out where nothing can tell the difference, and `x.detach()` elsewhere."""

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
    ("x = Variable(x\n             .view(-1, 2))", "x = (x"),
    ("noise = torch.zeros(x.size())\nnoise[0] = 0.5\nx = Variable(noise + x)", "x = noise + x"),
    ("x = Variable(x)\nx += 1\nx.mul_(2)\nx[0] = y.sum()", "x += 1"),
    ("n = Variable(torch.LongTensor(x.size(0)).fill_(args.n))\nx = x + n.sum()", "fill_(args.n)"),
]
ARGUMENTS = (
    "parser = argparse.ArgumentParser()\nparser.add_argument('--n', type=int, default=3)\nargs = parser.parse_args([])"
)
DETACHED = [
    "x = Variable(x, requires_grad=True)",
    "x = Variable(x if len(x) else -x).float()",
    "x = Variable(x > model.bias).float()",
    "x = Variable(x @ model.weight.t() * x)",
    "x = Variable((x * model.weight)\n             .view(-1, 2))",
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
    "z = Variable(x)\nsetattr(z, 'seen', True)\nprint(hasattr(x, 'seen'))",
    "z = torch.FloatTensor(model.weight)\nz = Variable(torch.FloatTensor(z))\nx = x * z.sum()",
]


@pytest.mark.parametrize(("body", "after"), UNWRAPPED)
def test_the_wrapper_goes(body: str, after: str, runner: Runner) -> None:
    before = script(body, ARGUMENTS if "args" in body else "")
    text, _ = converted(before)
    assert "Variable(" not in text
    for line in after.splitlines():
        assert line in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("body", DETACHED)
def test_the_wrapper_cuts_the_gradient(body: str, runner: Runner) -> None:
    before = script(body)
    text, _ = converted(before)
    assert ".detach()" in step_of(text) and "Variable" not in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    "body", ["x = Variable(x, volatile=bool(print()))", "x = Variable(*[x])", "x = Variable(x, True)"]
)
def test_the_wrapper_stays(body: str, runner: Runner) -> None:
    before = script(body)
    text, _ = converted(before)
    assert "Variable(" in step_of(text)
    assert "from torch.autograd import Variable" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_new_tensor_that_shall_have_a_gradient_needs_no_alias(runner: Runner) -> None:
    before = script("w = Variable(torch.ones(1), requires_grad=True)\nx = x * w")
    text, _ = converted(before)
    assert "w = torch.ones(1).requires_grad_()" in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


SETTINGS = "settings = {'shuffle': True} if len('cuda') else {}"


@pytest.mark.parametrize(
    ("front", "stays"),
    [
        (SETTINGS, False),
        (SETTINGS.replace("shuffle", "collate_fn").replace("True", "None"), True),
        (SETTINGS + "\nsettings['shuffle'] = False", True),
        ("settings = dict(shuffle=True)", True),
    ],
)
def test_settings_of_a_loader_that_are_written_out(front: str, stays: bool, runner: Runner) -> None:
    loader = "DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4, **settings)"
    before = script("x = Variable(x)", SHIFTING, loader=loader).replace("loader = Data", f"{front}\nloader = Data")
    text, _ = converted(before)
    assert ("detach" in text) == stays
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
        assert ("x.detach()" in text) == stays
        assert first_difference(runner.run(before), runner.run(text)) is None


def test_each_of_several_loaders_makes_its_batches_anew(runner: Runner) -> None:
    """Which loader a script takes is often chosen: all that it may take have to be known."""
    for other, stays in ((A_LIST, True), (DATALOADER, False), ("list(loader)", True)):
        front = f"if len(loader) > 1:\n    loader = {other}\n" + SHIFTING
        before = script("x = Variable(x)", front)
        text, _ = converted(before)
        assert ("x.detach()" in text) == stays
        assert first_difference(runner.run(before), runner.run(text)) is None


def test_data_that_is_looked_at_twice_may_not_change(runner: Runner) -> None:
    before = script("z = Variable(x)\nprint(model(z).sum().item())\nx = x * 2", SHIFTING)
    text, _ = converted(before)
    assert "x.detach()" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_data_that_was_computed_with_a_model_may_have_gradients() -> None:
    front = "features = model(torch.ones(4, 2))\nloader = DataLoader(TensorDataset(features, features))"
    assert "y.detach()" in converted(script("y = Variable(y)", front))[0]


def test_other_files_may_change_what_a_list_gives() -> None:
    front = "from helpers import attack"
    assert "x.detach()" in converted(script("x = Variable(x)", front, loader=A_LIST))[0]


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
