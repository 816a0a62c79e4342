"""Moves of modules in front of the training: left to the Trainer, or not."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, script

DEVICE = 'device = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n'
FLAG = "use_cuda = torch.cuda.is_available()\n"
MOVE = "model.to(device)\n"
COUNT = "def count(net):\n    return sum(p.numel() for p in net.parameters() if p.requires_grad)\n"
LEFT = [
    (DEVICE + MOVE, "device=device"),
    (DEVICE + "model = model.to(device)", "device=device"),
    (DEVICE + "model = nn.Linear(2, 1).to(device)", "device=device"),
    (DEVICE + MOVE + "criterion.to(device)\nmodel.train()", "device=device"),
    (DEVICE + "model.apply(print)\n" + MOVE, "device=device"),
    (DEVICE + MOVE + "model.load_state_dict({}, strict=False)", "device=device"),
    (FLAG + "if use_cuda:\n    model.cuda()\n    criterion.cuda()", "device='cuda' if use_cuda else 'cpu'"),
    (
        FLAG + "if use_cuda:\n    model = model.cuda()\nn = len(list(model.parameters()))",
        "'cuda' if use_cuda else 'cpu'",
    ),
    (DEVICE + MOVE + "print(model)", "device=device"),
    (DEVICE + MOVE + "for p in model.parameters():\n    p.requires_grad = True", "device=device"),
    (DEVICE + MOVE + "if torch.cuda.is_available():\n    model = nn.DataParallel(model)", "device=device"),
    (DEVICE + "model = nn.DataParallel(model).to(device)", "device=device"),
    (
        DEVICE + MOVE + "if torch.cuda.is_available():\n    model = nn.parallel.DistributedDataParallel(model)",
        "device=device, strategy=",
    ),
    (DEVICE + MOVE + COUNT + "print(count(model))", "device=device"),
    (DEVICE + "if 1 > 0:\n    print('small')\n    model.to(device)\nelse:\n    print('large')", "device=device"),
    (DEVICE + "if 1 > 0:\n    model = nn.Linear(2, 1).to(device)", "device=device"),
    (FLAG + "if use_cuda:\n    # to the GPU\n    model.cuda()", "device='cuda' if use_cuda else 'cpu'"),
    (FLAG + "if use_cuda:\n    print('on the GPU')\n    model.cuda()", "'cuda' if use_cuda else 'cpu'"),
]
LEFT += [
    (DEVICE + MOVE + after, "device=device")
    for after in (
        "held = [p for p in model.parameters() if p.requires_grad]\nprint(len(held))",
        "groups = [{'params': [p for n, p in model.named_parameters() if 'bias' in n]}]\nprint(len(groups))",
        "print(sum(p.numel() for p in filter(lambda p: p.requires_grad, model.parameters())))",
        "sizes = [(n, p.shape) for n, p in model.named_parameters()]\nprint(sizes)",
        "def make(params):\n    return torch.optim.SGD(params, lr=0.1)\nfirst = make(model.parameters())",
        "n = sum([p.data.nelement() for p in model.parameters()])\nprint(n)",
        "ids = list(map(id, model.parameters()))\nprint(len(ids))",
        "print(next(model.parameters()).dtype)",
    )
]
LEFT += [
    (DEVICE + MOVE + after, "device=device")
    for after in (
        "decay, rest = [], []\nfor name, p in model.named_parameters():\n    if 'bias' in name:\n"
        "        rest.append(p)\n    else:\n        decay.append(p)\n"
        "groups = [{'params': decay}, {'params': rest}]\nprint(len(groups))",
        "total = 0\nparameters = model.parameters()\nfor p in parameters:\n    total += p.numel()\nprint(total)",
        "held, sizes = [], []\nfor p in filter(lambda p: p.requires_grad, model.parameters()):\n    held.append(p)\n"
        "    sizes.append(p.numel())\nprint(sum(sizes))",
        "groups = []\nfor p in model.parameters():\n    groups += [{'params': [p]}]\nprint(len(groups))",
        "named = list(model.named_parameters())\ngroups = [{'params': [p for n, p in named if not any(w in n for w in "
        "['bias'])]}, {'params': [p for n, p in named if n.endswith('bias')]}]\nprint(len(groups))",
        "for i, (name, p) in enumerate(model.named_parameters()):\n    print(i, name, p.shape, p.requires_grad)",
        "other = nn.Linear(2, 1)\nfor old, new in zip(other.parameters(), model.parameters()):\n"
        "    old.data.copy_(new.data)\nprint(other.weight.sum().item())",
        "import logging\nlogger = logging.getLogger()\nlogger.info(model)\nprint(f'{model}')",
        "def penalty():\n    return sum(m.weight.abs().sum() for m in model.modules() if hasattr(m, 'weight'))\n"
        "def shown(x):\n    print(penalty().item())",
    )
]
STAYING = [
    DEVICE + MOVE + "for name, p in model.named_parameters():\n    print(name, p)",
    DEVICE + MOVE + "for name, p in model.named_parameters():\n    print(name, p.device)",
    DEVICE + MOVE + "for p in model.parameters():\n    print(p.data.norm().item())",
    DEVICE + MOVE + "for p in model.parameters():\n    first = p\nprint(first.norm().item())",
    DEVICE + MOVE + "for p in model.parameters():\n    pass\nprint(p.norm().item())",
    DEVICE + MOVE + "for p in model.parameters():\n    pass\nelse:\n    print(p.norm().item())",
    DEVICE + MOVE + "for p in [torch.ones(1)]:\n    for p in model.parameters():\n        print(p.norm().item())",
    DEVICE + MOVE + "for p in model.parameters():\n    def show():\n        print(p.norm().item())\nshow()",
    DEVICE + MOVE + "for p in model.parameters():\n    p.data.copy_(p.data * 0.1 + p.data * 0.2)",
    DEVICE + MOVE + "copies = []\nfor p in model.parameters():\n    copies += [p.clone()]",
    DEVICE + MOVE + "copies = []\nfor p in model.parameters():\n    copies += [p]\nprint(copies[0].norm().item())",
    DEVICE + "net = nn.Linear(2, 1)\nmodel = nn.DataParallel(net)\n" + MOVE
    + "print(net(torch.ones(1, 2).to(device)).sum().item())",
    DEVICE + "def show():\n    print(model(torch.ones(1, 2).to(device)).sum().item())\nkept = [show]\n" + MOVE
    + "kept[0]()",
    DEVICE + "class Shown:\n    def show(self):\n        print(model(torch.ones(1, 2).to(device)).sum().item())\n"
    "shown = Shown()\n" + MOVE + "shown.show()",
    DEVICE + MOVE + "print(next(model.parameters()).device)",
    DEVICE + MOVE + "print(model(torch.ones(1, 2).to(device)).sum().item())",
    DEVICE + MOVE + "model.apply(lambda m: nn.init.normal_(m.weight) if hasattr(m, 'weight') else None)",
    DEVICE + MOVE + "other = model",
    DEVICE + MOVE + "def show():\n    print(model(torch.ones(1, 2).to(device)).sum().item())\nshow()",
    DEVICE + MOVE + "def inner():\n    return model(torch.ones(1, 2))\ndef show():\n    print(inner())\nshow()",
    DEVICE + MOVE + "for p in model.parameters():\n    nn.init.ones_(p)",
    DEVICE + MOVE + COUNT.replace("p.numel()", "p.numel() + p.device.index") + "model.eval() or (0 and count(model))",
    DEVICE + MOVE + COUNT.replace("p.numel()", "p.uniform_()") + "with torch.no_grad():\n    print(count(model))",
    DEVICE + "class Net(nn.Linear):\n    def extra_repr(self):\n        return str(self.weight.device)\n"
    "model = Net(2, 1)\n" + MOVE + "print(model)",
    DEVICE + MOVE + "first = [p.detach().clone() for p in model.parameters()]\nprint(len(first))",
    DEVICE + MOVE + "held = list(model.parameters())\nprint(sum(p.sum() for p in held).item())",
    DEVICE + MOVE + "held = []\nheld.extend(model.parameters())\n"
    "print(torch.cat([p.flatten() for p in held]).norm().item())",
    DEVICE + MOVE + "print(nn.utils.parameters_to_vector(model.parameters()).norm().item())",
    DEVICE + MOVE + "print(list(model.parameters()))",
    DEVICE + MOVE + "def make(params):\n    params = list(params)\n    print(params[0].sum().item())\n"
    "    return torch.optim.SGD(params, lr=0.1)\nfirst = make(model.parameters())",
    DEVICE + "class Net(nn.Linear):\n    def train(self, mode=True):\n        print(self.weight.is_cuda)\n"
    "        return super().train(mode)\nmodel = Net(2, 1)\n" + MOVE + "model.eval()",
    DEVICE + "class Slow(torch.optim.SGD):\n    def __init__(self, params):\n        params = list(params)\n"
    "        self.slow = [p.detach().clone() for p in params]\n        super().__init__(params, lr=0.1)\n"
    + MOVE + "second = Slow(model.parameters())\nsecond.step()",
    DEVICE + MOVE + "print(sum(torch.norm(p).item() for n, p in model.named_parameters()))",
    DEVICE + MOVE + "ask = lambda x: model(x.to(device))\nprint(ask(torch.ones(1, 2)).sum().item())",
    DEVICE + "model = nn.Linear(2, 1)\nask = lambda x: model(x.to(device))\n" + MOVE
    + "print(ask(torch.ones(1, 2)).sum().item())",
    DEVICE + MOVE + "print([model(torch.ones(1, 2).to(device)).sum().item() for _ in range(2)])",
    DEVICE + "if 1 < 0:\n    print('evaluates')\n    model.to(device)\n    raise SystemExit",
    DEVICE + "for _ in range(2):\n    model.to(device)",
    DEVICE + "if 1 > 0:\n    model.to(device)",
    FLAG + "if use_cuda:\n    model.cuda()\nelse:\n    print('slow')",
    FLAG + "if use_cuda:\n    # all of it\n    model.cuda()",
    DEVICE + "class Net(nn.Linear):\n    def to(self, device):\n        print('moved')\n        return self\n"
    "model = Net(2, 1)\nmodel.to(device)",
]  # fmt: skip


@pytest.mark.parametrize(("front", "device"), LEFT)
def test_fit_moves_the_module(front: str, device: str, runner: Runner) -> None:
    before = script("x = x * 1", front)
    text, _ = converted(before)
    assert ".to(" not in text and ".cuda()" not in text
    assert device in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("front", STAYING)
def test_the_move_stays(front: str, runner: Runner) -> None:
    before = script("x = x * 1", front)
    text, notes = converted(before)
    assert "model.to(device)" in text or "model.cuda()" in text
    assert "N105" in notes
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_module_that_the_training_does_not_hold_stays() -> None:
    """A teacher that only a function uses is a global of the file, which the Trainer knows nothing about."""
    front = DEVICE + MOVE + "teacher = nn.Linear(2, 1).to(device)\ndef targets(x):\n    return teacher(x).detach()"
    text, _ = converted(script("y = targets(x)", front))
    assert "teacher = nn.Linear(2, 1).to(device)" in text and "model.to(device)" not in text


STATEFUL = """
import torch
from torch import nn, optim
from elsewhere import Net, Loss
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
criterion = Loss().to(device)
noise = torch.ones(2, 2).to(device)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in [(torch.ones(2, 2), torch.ones(2, 1))]:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = criterion(model(x + noise), y)
        loss.backward()
        optimizer.step()
