"""Which device the script chose: its names for it, and the conditions under which it is used."""

from __future__ import annotations

import textwrap

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import A_LIST, converted, script, step_of

SCRIPT = """
import argparse
import torch
from torch import nn
torch.manual_seed(0)
loader = [(torch.randn(4, 2), torch.randn(4, 1)), (torch.randn(4, 2), torch.randn(4, 1))]

{head}

def train({parameters}):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        for x, y in loader:
{body}
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
            print(loss.item())

{main}
"""
CHOSEN = "torch.device('cuda' if torch.cuda.is_available() else 'cpu')"
MOVES = "x, y = x.to(device), y.to(device)"
SETTINGS = "x, y = x.to(args.device), y.to(args.device)"


def in_function(parameters: str, body: str, main: str, head: str = "") -> str:
    """A training in a function, and the code that calls it."""
    indented = textwrap.indent(body, " " * 12)
    main = main.replace("CHOSEN", CHOSEN)
    return SCRIPT.format(parameters=parameters, body=indented, main=main, head=head.replace("CHOSEN", CHOSEN))


KNOWN = [
    # the module's variable is the function's parameter
    (
        "model, loader, device",
        MOVES,
        "device = CHOSEN\nmodel = nn.Linear(2, 1).to(device)\ntrain(model, loader, device)",
        "device",
    ),
    (
        "model, device",
        MOVES,
        "dev = CHOSEN\nmodel = nn.Linear(2, 1).to(dev)\ntrain(device=dev, model=model)",
        "device",
    ),
    # a setting that only the code in front of the training assigns
    (
        "args, model",
        SETTINGS,
        "def main():\n    args = argparse.Namespace()\n    args.device = CHOSEN\n"
        "    train(args, nn.Linear(2, 1))\nmain()",
        "args.device",
    ),
    (
        "args, model",
        SETTINGS,
        "args = argparse.Namespace()\nargs.device = CHOSEN\ntrain(args, nn.Linear(2, 1))",
        "args.device",
    ),
    # variables of the module, below the function that uses them
    (
        "model",
        MOVES,
        "if __name__ == '__main__':\n    device = CHOSEN\n    train(nn.Linear(2, 1))",
        "device",
    ),
    (
        "model",
        MOVES,
        "if torch.cuda.is_available():\n    device = 'cuda'\nelse:\n    device = 'cpu'\ntrain(nn.Linear(2, 1))",
        "device",
    ),
    (
        "model",
        "if args.gpu:\n    x, y = x.cuda(), y.cuda()",
        "if __name__ == '__main__':\n    args = argparse.Namespace(gpu=False)\n    train(nn.Linear(2, 1))",
        "'cuda' if args.gpu else 'cpu'",
    ),
    # conditions the other way round
    (
        "args, model",
        "if not args.cpu:\n    x, y = x.cuda(), y.cuda()",
        "args = argparse.Namespace(cpu=True)\nmodel = nn.Linear(2, 1)\nif args.cpu:\n"
        "    model.cpu()\nelse:\n    model.cuda()\ntrain(args, model)",
        "'cpu' if args.cpu else 'cuda'",
    ),
    (
        "args, model",
        "if args.no_cuda:\n    x = x.float()\nelse:\n    x, y = x.cuda().float(), y.cuda()",
        "train(argparse.Namespace(no_cuda=True), nn.Linear(2, 1))",
        "'cpu' if args.no_cuda else 'cuda'",
    ),
    # two conditions, one of which asks for something else
    (
        "model, cuda",
        "if cuda:\n    x = x.cuda()\n    if y is not None:\n        y = y.cuda()",
        "train(nn.Linear(2, 1), False)",
        "'cuda' if cuda else 'cpu'",
    ),
]


@pytest.mark.parametrize(("parameters", "body", "main", "device"), KNOWN)
def test_the_device_is_known(parameters: str, body: str, main: str, device: str, runner: Runner) -> None:
    before = in_function(parameters, body, main)
    text, notes = converted(before)
    assert f"device={device})" in text and "N105" not in notes
    assert ".to(" not in step_of(text) and "cuda()" not in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


