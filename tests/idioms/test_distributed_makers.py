"""Functions that wrap a model and return it; other places where a script may keep a model that it wraps."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import SCRIPT, TEST, WRAP, after, changed

Changes = tuple[tuple[str, str], ...]
NET = "    model = Net()\n"


def wrapping(body: str, call: str = "model = wrap(model)") -> Changes:
    """A function `wrap` with that body, and the line that calls it."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return (("\ndef main", f"\ndef wrap(net, rank=0):\n{lines}\ndef main"), (WRAP, f"{NET}    {call}\n"))


# what is changed, and what the result says then
GOES: dict[str, tuple[Changes, tuple[str, ...]]] = {
    "returned": (wrapping("return DDP(net)"), ("    return net\n", "    model = wrap(model)\n", "strategy='ddp')")),
    "bound_again": (
        wrapping("print('wrapping', rank)\n# above\nnet = DDP(net)  # behind\nreturn net", "model = wrap(model, rank)"),
        ("    print('wrapping', rank)\n    # above\n    # behind\n    return net\n",),
    ),
    "bound": (
        wrapping("wrapped = DDP(net, find_unused_parameters=True)\nreturn wrapped"),
        ("    wrapped = net\n    return wrapped\n", "strategy='ddp_find_unused_parameters_true')"),
    ),
    "made_there": (
        (("\ndef main", "\ndef build(width):\n    return DDP(Net())\n\ndef main"), (WRAP, "    model = build(4)\n")),
        ("    return Net()\n",),
    ),
}
WRAP_NET = "\ndef wrap():\n    return DDP(NET)\n\ndef main"
MORE = "the function that wraps the model does more than to return it"
STAYS: dict[str, tuple[Changes, str]] = {
    "used_behind": (wrapping("net = DDP(net)\nprint(net.module.a.weight)\nreturn net"), MORE),
    "two_returns": (wrapping("if rank > 5:\n    return net\nreturn DDP(net)"), MORE),
    "under_a_condition": (wrapping("if rank < 5:\n    net = DDP(net)\nreturn net"), MORE),
    "called_twice": (wrapping("return DDP(net)", "other = wrap(Net())\n    model = wrap(model)"), "elsewhere too"),
    "called_under_a_condition": (
        wrapping("return DDP(net)", "if rank < 5:\n        model = wrap(model)"), "under a condition",
    ),
    "called_in_a_loop": (
        wrapping("return DDP(net)", "for _ in range(1):\n        model = wrap(model)"), "not in front of the training",
    ),
    "one_of_two": (wrapping("return DDP(net)", "model, k = wrap(model), 1"), MORE),
    "a_model_of_the_file": (
        (("\ndef main", "\nNET = Net()\n" + WRAP_NET), (WRAP, "    model = wrap()\n")),
        "not made or named there",
    ),
    "looked_at": (wrapping("return DDP(net)", "model = wrap(model)\n    print(model.module.a.weight)"), "between"),
    "another_name": (
        wrapping("return DDP(net)", "raw = model\n    model = wrap(model)\n    print(raw.a.weight)"), "may not keep",
    ),
    "in_a_list": (((WRAP, f"{NET}    nets = [model]\n    model = DDP(model)\n    print(nets[0].a.weight)\n"),), "keep"),
    "in_a_tuple": (((WRAP, f"{NET}    raw, k = model, 1\n    model = DDP(model)\n    print(raw.a.weight)\n"),), "keep"),
    "in_an_attribute": (
        ((WRAP, f"{NET}    criterion.net = model\n    model = DDP(model)\n"),), "keep",
    ),
    "decorated": (
        (("\ndef main", "\n@torch.no_grad()\ndef wrap(net):\n    return DDP(net)\n\ndef main"),
         (WRAP, f"{NET}    model = wrap(model)\n")),
        MORE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    changes, parts = GOES[name]
    text = after(changed(SCRIPT, *changes))
    assert "DDP(" not in text and ".module" not in text
    for part in parts:
        assert part in text, text


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    changes, reason = STAYS[name]
    result = convert(changed(SCRIPT.replace(TEST, ""), *changes))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if reason in d.message] == ["N107"], result.diagnostics


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, before and after."""
    both = {}
    for name in ("bound_again", "made_there"):
        text = changed(SCRIPT, *GOES[name][0])
        both |= {name: text, f"{name} converted": after(text)}
    return run_in_processes(both, tmp_path_factory)


@pytest.mark.parametrize("name", ["bound_again", "made_there"])
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]
