"""Evaluations of other files beside a training that stands in the script itself."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.project import OtherFile, Others, analyze_file, convert_file
from refactorer.result import Converted

TEST = """\
import torch

SCALE = 2.0


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += (model(x) - y).abs().sum().item() * SCALE
    return total
"""
MAIN = """\
import torch
from test import evaluate

torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
train_loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
val_loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(2)]
for epoch in range(3):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    print(epoch, repr(evaluate(model, val_loader)))
"""


def take(main: str = MAIN, test: str = TEST, **others: str) -> Converted:
    texts = {"test": test, **others}
    files = {name: OtherFile(f"{name}.py", text) for name, text in texts.items()}
    result = convert_file(main, path="main.py", others=Others(files))
    assert isinstance(result, Converted), [str(found) for found in result.diagnostics]
    assert result.before == main
    return result


def codes(result: Converted) -> list[str]:
    return [note.code for note in result.diagnostics]


def test_an_evaluation_of_another_file_is_taken_in() -> None:
    result = take()
    assert codes(result) == ["N108"]
    assert result.diagnostics[0].message == "evaluate() of test.py is part of this file now"
    assert "def validation_step(" in result.after
    assert "from test import SCALE\n" in result.after
    assert "evaluate" not in result.after


def test_through_a_module_and_an_alias() -> None:
    for imported, call in (("import test", "test.evaluate("), ("from test import evaluate as run_test", "run_test(")):
        main = MAIN.replace("from test import evaluate", imported).replace("evaluate(", call)
        assert "def validation_step(" in take(main).after


def test_an_analysis_finds_the_training_where_it_stands() -> None:
    others = Others({"test": OtherFile("test.py", TEST)})
    analysis = analyze_file(MAIN, path="main.py", others=others)
    assert analysis.result == convert_file(MAIN, path="main.py", others=others)
    assert [(found.kind, found.line, found.path) for found in analysis.findings] == [
        ("training-loop", 9, None), ("batch-loop", 11, None)
    ]  # fmt: skip
    (plain,) = (analyze_file(MAIN, path="main.py"),)
    assert [found.line for found in plain.findings] == [9, 11]


@pytest.mark.parametrize(
    ("main", "test"),
    [
        (MAIN + "print([evaluate(model, loader) for loader in (train_loader, val_loader)])\n", TEST),
        (MAIN + "table = {'evaluate': evaluate}\n", TEST),
        (MAIN, TEST.replace("    model.eval()", "    global SCALE\n    model.eval()")),
        (MAIN, TEST.replace("    model.eval()", "    model.eval()\n    print(__name__)")),
        (MAIN, "from random import *\n" + TEST),
        (
            MAIN,
            TEST.replace("    with torch.no_grad():\n        for", "    if True:\n        for").replace(
                "eval()", "half()"
            ),
        ),
        (MAIN, TEST.replace("def evaluate", "def other").replace("SCALE = 2.0", "evaluate = print")),
        (
            MAIN,
            TEST.replace("            total", "            if x is None:\n                return 0\n            total"),
        ),
        (MAIN.replace("import torch\n", "import torch\nfrom other import *\n"), TEST),
        (MAIN.replace("import torch\n", "import torch\nimport test as t\nt.evaluate = print\n"), TEST),
    ],
)
def test_what_stays_in_its_file(main: str, test: str) -> None:
    """The script is then converted as if no other files were known."""
    result = take(main, test)
    assert result == convert_text(main, path="main.py")


def test_other_trainings_of_other_files_stay_there() -> None:
    engine = "def fit(model, loader, optimizer):\n    for x in loader:\n        model(x).sum().backward()\n"
    main = MAIN.replace("import torch\n", "import torch\nfrom engine import fit\n")
    main += "fit(model, [x for x, _ in val_loader], optimizer)\n"
    result = take(main, engine=engine)
    assert "from engine import fit\n" in result.after
    assert "def validation_step(" in result.after


def test_what_files_out_of_sight_replace_is_asked_for_in_its_module() -> None:
    files = {"test": OtherFile("test.py", TEST)}
    stays = convert_file(MAIN, path="main.py", others=Others(files, replaced=lambda: frozenset({"evaluate"})))
    assert stays == convert_text(MAIN, path="main.py")
    result = convert_file(MAIN, path="main.py", others=Others(files, replaced=lambda: frozenset({"SCALE"})))
    assert isinstance(result, Converted)
    assert "def validation_step(" in result.after
    assert "test.SCALE" in result.after
