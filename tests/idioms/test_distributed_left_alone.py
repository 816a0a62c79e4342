"""Other networks and criteria with weights beside a wrapped model: the Trainer's wrapper leaves them alone."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import CALL, EVALUATION, OPTIMIZER, SCRIPT, STEP, STEPS, TEST, changed, indented

SUMS = "    print(sum(b.double().sum().item() for b in other.buffers()), other.a.weight.sum().item())\n"
BESIDE = changed(
    SCRIPT, (TEST, SUMS), ("range(2)", "range(3)"), ("    criterion =", "    other = Net()\n    criterion =")
)
ADDED = (STEP, STEP.replace(", y)", ", y) + other(x).sum()"))
WEIGHTS = ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(weight=torch.rand(2))")
SECOND = (
    (OPTIMIZER, "    second = torch.optim.SGD(model.parameters(), lr=0.01)\n" + OPTIMIZER),
    ("            optimizer.step()\n", "            optimizer.step()\n            second.step()\n"),
)
MIDDLE = STEPS.replace("for x, y in loader", "for i, (x, y) in enumerate(loader)") + (
    "            if i % 2 == 1:\n" + indented(indented(EVALUATION)) + "                model.train()\n"
)
GOES = {
    "another_network": (ADDED,),
    "a_teacher": (
        (STEP, "            with torch.no_grad():\n                taught = other(x)\n"
               + STEP.replace(", y)", ", y) * (1 + taught.sum())")),
        ("                out = model(x)\n", "                out = model(x) + other(x)\n"),
    ),
    "each_its_own_weights": (WEIGHTS,),
    "frozen_parts": (
        ("    model = DDP(model)\n", "    model.a.requires_grad_(False)\n    model = DDP(model)\n"), ADDED,
    ),
    "unused_parameters": (("DDP(model)", "DDP(model, find_unused_parameters=True)"), ADDED),
    "its_buffers_stay_apart": (("DDP(model)", "DDP(model, broadcast_buffers=False)"), ADDED, WEIGHTS),
    "by_hand": (*SECOND, ADDED),
    "evaluated_in_the_middle": ((EVALUATION, ""), (STEPS, MIDDLE), WEIGHTS),
    "frozen_by_hand": (
        (OPTIMIZER, "    for p in other.parameters():\n        p.requires_grad = False\n" + OPTIMIZER), ADDED,
    ),
    "a_test_follows": ((SUMS, TEST + SUMS), ADDED),
    "given_settings": ((OPTIMIZER, "    other.factor = rank\n    other.to('cpu')\n" + OPTIMIZER), ADDED),
}  # fmt: skip
GROUPS = "    groups = [{'params': model.parameters()}]\n"
MADE = "\ndef made(net, other):\n    return torch.optim.SGD([net.b.weight, other.b.weight], lr=0.1)\n"
TIED = "\ndef tie(net, model):\n    net.inner = model\n"
PAIR = "\ndef pair():\n    model, other = Net(), Net()\n    other.inner = model\n    return model, other\n"
STAYS = {
    "trained_too": (("SGD(model.parameters()", "SGD([*model.parameters(), *other.parameters()]"), ADDED),
    "trained_by_way_of_a_list": (
        (OPTIMIZER, GROUPS + "    groups.append({'params': other.a.weight})\n" + OPTIMIZER),
        ("SGD(model.parameters()", "SGD(groups"), ADDED,
    ),
    "given_to_a_function": (
        ("\ndef main", MADE + "\ndef main"),
        ("torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)", "made(model, other)"), ADDED,
    ),
    "trained_later": (
        (OPTIMIZER + ".optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n",
         OPTIMIZER + ".optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
         "    optimizer.add_param_group({'params': other.parameters()})\n"), ADDED,
    ),
    "trained_in_a_group": (
        (OPTIMIZER + ".optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n",
         OPTIMIZER + ".optim.SGD(model.parameters(), lr=0.1, momentum=0.9)\n"
         "    optimizer.param_groups[0]['params'].append(other.a.weight)\n"), ADDED,
    ),
    "it_holds_the_model": ((OPTIMIZER, "    other.inner = model\n" + OPTIMIZER), ADDED),
    "it_is_given_the_model": ((OPTIMIZER, "    other.add_module('inner', model)\n" + OPTIMIZER), ADDED),
    "it_is_tied_to_the_model": (
        ("\ndef main", TIED + "\ndef main"), (CALL, "    tie(other, model)\n" + CALL), ADDED,
    ),
    "both_come_from_one_call": (
        ("\ndef main", PAIR + "\ndef main"), ("    other = Net()\n", ""),
        ("    model = Net()\n", "    model, other = pair()\n"), ADDED,
    ),
    "it_is_given_the_model_by_a_builtin": ((OPTIMIZER, "    setattr(other, 'inner', model)\n" + OPTIMIZER), ADDED),
    "it_is_given_the_model_by_its_class": (
        (OPTIMIZER, "    nn.Module.add_module(other, 'inner', model)\n" + OPTIMIZER), ADDED,
    ),
    "it_is_put_into_a_list_with_the_model": (
        (CALL, "    every = []\n    list.append(every, model)\n    other.every = every\n" + CALL), ADDED,
    ),
    "trained_by_name": (
        ("SGD(model.parameters()", "SGD([*model.parameters(), *locals()['other'].parameters()]"), ADDED,
    ),
    "it_puts_itself_somewhere": (
        ("        super().__init__()\n", "        super().__init__()\n        EVERY.append([self])\n"),
        ("\nclass Net", "\nEVERY = []\n\nclass Net"),
        ("    other = Net()\n", "    other = nn.ModuleList(EVERY[-1])[0]\n"), ADDED,
    ),
    "both_are_handed_in": (
        ("def main():", "def main(model, other):"), ("    other = Net()\n", ""), ("    model = Net()\n", ""),
        ("    main()\n", "    globals()['main'](*pair())\n"), ("\ndef main", PAIR + "\ndef main"), ADDED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    result = convert(changed(BESIDE, *GOES[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" not in result.after and "strategy=" in result.after


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(changed(BESIDE, *STAYS[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "strategy=" not in result.after
    assert "N107" in [d.code for d in result.diagnostics], result.diagnostics


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did."""
    scripts = {}
    for name, changes in GOES.items():
        text = changed(BESIDE, *changes)
        converted = convert(text)
        assert isinstance(converted, Converted)
        scripts |= {name: text, f"{name} converted": converted.after}
    return run_in_processes(scripts, tmp_path_factory)


@pytest.mark.parametrize("name", GOES)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]