"""


def test_what_may_be_no_module_is_moved_by_the_script_and_a_note_says_so() -> None:
    """The parameters of the model are asked for; nothing tells what the other file calls a loss."""
    for text, reason in (
        (STATEFUL, "the move of criterion stays: the module of the training does not hold it"),
        (in_function(STATEFUL), "the move of criterion stays: what is moved may be no nn.Module"),
    ):
        result = convert_text(text)
        assert isinstance(result, Converted)
        assert "model = Net()\n" in result.after and "criterion = Loss().to(device)\n" in result.after
        said = [note.message for note in result.diagnostics if note.code == "N105"]
        assert len(said) == 1 and said[0].startswith(reason)


TRIED = """
import torch
from torch import nn, optim

def main(loader):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.Linear(2, 1).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    try:
        {check}
        for epoch in range(2):
            for x, y in loader:
                x, y = x.to(device), y.to(device)
                optimizer.zero_grad()
                loss = (model(x) - y).abs().sum()
                loss.backward()
                optimizer.step()
    {end}
        print(model(torch.ones(1, 2).to(device)))
"""


def test_what_runs_where_lines_in_front_of_the_training_raise_finds_the_model_moved() -> None:
    for check, end, stays in (
        ("open(loader)", "except OSError:", True),
        ("open(loader)", "finally:", True),
        ("", "except OSError:", False),
        ("print('starts')", "except KeyboardInterrupt:", False),
    ):
        result = convert_text(TRIED.format(check=check, end=end))
        assert isinstance(result, Converted)
        assert ("model = nn.Linear(2, 1).to(device)" in result.after) is stays


def in_function(text: str) -> str:
    """A script whose lines, imports aside, stand in a function."""
    imports, rest = text.split("device =", 1)
    return f"{imports}\ndef main():\n" + textwrap.indent("device =" + rest, "    ") + "\n\nmain()\n"


CONDITIONS = """
import argparse
import torch
from torch import nn, optim
parser = argparse.ArgumentParser()
parser.add_argument('--cpu', action='store_true')
args = parser.parse_args()
device = torch.device('cuda')
model = nn.Linear(2, 1)
{moves}
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in [(torch.ones(2, 2), torch.ones(2, 1))]:
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    "moves",
    [
        "if args.cpu:\n    model.cpu()\nelif args.lr:\n    model.cuda()",
        "if not args.cpu:\n    model.to(device)",
        "try:\n    model.cuda()\nexcept AssertionError:\n    pass",
        "args.cpu or model.cuda()",
        "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nif args.fast:\n    model.to(device)",
    ],
)
def test_a_move_that_is_not_always_made_does_not_choose_the_device(moves: str) -> None:
    script = CONDITIONS.format(moves=moves)
    if "args.fast" in moves:  # the batches too
        script = script.replace(
            "        optimizer.zero", "        if args.fast:\n            x = x.to(device)\n        optimizer.zero"
        )
    result = convert_text(script)
    assert isinstance(result, Converted)
    assert "device='cuda'" not in result.after and "device=device" not in result.after
    assert "next(model.parameters()).device" in result.after


