"""Functions that train or evaluate, divided: the parts do what the function did, and others stay in one piece."""

from __future__ import annotations

import contextlib
import io
import textwrap

import libcst as cst
import pytest

from refactorer.analysis.program import Program
from refactorer.converter import convert_text
from refactorer.idioms.dividing import divided
from refactorer.idioms.dividing.names import evaluating_name, free, is_of_result, training_name
from refactorer.result import Converted, Refused
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import torch
seen = []
class Loss:
    def backward(self):
        seen.append('backward')
class Network(torch.nn.Module):
    def __setattr__(self, name, value):
        if name == 'training':
            seen.append(value)
        super().__setattr__(name, value)
model, loss, start = Network(), Loss(), 5
train_loader, val_loader = [1, 2], [3, 4, 5]
optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
{above}
def run_epoch({parameters}):
    {first}
    for x in loader:
        print(x, torch.is_grad_enabled())
        {inside}
        if {learns}:
            loss.backward()
    {last}
    return len(loader)

{below}
for epoch in range(2):
    print(run_epoch({training}))
    print(run_epoch({evaluating}))
print(seen)
{end}
"""
PLAIN = {
    "above": "", "parameters": "loader, train=True", "first": "pass", "inside": "pass", "learns": "train",
    "last": "pass", "below": "", "training": "train_loader", "evaluating": "val_loader, train=False", "end": "",
}  # fmt: skip
OPTIMIZER = {
    "parameters": "loader, opt=None", "learns": "opt is not None",
    "training": "train_loader, optimizer", "evaluating": "val_loader",
}  # fmt: skip
PHASE = {
    "parameters": "loader, phase", "learns": "phase == 'train'",
    "training": "train_loader, 'train'", "evaluating": "val_loader, 'val'",
}  # fmt: skip


def script(parts: dict[str, str]) -> str:
    depths = {"first": 4, "last": 4, "inside": 8}
    given = {**PLAIN, **parts}
    return SCRIPT.format(**{k: text.replace("\n", "\n" + " " * depths.get(k, 0)) for k, text in given.items()})


def output(text: str) -> str:
    """What a script prints, and how it fails."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(text, "script", "exec"), {"__name__": "__main__"})
        except Exception as error:
            print(type(error), error)
        finally:
            torch_on = compile("import torch; torch.set_grad_enabled(True)", "script", "exec")
            exec(torch_on, {})
    return printed.getvalue()


def done(text: str) -> str | None:
    found = divided(Program(cst.parse_module(text)))
    return found.text if found is not None else None