UNKNOWN = [
    # another device than the parameter
    (
        "model, device",
        MOVES,
        "device = CHOSEN\nother_device = torch.device('cpu')\n"
        "train(nn.Linear(2, 1).to(other_device), device)\nmodel = nn.Linear(2, 1).to(other_device)",
        "",
    ),
    (
        "model, device",
        MOVES,
        "device = CHOSEN\nlast_device = 'cpu'\nmodel = nn.Linear(2, 1).to(device)\n"
        "train(model, device)\ntrain(model, last_device)",
        "",
    ),
    (
        "model, device",
        MOVES,
        "device = 'cpu'\nmodel = nn.Linear(2, 1).to(device)\ndevice = CHOSEN\ntrain(model, device)",
        "",
    ),
    (
        "model, device",
        "device = torch.device(device)\n" + MOVES,
        "device = 'cpu'\nmodel = nn.Linear(2, 1).to(device)\ntrain(model, device)",
        "",
    ),
    (
        "model, device='cpu'",
        MOVES,
        "device = CHOSEN\nmodel = nn.Linear(2, 1).to(device)\ntrain(model)",
        "",
    ),
    # what the training may assign, or nobody
    (
        "args, model",
        SETTINGS + "\nchange(args)",
        "train(argparse.Namespace(device='cpu'), nn.Linear(2, 1))",
        "def change(args):\n    args.device = CHOSEN",
    ),
    (
        "model",
        MOVES + "\nchange()",
        "train(nn.Linear(2, 1))",
        "device = CHOSEN\ndef change():\n    global device\n    device = 'cpu'",
    ),
    (
        "model",
        "if wanted:\n    x, y = x.to(device), y.to(device)",
        "wanted = False\nif wanted:\n    device = CHOSEN\ntrain(nn.Linear(2, 1))",
        "",
    ),
    (
        "args, model",
        SETTINGS + "\nhooks[0](args)",
        "hooks = [change]\ntrain(argparse.Namespace(device='cpu'), nn.Linear(2, 1))",
        "def change(args):\n    args.device = CHOSEN",
    ),
    # conditions that do not go together
    (
        "args, model",
        "if args.cpu:\n    x = x.float()\nelse:\n    x = x.cuda()\nif args.cuda:\n    y = y.cuda()",
        "train(argparse.Namespace(cpu=True, cuda=False), nn.Linear(2, 1))",
        "",
    ),
    (
        "model, cuda",
        "if cuda:\n    x, y = x.cuda(), y.cuda()\nif epoch > 5:\n    y = y.cuda()",
        "train(nn.Linear(2, 1), False)",
        "",
    ),
    (
        "model, cuda, gpu",
        "if cuda:\n    x, y = x.cuda(), y.cuda()\nif epoch > 5:\n    if gpu:\n        y = y.cuda()",
        "train(nn.Linear(2, 1), False, False)",
        "",
    ),
]


@pytest.mark.parametrize(("parameters", "body", "main", "head"), UNKNOWN)
def test_the_device_is_not_known(parameters: str, body: str, main: str, head: str) -> None:
    text, notes = converted(in_function(parameters, body, main, head))
    assert "N105" in notes and "Trainer(max_epochs=2, device='" not in text and "2, device=device" not in text
    assert ".to(" in step_of(text) or ".cuda()" in step_of(text)


TWINS = "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nmodel.to(device)\n"
MIXED = "x = x.to(device)\nif torch.cuda.is_available():\n    y = y.cuda()"


def test_two_names_of_one_device(runner: Runner) -> None:
    before = script(MIXED, TWINS)
    text, notes = converted(before)
    assert "cuda" not in step_of(text) and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("body", "front"),
    [
        (MIXED, TWINS + "if epochs > 9:\n    torch.cuda.set_device(1)"),
        (MIXED.replace("torch.cuda.is_available()", "epoch > 5"), TWINS),
        (MIXED.replace("if torch.cuda.is_available():\n    ", ""), TWINS),  # needs CUDA in any case
        (MIXED, TWINS.replace("'cuda' if", "'cuda:1' if")),
    ],
)
def test_two_devices(body: str, front: str, runner: Runner) -> None:
    before = script(body, "epochs = 2\n" + front)
    text, notes = converted(before)
    assert "y = y.cuda()" in text and "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_parameter_that_is_assigned_again_is_no_argument() -> None:
    main = "device = CHOSEN\nmodel = nn.Linear(2, 1).to(device)\ntrain(model, device)"
    before = in_function("model, device", MOVES, main).replace("):\n    opt", "):\n    device = 'cpu'\n    opt")
    text, notes = converted(before)
    assert "x.to(self.device_)" in text and "N105" in notes


def test_a_global_that_the_function_assigns_first(runner: Runner) -> None:
    before = in_function("model", MOVES, "train(nn.Linear(2, 1))", "device = None")
    before = before.replace("):\n    opt", "):\n    global device\n    device = torch.device('cpu')\n    opt")
    text, notes = converted(before)
    assert "device=device)" in text and "N105" not in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


IN_FUNCTION = "global args\n    args = argparse.Namespace()\n    args.cuda = torch.cuda.is_available()\n    "
UNDER_A_CONDITION = IN_FUNCTION.replace("args = ", "if not model.training: pass\n    else: args = ")


@pytest.mark.parametrize(("lines", "known"), [(IN_FUNCTION, True), (UNDER_A_CONDITION, False)])
def test_settings_that_only_the_function_makes(lines: str, known: bool, runner: Runner) -> None:
    before = in_function("model", "if args.cuda:\n    x, y = x.cuda(), y.cuda()", "train(nn.Linear(2, 1))")
    before = before.replace("):\n    opt", "):\n    " + lines + "opt")
    text, notes = converted(before)
    assert ("device='cuda' if args.cuda else 'cpu')" in text) == known == ("N105" not in notes)
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_function_that_something_else_calls_may_get_anything() -> None:
    head = "def run(function, *args):\n    function(*args)"
    main = "device = CHOSEN\nmodel = nn.Linear(2, 1).to(device)\ntrain(model, device)\nrun(train, model, 'cpu')"
    text, notes = converted(in_function("model, device", MOVES, main, head))
    assert "x.to(self.device_)" in text and "N105" in notes


