"""Accumulated gradients of several processes: averaged for each batch, or once for each step, as the script does it."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import SCRIPT, STEPS, TEST, changed

IMPORT = ("import torch\n", "import torch\nfrom contextlib import ExitStack, contextmanager, nullcontext\n")
MODEL = "    model = DDP(model)\n"
OTHER_DATA = (("range(2)", "range(3)"), ("92.).view(23, 4) / 46", "184.).view(46, 4) / 92"), ("range(23)", "range(46)"))
LOSS = "loss = criterion(model(x), y) / 3\nloss.backward()\n"
STEP = "if (i + 1) % 3 == 0:\n    optimizer.step()\n    optimizer.zero_grad()\n"
WAITS = "(i + 1) % 3 != 0"
BRANCHES = f"""
if {WAITS}:
    with model.no_sync():  # not yet
{indent(LOSS, "        ")}else:
{indent(LOSS, "    ")}"""
BACKWARD = f"""
loss = criterion(model(x), y) / 3
if {WAITS}:
    with model.no_sync():
        loss.backward()
else:
    loss.backward()
"""


def script(lines: str, *changes: tuple[str, str]) -> str:
    body = "        for i, (x, y) in enumerate(loader):\n" + indent(lines.strip("\n") + "\n", " " * 12)
    return changed(SCRIPT, (TEST, ""), IMPORT, *OTHER_DATA, (STEPS, body), *changes)


def inside(context: str, lines: str = LOSS) -> str:
    return f"with {context}:\n{indent(lines, '    ')}"


GUARDED = (
    (MODEL, "    ddp = dist.get_world_size() > 1\n    if ddp:\n        model = DDP(model)\n"),
    ('            torch.save(model.state_dict(), "wrapped.pt")\n', ""),
    ("model.module.state_dict()", "(model.module if ddp else model).state_dict()"),
)
AT_ONCE = {
    "a_choice_in_the_header": script(inside(f"model.no_sync() if {WAITS} else nullcontext()") + STEP),
    "chosen_the_other_way_round": script(inside("(nullcontext() if i % 3 == 2 else model.no_sync())") + STEP),
    "a_context_with_a_name": script(
        f"context = model.no_sync if {WAITS} else nullcontext\n" + inside("context()") + STEP
    ),
    "a_name_in_branches": script(
        f"context = None\nif {WAITS}:\n    context = model.no_sync\nelse:\n    context = nullcontext\n"
        + inside("context()") + STEP
    ),
    "a_context_of_the_file": script(
        inside(f"model.no_sync() if {WAITS} else nothing()") + STEP,
        ("\ndef main", "\n@contextmanager\ndef nothing():\n    yield\n\ndef main"),
    ),
    "a_stack": script(
        inside("ExitStack() as stack", f"if {WAITS}:\n    stack.enter_context(model.no_sync())\n" + LOSS) + STEP
    ),
    "branches": script(BRANCHES + STEP),
    "branches_with_the_step": script(BRANCHES + "    optimizer.step()\n    optimizer.zero_grad()\n"),
    "a_flag": script("model.require_backward_grad_sync = (i + 1) % 3 == 0\n" + LOSS + STEP),
    "the_last_batch_too": script(
        "update = (i + 1) % 3 == 0 or i + 1 == len(loader)\n"
        + inside("nullcontext() if update else model.no_sync()") + STEP.replace("(i + 1) % 3 == 0", "update")
    ),
    "an_opposite": script(
        inside("model.no_sync() if (i + 1) % 3 != 0 and i + 1 < len(loader) else nullcontext()")
        + STEP.replace("== 0", "== 0 or i + 1 == len(loader)")
    ),
    "left_epochs": script(inside(f"model.no_sync() if {WAITS} else nullcontext()") + STEP + "if i == 4:\n    break\n"),
    "left_batches": script(
        "if x[0, 0] > 0.8:\n    continue\n" + inside(f"model.no_sync() if {WAITS} else nullcontext()") + STEP
    ),
    "under_a_condition": script(inside(f"model.no_sync() if ddp and {WAITS} else nullcontext()") + STEP, *GUARDED),
    "a_flag_under_a_condition": script(
        "if ddp:\n    model.require_backward_grad_sync = (i + 1) % 3 == 0\n" + LOSS + STEP, *GUARDED
    ),
}  # fmt: skip
EACH_TIME = {
    "without": script(LOSS + STEP),
    "around_the_backward_pass": script(BACKWARD + STEP),
    "in_a_condition": script(LOSS + STEP, *GUARDED),
}
STAYS = {
    "other_batches": script(inside("model.no_sync() if (i + 1) % 2 != 0 else nullcontext()") + STEP),
    "the_last_batch_is_no_step": script(
        inside(f"model.no_sync() if {WAITS} and i + 1 != len(loader) else nullcontext()") + STEP
    ),
    "a_condition_of_its_own": script(
        inside(f"model.no_sync() if late and {WAITS} else nullcontext()") + STEP,
        (MODEL, MODEL + "    late = rank > 5\n"),
    ),
    "called_in_front": script(
        "with torch.no_grad():\n    model(x)\n" + inside(f"model.no_sync() if {WAITS} else nullcontext()") + STEP
    ),
    "other_lines": script(BRANCHES.replace("/ 3\n    loss.backward()\n", "/ 4\n    loss.backward()\n") + STEP),
    "a_context_that_does_something": script(
        inside(f"model.no_sync() if {WAITS} else aloud()") + STEP,
        ("\ndef main", "\n@contextmanager\ndef aloud():\n    print('now')\n    yield\n\ndef main"),
    ),
    "a_context_that_prints_as_it_begins": script(
        inside(f"model.no_sync() if {WAITS} else aloud()") + STEP,
        ("\ndef main", "\n@contextmanager\ndef aloud():\n    yield print('now')\n\ndef main"),
    ),
    "a_setting_that_counts_who_asks": script(
        inside("model.no_sync() if (i + 1) % asked.number != 0 else nullcontext()") + STEP.replace("3", "asked.number"),
        ("\ndef main", "\nclass Asked:\n    times = 0\n    @property\n    def number(self):\n"
         "        Asked.times += 1\n        return 3\n\nasked = Asked()\n\ndef main"),
    ),
    "a_context_used_twice": script(
        f"context = model.no_sync if {WAITS} else nullcontext\n" + inside("context()") + STEP + "print(context)\n"
    ),
    "a_condition_that_changes": script(
        inside("model.no_sync() if (i + 1) % n != 0 else nullcontext()") + STEP.replace("3", "n") + "n = 2\n",
        (MODEL, MODEL + "    n = 3\n"),
    ),
    "a_flag_behind_the_call": script(
        LOSS + "model.require_backward_grad_sync = (i + 1) % 3 == 0\n" + STEP
    ),
    "a_flag_behind_a_helper": script(
        "out = forward(model, x)\nmodel.require_backward_grad_sync = (i + 1) % 3 == 0\n"
        + LOSS.replace("model(x)", "out") + STEP,
        ("\ndef main", "\ndef forward(net, x):\n    return net(x)\n\ndef main"),
    ),
    "gradients_of_parts": script(
        "optimizer.zero_grad()\nfor part in range(2):\n" + indent(
            inside("nullcontext() if part == 1 else model.no_sync()", LOSS.replace("x", "x[part:]", 1)), "    "
        ) + "optimizer.step()\n"
    ),
}  # fmt: skip
GOES = {**AT_ONCE, **EACH_TIME}


@pytest.mark.parametrize("name", GOES)
def test_the_trainer_averages(name: str) -> None:
    result = convert(GOES[name])
    assert isinstance(result, Converted), result.diagnostics
    assert not result.diagnostics
    assert "accumulate_grad_batches=3" in result.after and "strategy='ddp'" in result.after
    assert ("sync_each_batch=True" in result.after) == (name in EACH_TIME)
    assert not any(word in result.after for word in ("DDP(", "no_sync", "require_backward", "context("))


@pytest.mark.parametrize("name", STAYS)
def test_the_script_averages(name: str) -> None:
    result = convert(STAYS[name])
    assert isinstance(result, Converted), result.diagnostics
    assert "N107" in [note.code for note in result.diagnostics]
    assert "DDP(" in result.after and "strategy=" not in result.after
    assert result.after.count("no_sync") == STAYS[name].count("no_sync")


def test_no_comment_is_lost() -> None:
    result = convert(GOES["branches"])
    assert isinstance(result, Converted) and "# not yet" in result.after


def test_the_module_without_a_wrapper_keeps_its_own_method() -> None:
    """A class of the file may have a `no_sync` that has nothing to do with processes."""
    own = "        return self.b(self.drop("
    method = "    def no_sync(self):\n        print('mine')\n        return nullcontext()\n    def forward(self, x):\n"
    text = script(
        inside(f"model.no_sync() if {WAITS} else nullcontext()") + STEP, (MODEL, ""), ("model.module.", "model."),
        ("    def forward(self, x):\n" + own, method + own),
    )  # fmt: skip
    result = convert(text)
    assert isinstance(result, Converted) and "self.model.no_sync() if " in result.after


def test_a_condition_with_a_name_counts_batches() -> None:
    text = dedent("""\
        import torch
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = [torch.ones(3, 2)] * 5
        for epoch in range(2):
            for i, x in enumerate(loader):
                update = (i + 1) % 2 == 0  # the optimizer's
                model(x).sum().backward()
                if update:
                    optimizer.step()
                    optimizer.zero_grad()
        """)
    result = convert(text)
    assert isinstance(result, Converted) and "accumulate_grad_batches=2" in result.after and not result.diagnostics
    assert "update" not in result.after and "# the optimizer's" in result.after
    for kept in ("    print(update)\n", "    i += 1\n", "    [update for _ in x]\n"):
        other = convert(text + "        " + kept.replace("    ", "", 1).replace("i += 1", "i = 3"))
        assert isinstance(other, Converted) and "update = (" in other.after


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did."""
    scripts: dict[str, str] = {}
    for name, text in GOES.items():
        converted = convert(text)
        assert isinstance(converted, Converted)
        scripts |= {name: text, f"{name} converted": converted.after}
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]


def test_where_gradients_are_averaged_can_be_told(runs: dict[str, list[dict[str, Any]]]) -> None:
    assert runs["a_flag"][0]["losses"] != runs["without"][0]["losses"]