DIVIDED = {
    "a flag": {},
    "an optimizer": OPTIMIZER,
    "an optimizer that counts as true": {**OPTIMIZER, "learns": "opt"},
    "a phase": PHASE,
    "a text that is the same by chance": {"end": "print('run_epoch')"},
    "by name": {**PHASE, "evaluating": "phase='val', loader=val_loader"},
    "keywords only": {"parameters": "loader, *, train", "training": "train_loader, train=True"},
    "another value behind": {"parameters": "loader, train=True, size=3", "evaluating": "val_loader, False, 4",
                             "last": "print(size)"},
    "what follows from it": {**OPTIMIZER, "first": "learning = opt is not None\nname = 'T' if learning else 'E'",
                             "learns": "learning", "inside": "print(f'{name:>3}|{learning}', name + '.')"},
    "annotated": {**OPTIMIZER, "first": "learning: bool = bool(opt is not None)\non: bool = opt is not None",
                  "learns": "on", "last": "print(learning)"},
    "in both branches": {"first": "if train:\n    batches, n = loader, 1\n    name = 'T'\nelse:\n    name = 'E'",
                         "last": "print(name)"},
    "one of two loaders": {"first": "batches = train_loader if train else val_loader", "last": "print(batches)"},
    "gradients switched": {"inside": "with torch.set_grad_enabled(train):\n    print(torch.is_grad_enabled())"},
    "gradients on or off": {"inside": "with (torch.enable_grad() if train else torch.no_grad()):\n    print('in')"},
    "gradients on inside": {"inside": "with torch.set_grad_enabled(train):\n    print(torch.is_grad_enabled())",
                            "below": "quiet = torch.no_grad()", "end": "with quiet:\n    run_epoch([7], True)"},
    "gradients of a whole function": {
        "inside": "with torch.set_grad_enabled(train):\n    print(torch.is_grad_enabled())",
        "end": "@torch.no_grad()\ndef main():\n    run_epoch([7], True)\nmain()"},
    "gradients for good": {"first": "torch.set_grad_enabled(train)", "end": "print(torch.is_grad_enabled())"},
    "modes": {"first": "model.train(train)"},
    "modes of a class of its own": {
        "first": "agent.train(train)",
        "above": "class Agent:\n    def train(self, mode):\n        seen.append(mode)\n"
                 "    def eval(self):\n        print('never')\nagent = Agent()"},
    "modes in one line": {"first": "model.train() if train else model.eval()"},
    "one mode": {"first": "model.train() if train else None\ntrain or model.eval()\ntrain and print('on')"},
    "continue": {"inside": "if not train:\n    continue\nprint('trains')"},
    "break": {"inside": "if train and x > 1:\n    break"},
    "an early end": {"inside": "if not train and x > 3:\n    return -1"},
    "on the right": {"inside": "if x % 2 == 1 and train:\n    print('odd')\nif x > 1 or not train:\n    print('many')"},
    "brackets": {"last": "n = len(loader)\nprint((train and n + 1) * 2, -(3 if train else n - 4), (not train) + 1)\n"
                         "if(train):\n    print('a')\nif not(train):\n    print('b')\nreturn (n if train else n + 1)"},
    "several lines": {"last": "n = (\n    1 + 1\n    if train\n    else 2\n    + 3\n)\nprint(n)"},
    "as a value": {"last": "print(train, [train], dict(train=train), train * 2, f'{train!r:>7}', '%s' % train)"},
    "quotes": {**PHASE, "last": "sizes = {'train': 1, 'val': 2}\nprint(f'{phase}: {sizes[phase]}', f'{phase}.csv')"},
    "membership": {**PHASE, "last": "print(phase in ('val', 'test'), phase is None, phase != 'val')"},
    "kept by a function": {"last": "def tell():\n    return train\nprint(tell(), [train for _ in '12'])"},
    "another name": {"first": "kind = start if train else 2\nprint([kind for start in '12'], kind)"},
    "a name that changes": {"above": "current = [0]\ndef change():\n    global current\n    current = [9]",
                            "first": "source = current if train else loader\nchange()\nprint(source)"},
    "another name counts": {"first": "n = start if train else start", "inside": "n += 1", "last": "print(n)"},
    "match": {"last": "match train:\n    case True:\n        print('yes')\n    case _:\n        print('no')"},
    "a branch never taken": {"first": "if train is None:\n    raise ValueError\nelif train == 3:\n    print(3)"},
    "assert": {"first": "assert train in (True, False)  # sure"},
    "comments": {"first": "# first\nif train:  # learn\n    # in\n    print(1)  # one\n    # end\nelse:  # look\n"
                          "    print(2)  # two\nname = 'T' if train else 'E'  # which\n# last", "last": "print(name)"},
    "names that are taken": {"above": "validate_epoch, train_epoch = 3, 4", "end": "print(train_epoch)"},
    "a value that is not known": {"below": "flag = len(seen) > 9", "end": "print(run_epoch(val_loader, flag))"},
    "an optimizer that may be none": {**OPTIMIZER, "below": "if start > 9:\n    optimizer = None"},
    "an optimizer of its own class": {
        **OPTIMIZER, "learns": "opt",
        "below": "class Never:\n    def __bool__(self):\n        return False\noptimizer = Never()"},
    "handed on": {"below": "also = [run_epoch]", "end": "print(also[0](val_loader, False))"},
    "a default by name": {"parameters": "loader, train=True, log=seen", "first": "log.append(train)"},
    "three kinds": {**PHASE, "end": "print(run_epoch([6], 'test'))"},
    "in phases": {**PHASE, "end": "for epoch in range(2):\n    for phase in ('train', 'val'):\n"
                                  "        print(run_epoch([phase], phase))"},
}  # fmt: skip