def test_a_file_that_may_be_imported_needs_no_cuda(runner: Runner) -> None:
    """The move that only the main program makes says nothing about the function that trains."""
    main = "if __name__ == '__main__':\n    model = nn.Linear(2, 1)\n    train(model)\n    model.cuda()"
    before = in_function("model", "x = x * 1", main)
    text, _ = converted(before)
    assert "device='cuda'" not in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("device", ["torch.device('cuda')", "torch.device('cuda:0')", "'cuda'"])
def test_a_device_that_has_to_be_there(device: str, runner: Runner) -> None:
    """Both versions fail where there is no CUDA."""
    before = script("x, y = x.to(device), y.cuda()", f"device = {device}\nmodel.to(device)")
    text, notes = converted(before)
    assert "cuda" not in step_of(text) and "device=device" in text and "N105" not in notes
    assert runner.run(before).status != 0 and runner.run(text).status != 0


def test_a_model_that_is_moved_in_any_case(runner: Runner) -> None:
    """Its move stays, and says as before that there is no CUDA; what the batches ask chooses the device."""
    before = script("if use_cuda:\n    x, y = x.cuda(), y.cuda()", "use_cuda = torch.cuda.is_available()\nmodel.cuda()")
    text, notes = converted(before)
    assert "device='cuda' if use_cuda else 'cpu'" in text and "\nmodel.cuda()" in text and notes == ["N105"]
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_batch_that_is_moved_in_any_case(runner: Runner) -> None:
    before = script(
        "if use_cuda:\n    x = x.cuda()\ny = y.cuda()", "use_cuda = torch.cuda.is_available()", loader=A_LIST
    )
    text, notes = converted(before)
    assert "y = y.cuda()" in step_of(text) and "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_other_moves_to_a_setting_follow_the_module(runner: Runner) -> None:
    front = "args = argparse.Namespace(device='cpu')\nmodel.to(args.device)"
    before = script("noise = torch.zeros(4, 2).to(args.device)\nnoise = noise.to(args.device)\nx = x + noise", front)
    text, _ = converted(before)
    assert "noise = noise.to(self.device)" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


OFTEN = """
import argparse
import torch
from torch import nn, optim
parser = argparse.ArgumentParser()
parser.add_argument('--cpu', action='store_true')
parser.add_argument('--refine', default='')
args = parser.parse_args()
args.cuda = not args.cpu and torch.cuda.is_available()
model = nn.Linear(2, 1)
{front}
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in [(torch.ones(2, 2), torch.ones(2, 1))]:
        {batch}
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("front", "batch", "device"),
    [
        ("if not args.cpu:\n    model.cuda()", "x, y = x.cuda(), y.cuda()", "'cuda'"),
        ("model.cuda()", "if args.refine:\n            x, y = x.cuda(), y.cuda()", None),
        ("if args.cuda:\n    model.cuda()", "if args.refine:\n            x, y = x.cuda(), y.cuda()", None),
        ("", "if args.cuda:\n            x = x.cuda()\n        y = y.cuda()", None),
    ],
)
def test_the_moves_of_the_training_say_when_there_has_to_be_cuda(front: str, batch: str, device: str | None) -> None:
    text, notes = converted(OFTEN.format(front=front, batch=batch))
    if device is None:
        assert "x.cuda()" in text and "N105" in notes
    else:
        assert f"device={device})" in text and "x.cuda()" not in text


@pytest.mark.parametrize(
    ("front", "known"),
    [
        ("if args.refine:\n    model = nn.Linear(2, 1).to(device)\nelse:\n    print(0)\n    model.to(device)", True),
        ("if args.refine:\n    print(1)\n    model.to(device)\nelif args.cpu:\n    model = nn.Linear(2, 1).to(device)\n"
         "else:\n    model = nn.Linear(2, 1, False).to(device)", True),
        ("if args.refine:\n    model = nn.Linear(2, 1).to(device)\nelif args.cpu:\n    model.to(device)", False),
        ("if args.refine:\n    model = nn.Linear(2, 1).to(device)\nelse:\n    if args.cpu:\n        model.to(device)",
         False),
        ("if args.refine:\n    model = nn.Linear(2, 1).to(device)\nelse:\n    print('here')", False),
    ],
)  # fmt: skip
def test_a_device_that_each_branch_moves_to(front: str, known: bool, runner: Runner) -> None:
    chosen = "if args.refine:\n    device = torch.device('cuda')\nelse:\n    device = torch.device('cpu')\n"
    before = OFTEN.format(front=chosen + front, batch="print(y.sum())")
    text, _ = converted(before)
    assert first_difference(runner.run(before), runner.run(text)) is None
    assert ("device=device)" in text) == known
    if known:
        assert "model = nn.Linear(2, 1)\n" in text and "nn.Linear(2, 1).to(" not in text
