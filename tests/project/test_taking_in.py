"""Which functions of other files are taken in, and what keeps one where it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from refactorer import converter
from refactorer.options import Options
from refactorer.project import OtherFile, Others, analyze_file, convert_file
from refactorer.result import Converted, Result, Unchanged

ENGINE = """\
import math
import torch

SCALE = 2.0


def train_one_epoch(model, optimizer, loader, epoch):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean() * SCALE
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, math.sqrt(total))
    return total


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += (model(x) - y).abs().sum().item()
    return total
"""
MAIN = """\
import torch
from engine import train_one_epoch, evaluate

torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)]
for epoch in range(3):
    loss = train_one_epoch(model, optimizer, loader, epoch)
    print(repr(loss))
    print(repr(evaluate(model, loader)))
"""


def take(main: str = MAIN, engine: str = ENGINE, **others: str) -> Result:
    texts = {"engine": engine, **others}
    files = {name: OtherFile(f"{name}.py", text) for name, text in texts.items()}
    return convert_file(main, path="main.py", others=Others(files))


def taken(main: str = MAIN, engine: str = ENGINE, **others: str) -> str:
    result = take(main, engine, **others)
    assert isinstance(result, Converted), [str(found) for found in result.diagnostics]
    assert result.before == main
    assert "N108" in {found.code for found in result.diagnostics}
    assert "backward" not in result.after
    return result.after


def test_functions_of_another_file_are_taken_in() -> None:
    after = taken()
    assert "from engine import SCALE\n" in after
    assert "import math\n" in after
    assert "def validation_step(" in after
    assert "train_one_epoch" not in after


def test_a_note_says_which_functions_and_from_where() -> None:
    (note,) = [found for found in take().diagnostics if found.code == "N108"]
    assert "train_one_epoch() and evaluate() of engine.py" in note.message
    assert (note.path, note.line) == ("main.py", 2)


def test_other_diagnostics_name_the_line_in_the_other_file() -> None:
    engine = ENGINE.replace("loss.backward()", "loss.backward(retain_graph=True)\n        loss.backward()")
    (note,) = [note for note in take(engine=engine).diagnostics if note.code != "N108"]
    assert (note.code, note.path) == ("N101", "engine.py")
    assert engine.splitlines()[note.line - 1] == "    for x, y in loader:"


def test_findings_name_their_file() -> None:
    files = {"engine": OtherFile("engine.py", ENGINE)}
    found = {
        (one.kind, one.path, one.line) for one in analyze_file(MAIN, path="main.py", others=Others(files)).findings
    }
    assert found == {("training-loop", None, 8), ("batch-loop", "engine.py", 10)}


def test_an_analysis_converts_each_text_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    analyze_text = converter.analyze_text

    def counted(text: str, *, path: str, options: Options, used: Sequence[str]) -> converter.Analysis:
        seen.append(text)
        return analyze_text(text, path=path, options=options, used=used)

    monkeypatch.setattr(converter, "analyze_text", counted)
    monkeypatch.setattr(converter, "convert_text", lambda *_, **__: pytest.fail("a text was converted besides"))
    files = {"engine": OtherFile("engine.py", ENGINE)}
    analysis = analyze_file(MAIN, path="main.py", others=Others(files))
    assert isinstance(analysis.result, Converted) and len(seen) == len(set(seen)) == 2


def test_alone_nothing_is_taken_in() -> None:
    assert convert_file(MAIN) == Unchanged("<string>")


@pytest.mark.parametrize(
    ("imported", "call"),
    [
        ("import engine", "engine."),
        ("import engine as e", "e."),
        ("import pkg.engine", "pkg.engine."),
        ("from pkg import engine as e", "e."),
        ("from engine import train_one_epoch as train, evaluate", ""),
    ],
)
def test_ways_to_import(imported: str, call: str) -> None:
    main = MAIN.replace("from engine import train_one_epoch, evaluate", imported)
    train = "train" if " as train" in imported else "train_one_epoch"
    main = main.replace("= train_one_epoch(", f"= {call}{train}(").replace("evaluate(", f"{call}evaluate(")
    after = taken(main, **{"pkg.engine": ENGINE})
    assert imported not in after
    assert "SCALE" in after


def test_reexported_by_a_package() -> None:
    files = {
        "pkg": OtherFile("pkg/__init__.py", "from .engine import train_one_epoch, evaluate\n", package=True),
        "pkg.engine": OtherFile("pkg/engine.py", ENGINE.replace("import math", "from . import math")),
        "pkg.math": OtherFile("pkg/math.py", "def sqrt(x):\n    return x\n"),
    }
    result = convert_file(MAIN.replace("from engine", "from pkg"), others=Others(files))
    assert isinstance(result, Converted)
    assert "from pkg.engine import SCALE\n" in result.after
    assert "from pkg import math\n" in result.after


def test_a_name_that_the_script_has_for_something_else_gets_another() -> None:
    after = taken(MAIN.replace("torch.manual_seed(0)", "SCALE = math = 'of the script'\nprint(math, SCALE)"))
    assert "from engine import SCALE as engine_SCALE\n" in after
    assert "import math as engine_math\n" in after
    assert "* engine_SCALE" in after


def test_a_variable_that_is_bound_again_is_read_from_its_module() -> None:
    after = taken(
        MAIN + "engine.SCALE = 3\n".replace("engine", "module"),
        ENGINE + "\ndef f():\n    global SCALE\n    SCALE = 1\n",
    )
    assert "import engine\n" in after
    assert "* engine.SCALE" in after


def test_an_evaluation_that_is_called_elsewhere_is_still_imported() -> None:
    after = taken(MAIN.replace("for epoch", "print('before', evaluate(model, loader))\nfor epoch"))
    assert "from engine import evaluate, SCALE\n" in after
    assert "def evaluate" not in after


def test_what_another_file_does_when_it_is_imported_still_happens() -> None:
    engine = ENGINE.replace("* SCALE", "").replace("SCALE = 2.0", "torch.manual_seed(3)")
    assert "\nimport engine\n" in taken(engine=engine)
    assert "engine" not in taken(engine=engine.replace("torch.manual_seed(3)", ""))


def test_a_module_that_does_something_is_still_imported_for_it() -> None:
    engine = "import registry\n" + ENGINE.replace("* SCALE", "")
    assert "\nimport engine\n" in taken(engine=engine, registry="print('registered')\n")
    assert "engine" not in taken(engine=engine, registry="X = 1\n")
    assert "engine" not in taken("import registry\n" + MAIN, engine, registry="print('registered')\n")


@pytest.mark.parametrize(
    ("line", "goes"),
    [
        ("X = {'a': (1, -2.0), 'b': [None]}", True),
        ("X = torch.device('cuda' if torch.cuda.is_available() else 'cpu')", True),
        ("class X(torch.nn.Module):\n    def __init__(self, size: int = 3):\n        print(size)", True),
        ("@torch.no_grad()\ndef x(y: things.A = None, z=math.pi * 2):\n    print(y)", True),
        ("if __name__ == '__main__':\n    print('no')", True),
        ("try:\n    import tqdm\nexcept ImportError:\n    tqdm = None", True),
        ("X = print('x')", False),
        ("def x(y=torch.rand(1)):\n    pass", False),
        ("class X(things.A):\n    pass", False),
        ("torch.backends.cudnn.benchmark = True", False),
        ("X = A + 1", False),
        ("X = A.b", False),
        ("X = A[0]", False),
        ("X = f'{A}'", False),
        ("if A:\n    X = 1", False),
        ("@A\ndef x():\n    pass", False),
        ("for x in A:\n    pass", False),
    ],
)
def test_imports_go_if_nobody_would_miss_what_they_run(line: str, goes: bool) -> None:
    engine = ENGINE.replace("* SCALE", "").replace("SCALE = 2.0", f"import things\nfrom things import A\n\n{line}")
    after = taken("import things\n" + MAIN, engine, things="print('things')\n")
    assert ("import engine\n" not in after) == goes


def test_line_ends_and_indents_are_those_of_the_script() -> None:
    main = MAIN.replace("    ", "\t").replace("\n", "\r\n")
    after = taken(main)
    assert after.count("\n") == after.count("\r\n")
    assert "\n\tdef training_step(" in after
    assert "\n    " not in after


def test_annotations_go() -> None:
    engine = "from typing import Iterable\n" + ENGINE.replace(
        "loader, epoch)", "loader: Iterable, epoch: int = 0) -> float"
    )
    assert "Iterable" not in taken(engine=engine)


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_annotations_of_variables_go_that_name_what_the_script_does_not_have(future: str) -> None:
    engine = ENGINE.replace("    total = 0.0", "    seen: List[float] = []\n    total: float = 0.0")
    after = taken(engine=f"{future}from typing import List\n{engine}")
    assert "List" not in after


def test_a_package_that_gives_a_function_of_the_name_of_its_module() -> None:
    files = {
        "engine": OtherFile("engine/__init__.py", "from .evaluate import evaluate, train_one_epoch\n", True),
        "engine.evaluate": OtherFile("engine/evaluate.py", ENGINE),
    }
    assert isinstance(convert_file(MAIN, path="main.py", others=Others(files)), Converted)


def test_a_variable_of_a_module_that_its_package_hides() -> None:
    files = {
        "engine": OtherFile("engine/__init__.py", "from .evaluate import evaluate, train_one_epoch\n", True),
        "engine.evaluate": OtherFile("engine/evaluate.py", f"{ENGINE}\ndef f():\n    global SCALE\n    SCALE = 1\n"),
    }
    result = convert_file(MAIN, path="main.py", others=Others(files))
    assert isinstance(result, Unchanged)
    assert "something else by the name of its module" in result.diagnostics[0].message


@pytest.mark.parametrize("line", ["from math import sqrt as engine", "engine = 3", "def f():\n    engine = 3"])
def test_the_import_of_a_module_for_what_it_runs_takes_no_name_of_the_script(line: str) -> None:
    engine = ENGINE.replace("* SCALE", "").replace("SCALE = 2.0", "print('imported')")
    assert "import engine as engine_module\n" in taken(MAIN.replace("torch.manual_seed(0)", line), engine)


def test_names_of_star_imports_are_those_of_other_things() -> None:
    main = MAIN.replace("import torch\n", "import torch\nimport math\nfrom shapes import *\n")
    after = taken(main, shapes="SIDE = 3\n")
    assert "math_" not in after
    after = taken(main, shapes="from deep import *\n", deep="def math(x):\n    pass\n\n\nSCALE = 3\n")
    assert "import math as engine_math\n" in after
    assert "SCALE as engine_SCALE\n" in after


@pytest.mark.parametrize(
    "line",
    [
        "import engine\nengine.evaluate = len",
        "from other import *",
        "import other",
        "import engine\nother = engine.evaluate",
    ],
)
def test_an_evaluation_that_may_be_another_function_stays(line: str) -> None:
    other = "import engine\n\n\ndef evaluate():\n    pass\n\n\nengine.evaluate = evaluate\n"
    after = taken(MAIN.replace("torch.manual_seed(0)", line), other=other)
    assert "def validation_step(" not in after
    assert "evaluate(self.model, " in after


def test_what_only_an_evaluation_calls_that_stays_is_not_taken_in() -> None:
    engine = ENGINE + "\n\ndef test(model, loader):\n    print(__name__)\n    return evaluate(model, loader)\n"
    after = taken(
        MAIN.replace("train_one_epoch, evaluate", "train_one_epoch, test").replace("(evaluate(", "(test("), engine
    )
    assert "from engine import test, SCALE\n" in after


STAYS = {
    "binds global variables": (MAIN, ENGINE.replace("    model.train()\n", "    global SCALE\n    SCALE = 1.0\n")),
    "unknown is something else in the script": ("unknown = 1\n" + MAIN, ENGINE.replace("math.sqrt", "unknown")),
    "print is something else": (MAIN.replace("torch.manual_seed(0)", "print = str"), ENGINE),
    "hands it on": (MAIN + "show = train_one_epoch\n", ENGINE),
    "asks for __name__": (MAIN, ENGINE.replace("print(epoch", "print(__name__")),
    "asks for globals": (MAIN, ENGINE.replace("print(epoch", "print(len(globals())")),
    "looks at code": (MAIN, "import inspect\n" + ENGINE.replace("(epoch", "(inspect.stack()")),
    "generator": (MAIN, ENGINE.replace("    return total\n", "    yield total\n", 1)),
    "`from ... import *`": (MAIN, "from math import *\n" + ENGINE),
    "which may bind any name": ("from torch import *\n" + MAIN, ENGINE),
    "line ends": (MAIN.replace("\n\n", "\r\n", 1).replace("\r\n", "\r", 1), ENGINE),
    "may bind its name": ("from engine import *\n" + MAIN, ENGINE),
    "in its place": (MAIN + "import engine\nengine.train_one_epoch = None\n", ENGINE),
    "out of sight": (MAIN + "import engine\nsetattr(engine, 'SCALE', 1)\n", ENGINE),
    "where modules are found": ("import sys\nsys.path.insert(0, 'x')\n" + MAIN, ENGINE),
    "its module is handed on": (MAIN + "import engine\nother = engine\nother.SCALE = 3.0\n", ENGINE),
    "variables may be bound by another name": (
        MAIN + "import importlib\nimportlib.import_module('engine').SCALE = 3.0\n", ENGINE),
    "set variables of others": (MAIN + "from unittest import mock\nmock.patch('engine.SCALE', 9.0)\n", ENGINE),
    "imports the script": (MAIN, "import __main__\n" + ENGINE),
    "may be unbound": (MAIN, ENGINE.replace("SCALE = 2.0", "if math.pi > 3:\n    SCALE = 2.0")),
}  # fmt: skip


@pytest.mark.parametrize("reason", STAYS)
def test_stays(reason: str) -> None:
    result = take(*STAYS[reason])
    assert isinstance(result, Unchanged)
    (note,) = result.diagnostics
    assert (note.code, note.path) == ("N109", "main.py")
    assert reason in note.message


@pytest.mark.parametrize("line", ["print(engine)", "getattr(engine, 'SCALE')", "hasattr(engine, 'SCALE')"])
def test_a_module_that_is_only_asked_for_something_is_not_handed_on(line: str) -> None:
    taken(MAIN + f"import engine\n{line}\n")


def test_a_package_that_is_handed_on_leads_to_its_modules() -> None:
    main = MAIN.replace("from engine", "from lib.engine") + "import lib\nprint([lib])\n"
    files = {"lib": OtherFile("lib/__init__.py", "", package=True), "lib.engine": OtherFile("lib/engine.py", ENGINE)}
    result = convert_file(main, path="main.py", others=Others(files))
    assert isinstance(result, Unchanged)
    assert "handed on" in result.diagnostics[0].message


def test_a_function_whose_name_in_the_script_is_a_variable_of_its_caller_stays() -> None:
    main = MAIN.replace("one_epoch, evaluate", "one_epoch, evaluate as result").replace(
        "repr(evaluate(", "repr(result("
    )
    engine = ENGINE.replace("    print(epoch", "    result = evaluate(model, loader)\n    print(result, epoch")
    assert "= evaluate(self.model, " in taken(main, engine)


def test_names_of_builtins_are_not_imported() -> None:
    after = taken(engine=ENGINE.replace("SCALE", "super"))
    assert "from engine import super as engine_super\n" in after


def test_a_file_that_imports_the_script() -> None:
    files = {"engine": OtherFile("engine.py", "import main\n" + ENGINE), "main": OtherFile("main.py", MAIN)}
    result = convert_file(MAIN, path="main.py", others=Others(files))
    assert isinstance(result, Unchanged)
    assert "imports the script" in result.diagnostics[0].message


def test_a_whole_training_stays() -> None:
    engine = ENGINE.replace("    for x, y in loader:\n        opt", "    for x, y in loader * epoch:\n        opt", 1)
    main = MAIN.replace("for epoch in range(3):\n", "if True:\n    epoch = 3\n")
    result = take(main, engine)
    assert isinstance(result, Unchanged)
    assert [found.code for found in result.diagnostics] == ["N109"]


def test_not_a_word_about_functions_that_compute_no_gradients() -> None:
    assert take(engine=ENGINE.replace("loss.backward()", "pass")).diagnostics == ()


def test_not_a_word_about_gradients_that_train_nothing() -> None:
    engine = ENGINE.replace("        optimizer.step()\n", "        print(__name__)\n")
    assert take(engine=engine) == Unchanged("main.py")


def test_a_file_that_only_python_reads() -> None:
    """LibCST needs a space behind `return`."""
    assert take(engine=ENGINE + "\n\ndef f():\n    return[1]if 0 else[2]if 0else[3]\n").status in (
        "unchanged",
        "converted",
    )


def test_a_function_that_the_script_defines_again_is_its_own() -> None:
    assert take(MAIN.replace("for epoch", "def train_one_epoch(*args):\n    return 0\n\n\nfor epoch")).diagnostics == ()


def test_a_name_that_nothing_binds_is_an_error_in_both() -> None:
    after = taken(
        engine=ENGINE.replace("    print(epoch", "    if epoch > 7:\n        unknown(epoch)\n    print(epoch")
    )
    assert "unknown(self.current_epoch)" in after
    engine = ENGINE.replace("math.sqrt(total)", "unknown(total)")
    result = take(MAIN.replace("import torch\n", "import torch\nimport engine\nengine.unknown = 3\n"), engine)
    assert [found.code for found in result.diagnostics] == ["N109"]


STARRED = ENGINE.replace("import math\n", "from tools import *\n").replace("SCALE = 2.0\n", "")
TOOLS = "import math\nimport torch\n\nSCALE = 2.0\n\n\ndef unused():\n    pass\n"


def test_names_of_a_star_in_the_other_file() -> None:
    after = taken(engine=STARRED, tools=TOOLS)
    assert "from tools import SCALE\n" in after
    assert "import math\n" in after
    assert "math.sqrt(self.total)" in after
    assert "torch as" not in after


@pytest.mark.parametrize(
    ("engine", "tools"),
    [
        (STARRED + "\n\nSCALE = 3\n", TOOLS),
        (STARRED, TOOLS + "__all__ = ['math']\n"),
        (STARRED.replace("SCALE", "_SCALE"), TOOLS.replace("SCALE", "_SCALE")),
        (STARRED, TOOLS + "\n\ndef sqrt(x):\n    global SCALE\n    SCALE = x\n\n\nfrom numpy import *\n"),
        (STARRED.replace("import torch\n", "import torch\nfrom others import *\n"), TOOLS),
        ("if True:\n    " + STARRED.lstrip(), TOOLS),
        (STARRED, TOOLS.replace("SCALE = 2.0", "if torch.cuda.is_available():\n    SCALE = 2.0")),
    ],
)
def test_a_star_that_may_bind_something_else(engine: str, tools: str) -> None:
    result = take(engine=engine, tools=tools, others="SCALE = 5\n")
    assert [found.code for found in result.diagnostics] == ["N109"]


def test_a_star_that_gives_a_name_of_a_builtin() -> None:
    after = taken(engine=STARRED, tools=TOOLS + "\n\ndef print(*things):\n    pass\n")
    assert "import print as" in after or "from tools import SCALE, print" in after