@pytest.mark.parametrize("name", DIVIDED)
def test_the_parts_do_the_same(name: str) -> None:
    before = script(DIVIDED[name])
    after = done(before)
    assert after is not None and after.count("backward()") == 1 + ("def run_epoch(" in after)
    assert output(after) == output(before)


STAYS = {
    "bound again": {"first": "train = train and start > 2"},
    "deleted": {"last": "del train"},
    "its own name": {"last": "print(run_epoch.__name__)"},
    "defined twice": {"below": "if start > 9:\n    def run_epoch(loader, train=True):\n        return 0"},
    "a default that is made once": {"parameters": "loader, train=True, log=[]", "first": "log.append(1)\nprint(log)"},
    "names that are looked up": {"last": "print(sorted(locals()))"},
    "a generator": {"last": "yield train"},
    "looked up among all names": {"end": "print('run_epoch' in globals())"},
    "run by its name": {"end": "eval('run_' + 'epoch([7], False)')"},
    "asked for by its name": {"end": "import sys\nprint(hasattr(sys.modules[__name__], 'run_epoch'))"},
    "exported by its name": {"end": "__all__ = ['run_epoch']"},
    "any arguments": {"parameters": "loader, train=True, *others"},
    "unpacked": {"evaluating": "*(val_loader, False)"},
    "a variable that would be another": {"first": "if train:\n    start = 1\ntry:\n    print(start)\n"
                                                  "except NameError:\n    print('none')"},
    "one that a function reads": {"first": "if train:\n    start = 1\ndef tell():\n    return start\ntry:\n"
                                           "    print(tell())\nexcept NameError:\n    print('none')"},
    "a comment in no part": {"first": "if train is None:\n    print(0)  # never"},
    "a string in any quotes": {**PHASE, "last": "sizes = {'train': 1, 'val': 2}\nprint(f\"{f'{sizes[phase]}'}\")"},
    "shown with its name": {"last": "print(f'{train=}')"},
    "both learn": {"learns": "loader"},
    "numbers": {"parameters": "loader, size=1", "learns": "size > 2", "training": "train_loader, 3",
                "evaluating": "val_loader, 2"},
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_it_stays_in_one_piece(name: str) -> None:
    assert done(script(STAYS[name])) is None


def test_one_that_sets_a_variable_of_a_function_around_it_stays() -> None:
    above, part = script({"last": "nonlocal count"}).split("def run_epoch")
    inner = textwrap.indent(f"count = 0\ndef run_epoch{part}", "    ")
    assert done(f"{above}def main():\n{inner}") is None


METHOD = """
import torch
class Runner:
    def {name}(self, loader, train):
        for x in loader:
            print(x)
            if train:
                self.loss(x).backward()
    def loss(self, x):
        return torch.zeros(1, requires_grad=True) + x
    def fit(self):
        for epoch in range(2):
            self.{name}([1, 2], True)
            self.{name}([3], False)
{below}
"""


@pytest.mark.parametrize(("name", "below"), [("run_epoch", "Runner().fit()"), ("_run", "")])
def test_methods(name: str, below: str) -> None:
    before = METHOD.format(name=name, below=below)
    after = done(before)
    assert after is not None and f"def {name}(" not in after
    assert output(after) == output(before)


@pytest.mark.parametrize(
    ("name", "below"),
    [
        ("run_epoch", ""),  # other files may call it
        ("run_epoch", "Runner().run_epoch([1], True)"),
        ("run_epoch", "getattr(Runner(), 'run_epoch')([1], True)"),
        ("run_epoch", "print(dir(Runner()))"),
        (
            "run_epoch",
            "class Other(Runner):\n    def run_epoch(self, loader, train):\n        print('other')\nOther().fit()",
        ),
        ("run_epoch", "runner = Runner()\nrunner.run_epoch = print\nrunner.fit()"),
    ],
)
def test_methods_that_others_may_know(name: str, below: str) -> None:
    assert done(METHOD.format(name=name, below=below)) is None


NAMES = [
    ("train", "valid", "", "train", "validate"),
    ("train", "eval", "", "train", "evaluate"),
    ("train_val", "", "", "train", "validate"),
    ("train_or_test", "", "", "train", "test"),
    ("run_epoch", "", "model, test_loader, False", "train_epoch", "test_epoch"),
    ("_run_epoch", "", "self.val_loader, False", "_train_epoch", "_validate_epoch"),
    ("train_one_epoch", "test", "", "train_one_epoch", "test_one_epoch"),
    ("epoch", "", "loader", "train_epoch", "evaluate_epoch"),
    ("run", "dev", "", "train", "validate"),
]


@pytest.mark.parametrize(("name", "value", "call", "training", "evaluating"), NAMES)
def test_names(name: str, value: str, call: str, training: str, evaluating: str) -> None:
    assert training_name(name) == training
    assert evaluating_name(name, value, [call]) == evaluating


def test_names_that_are_taken_or_say_what_a_function_gives() -> None:
    assert [free("train", {"train"}), free("train_epoch", {"train_epoch"}), free("test", ())] == [
        "train_epoch", "train_epoch_", "test",
    ]  # fmt: skip
    assert is_of_result("loss_batch") and not is_of_result("_run_batch") and not is_of_result("train_step")


TRAINED = """
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
{imports}
torch.manual_seed(0)
points = torch.randn(20, 3)
data = TensorDataset(points, (points.sum(1) > 0).long())
train_loader, val_loader = DataLoader(data, 4, shuffle=True), DataLoader(data, 8)
model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def run_epoch(loader, phase):
    if phase == 'train':
        model.train()
    else:
        model.eval()
    total = 0.0
    for x, y in loader:
        with torch.set_grad_enabled(phase == 'train'):
            loss = F.cross_entropy(model(x), y)
        if phase == 'train':
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += loss.item()
    {last}
    return total / len(loader)


for epoch in range(3):
{loop}
{end}
print(torch.rand(1).item())
"""
LOOP = "    print(run_epoch(train_loader, 'train'))\n    print(run_epoch(val_loader, 'val'))"
PHASES = "    for phase in ['train', 'val']:\n        print(run_epoch(train_loader, phase))"


def trained(loop: str = LOOP, end: str = "", last: str = "pass", imports: str = "") -> str:
    return TRAINED.format(loop=loop, end=end, last=last, imports=imports)


@pytest.mark.parametrize("loop", [LOOP, PHASES])
def test_the_evaluation_becomes_a_validation(loop: str) -> None:
    result = convert_text(trained(loop))
    assert isinstance(result, Converted) and not result.diagnostics
    assert "def validation_step(" in result.after and "automatic_optimization" not in result.after
    assert "phase" not in result.after and "def run_epoch" not in result.after


def test_an_evaluation_that_stays_is_a_function_of_its_own() -> None:
    before = trained(LOOP.replace("print(run_epoch(val", "if epoch: print(-run_epoch(val"), "also = run_epoch")
    result = convert_text(before)
    assert isinstance(result, Converted)
    assert "def run_epoch(loader, phase):" in result.after, "it is used elsewhere too"


def test_it_trains_the_same(runner: Runner) -> None:
    before = trained(
        end="print(run_epoch(val_loader, 'test'), torch.is_grad_enabled())", last="print(f'{phase}', total)"
    )
    result = convert_text(before)
    assert isinstance(result, Converted)
    assert first_difference(runner.run(before), runner.run(result.after)) is None


def test_notes_name_lines_of_the_script() -> None:
    before = trained(last="seen.append(total)", imports="seen = []").replace(
        "        print(run_epoch(val", "print(-run_epoch(val"
    )
    before = before.replace("print(run_epoch(val_loader, 'val'))", "seen = [run_epoch(val_loader, 'val') for _ in '1']")
    result = convert_text(before)
    assert isinstance(result, Converted)
    note = next(note for note in result.diagnostics if note.code == "N102")
    assert before.splitlines()[note.line - 1] == "    for x, y in loader:"


@pytest.mark.parametrize("loop", [LOOP, PHASES])
def test_scripts_of_other_tools_are_refused(loop: str) -> None:
    result = convert_text(trained(loop, imports="from accelerate import Accelerator"))
    assert isinstance(result, Refused) and result.diagnostics[0].code == "R110"