@pytest.mark.parametrize(
    ("moves", "device"),
    [
        ("model.cuda()", "device='cuda'"),
        ("if args.cpu:\n    model.cpu()\nelse:\n    model.cuda()", "device='cpu' if args.cpu else 'cuda'"),
        ("if args.cpu == False:\n    model.cuda()", "device='cuda' if args.cpu == False else 'cpu'"),
        ("model.to(device)", "device=device"),
        ("model.to(available_device)", "device=available_device"),
        ("if not args.cpu:\n    model.to(available_device)", "device=available_device"),
        ("if torch.cuda.is_available():\n    model.to(available_device)", "device=available_device"),
    ],
)
def test_a_move_that_is_always_made_or_possible_chooses_the_device(moves: str, device: str) -> None:
    question = "available_device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\nmodel = "
    result = convert_text(CONDITIONS.format(moves=moves).replace("model = ", question))
    assert isinstance(result, Converted) and device in result.after


SKIPPED = """
import torch
from torch import nn, optim
torch.manual_seed(0)
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
data = [(torch.ones(2, 2), torch.ones(2, 1)), (torch.zeros(2, 2), torch.ones(2, 1))]
model = nn.Linear(2, 1)
{functions}
model.to(device)
trains = len(data) == {length}
if trains:
    for epoch in range(2):
        for x, y in data:
            x, y = x.to(device), y.to(device)
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            optimizer.zero_grad()
            loss = (model(x) - y).pow(2).mean()
            loss.backward()
            optimizer.step()
    {inside}
{behind}
"""
SHOW = "def show():\n    print(model(torch.ones(1, 2).to(device)).sum().item())"


@pytest.mark.parametrize("length", [2, 3])
@pytest.mark.parametrize(
    ("functions", "inside", "behind"),
    [
        ("", "pass", "print(model(torch.ones(1, 2).to(device)).sum().item())"),
        (SHOW, "pass", "show()"),
        (SHOW, "show()", "show()"),
        ("", "print(model.weight)", "for x, _ in data:\n    print(model(x.to(device)))"),
    ],
)
def test_a_move_stays_where_the_script_may_go_on_without_the_training(
    functions: str, inside: str, behind: str, length: int, runner: Runner
) -> None:
    before = SKIPPED.format(functions=functions, inside=inside, behind=behind, length=length)
    text, _ = converted(before)
    assert "\nmodel.to(device)\n" in text and "device=device" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("functions", "inside", "behind"),
    [
        ("", "print(model.weight)", "print('done')"),
        (SHOW, "show()", "print('done')"),
        ("", "pass", "model.eval()"),
    ],
)
def test_a_move_goes_where_nobody_looks_at_the_module_without_the_training(
    functions: str, inside: str, behind: str, runner: Runner
) -> None:
    before = SKIPPED.format(functions=functions, inside=inside, behind=behind, length=2)
    text, _ = converted(before)
    assert "model.to(device)" not in text and "device=device" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_move_stays_for_the_second_of_two_trainings_if_the_first_may_be_skipped() -> None:
    second = SKIPPED.split("if trains:\n")[1].split("    {inside}")[0]
    second = "\n".join(line.removeprefix("    ") for line in second.split("\n"))
    text, _ = converted(SKIPPED.format(functions="", inside="pass", behind=second, length=2))
    assert "\nmodel.to(device)\n" in text and text.count("device=device") == 2
