"""Wrappers of models that are made, named or used elsewhere than beside the loop, and what else the hooks may hold."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import FIXTURES, read
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import changed

SCRIPT = read(FIXTURES / "ddp_in_another_function.in.py")
WRAP = "    ddp_model = DistributedDataParallel(model)\n"
TRAIN = "    train(rank, world_size, args, data, ddp_model, device)\n"
CRITERION = "    criterion = SmoothLoss(0.2).to(device)\n"
STEP = "            loss = criterion(model(x), y)\n"
COUNT = '    print("parameters", sum(p.numel() for p in model.parameters() if p.requires_grad))\n'
INFER = "    right = sum((model.module.infer(x) == y).sum().item() for x, y in loader)\n"
SAVE = '            torch.save(model.module.state_dict(), f"epoch{epoch}.pt")\n'
SMOOTHING = "        self.smoothing = smoothing\n"
HELPER = """def compute(net, criterion, x, y):
    out = net(x)
    return criterion(out, y)


def train("""
HELPED = ((STEP, "            loss = compute(model, criterion, x, y)\n"), ("def train(", HELPER))
AUTOCAST = """            if args.lr:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    out = model(x)
            loss = criterion(out.float(), y)
"""
ALIAS = "            net = model.module\n            net.eval()\n            print(net(data[:][0]).sum().item())\n"
AVERAGE = "class Average:\n    def __init__(self):\n        self.net = nn.Linear(4, 2)\n\n\ndef run("
LAYER = ("def run(", "def layer():\n    return nn.Linear(4, 2)\n\n\ndef run(")
Changes = tuple[tuple[str, str], ...]


def holding(made: str, used: str) -> Changes:
    """A variable that the driver makes and the step uses."""
    return ((CRITERION, CRITERION + f"    thing = {made}\n"), (STEP, STEP + f"            {used}\n"))


def given(value: str, used: str) -> Changes:
    """A parameter of the function with the loop that the step uses."""
    return (
        ("def train(rank, ", "def train(thing, rank, "), (TRAIN, TRAIN.replace("train(rank", f"train({value}, rank")),
        (STEP, STEP + f"            {used}\n"),
    )  # fmt: skip


def unpacked(element: str) -> Changes:
    """A model that is made of what the function gets in a tuple, and that is used by itself too."""
    return (
        ("def run(rank, world_size, args, data):\n",
         "class Kinds(TensorDataset):\n    num_kinds = kinds = 2\n\n\n"
         "def run(rank, world_size, args, data, sizes):\n    count, scale = sizes\n"),
        ("    data = TensorDataset(", "    data = Kinds("), ("Net(4, 2)", "Net(4, count)"),
        ("    if args.nprocs:\n", f"    sizes = ({element}, 1.0)\n    if args.nprocs:\n"),
        ("args=(args.nprocs, args, data)", "args=(args.nprocs, args, data, sizes)"),
        ('"WORLD_SIZE", 1)), args, data)', '"WORLD_SIZE", 1)), args, data, sizes)'),
        (TRAIN, TRAIN + "    print(count)\n"),
    )  # fmt: skip


# the optimizer does not say whose parameters they are
GROUPS: Changes = (
    (WRAP, "    weights = [p for p in model.parameters() if p.dim() > 1]\n"
     "    others = [p for p in model.parameters() if p.dim() < 2]\n" + WRAP
     + "    groups = [dict(params=weights), dict(params=others, lr=args.lr / 2)]\n"
     "    optimizer = torch.optim.SGD(groups, lr=args.lr, momentum=0.9)\n"),
    (TRAIN, TRAIN.replace("device)", "device, optimizer)")),
    ("model, device):", "model, device, optimizer):"),
    ("    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)\n", ""),
)  # fmt: skip

# what is changed, and what the result says then
GOES: dict[str, tuple[Changes, str]] = {
    "as_it_is": ((), "    ddp_model = model\n"),
    "the_same_name": (
        ((WRAP, WRAP.replace("ddp_", "")), (TRAIN, TRAIN.replace("ddp_", "")),
         ("evaluate(ddp_model", "evaluate(model"), ("ddp_model.state_dict", "model.state_dict")),
        "    model = Net(4, 2).to(device)\n    train(",
    ),
    "made_there": (
        (("    model = Net(4, 2).to(device)\n", ""), (WRAP, WRAP.replace("(model)", "(Net(4, 2))"))),
        "    ddp_model = Net(4, 2)\n",
    ),
    "called_by_a_helper": (HELPED, "return compute(self.model, self.criterion, x, y)"),
    "in_autocast": (((STEP, AUTOCAST),), "out = self.model(x)"),
    "module_by_another_name": (((SAVE, SAVE + ALIAS),), "net = self.model\n"),
    "a_device": (holding("torch.device('cpu')", "x.to(thing)"), "strategy='ddp')"),
    "a_number_of_another": (holding("int(os.environ.get('X', 0)) // 2", "print(thing.real)"), "strategy='ddp')"),
    "settings": (given("args", "print(thing.lr)"), "strategy='ddp')"),
    "an_element_of_settings": (given("[device, device][rank]", "x.to(thing)"), "strategy='ddp')"),
    "a_layer_without_weights": (holding("nn.Dropout(0.1).to(device)", "thing(x)"), "strategy='ddp')"),
    "a_number_from_a_function": (
        (*given("steps()", "print(thing.real)"), ("def run(", "def steps():\n    return len(os.sep)\n\n\ndef run(")),
        "strategy='ddp')",
    ),
    "the_first_name_is_used": (((TRAIN, TRAIN + "    print(model)\n"),), "    print(model)\n"),
    "settings_that_are_set": (
        ((CRITERION, CRITERION + "    args.rank = rank\n"), (STEP, STEP + "            print(args.rank)\n")),
        "strategy=",
    ),
    # torch's wrapper does not average what was frozen when it was made
    "thawed_later": (
        ((WRAP, "    model.a.requires_grad_(False)\n" + WRAP),
         ("        model.train()\n", "        model.train()\n        model.module.a.requires_grad_(epoch == 1)\n")),
        "self.model.a.requires_grad_(self.current_epoch == 1)\n",
    ),
    "a_number_of_a_tuple": (unpacked("data.num_kinds"), "    print(count)\n"),
    "parameters_by_groups": (GROUPS, "    ddp_model = model\n"),
    "settings_in_the_model": (((COUNT, COUNT + "    print(args)\n"), ("Net(4, 2)", "Net(args.width, 2)")), "strategy="),
}  # fmt: skip
STAYS: dict[str, tuple[Changes, str]] = {
    "trained_twice": (((TRAIN, TRAIN + TRAIN),), "several times"),
    "trained_in_a_loop": (((TRAIN, "    for _ in range(2):\n    " + TRAIN),), "several times"),
    "handed_elsewhere": (((TRAIN, "    print(train)\n" + TRAIN),), "not the one model"),
    "under_a_condition": (
        ((WRAP, "    if world_size > 1:\n        model = DistributedDataParallel(model)\n"),
         (TRAIN, TRAIN.replace("ddp_", "")), ("evaluate(ddp_model", "evaluate(model"),
         ("    torch.save(ddp_model.state_dict()", "    torch.save(model.state_dict()")),
        "know the condition",
    ),
    "used_in_front": (((WRAP, WRAP + "    print(ddp_model.module.a.weight)\n"),), "between"),
    "evaluated_in_front": (((COUNT, COUNT + "    evaluate(model, test_loader)\n"),), "between"),
    "looked_at_in_front": (((COUNT, COUNT.replace("p.numel()", "p.sum().item()")),), "between"),
    "the_first_name_is_used_in_front": (((TRAIN, "    print(model.a.weight)\n" + TRAIN),), "between"),
    "the_first_name_is_bound_again": (((TRAIN, TRAIN + "    model = None\n"),), "another name"),
    "the_first_name_is_shared": (
        ((WRAP, WRAP.replace("ddp_model =", "ddp_model = other =")),), "not the one model",
    ),
    "called_by_a_function": (((INFER, INFER.replace("model.module.infer(x)", "model(x).argmax(1)")),), "outside"),
    "printed_by_a_function": (((INFER, INFER + "    print(model)\n"),), "in another way"),
    "a_function_for_other_models": (
        ((TRAIN, TRAIN + "    evaluate(nn.Identity(), [])\n"),), "in another way",
    ),
    "a_method_of_nobody": (((INFER, INFER + "    print(map(evaluate, [model]))\n"),), "in another way"),
    "called_twice_by_a_helper": (
        (*HELPED, ("    out = net(x)\n", "    out = net(x) + net(-x)\n")), "does not call the model once",
    ) ,
    "called_in_a_loop_by_a_helper": (
        (*HELPED, ("    out = net(x)\n", "    for _ in range(2):\n        out = net(x)\n")), "outside the steps",
    ),
    "a_helper_called_twice": (
        (HELPED[0], ("def train(", HELPER), (COUNT, COUNT + "    compute(model, criterion, data[:][0], data[:][1])\n")),
        "outside the steps",
    ),
    "without_gradients": (((STEP, AUTOCAST.replace('torch.autocast("cpu", dtype=torch.bfloat16)', "torch.no_grad()")),),
                          "outside the steps"),
    "kept_for_the_step": (
        ((SAVE, "            net = model.module\n"), (STEP, STEP + "            if epoch > 1: print(net(x))\n")),
        "in another way",
    ),
    "module_in_the_step": (((STEP, STEP + "            print(model.module.infer(x))\n"),), "in another way"),
    "a_part_is_replaced": (((SAVE, "            model.module.b = nn.Linear(8, 2)\n"),), "in another way"),
    "returned_for_the_step": (
        (("def train(", "def inner(m):\n    return m.module\n\n\ndef train("),
         (SAVE, "            net = inner(model)\n"), (STEP, STEP + "            if epoch > 1: print(net(x))\n")),
        "in another way",
    ),
    "an_object_that_holds_a_network": (
        (*holding("Average()", "print(list(thing.net.parameters()))"), ("def run(", AVERAGE)), "thing.net is a module",
    ),
    "a_part_with_a_name": (
        (*GROUPS[1:], (GROUPS[0][0], GROUPS[0][1] + "    print(weights[0].sum())\n")),
        "a part of the model is used between",
    ),
    "a_part_that_is_changed": (
        (*GROUPS[1:], (GROUPS[0][0], GROUPS[0][1] + "    weights[0].data.mul_(1 + rank)\n")), "a part of the model",
    ),
    "a_part_in_a_list": (
        ((WRAP, "    kept = []\n    for p in model.parameters():\n        kept.append(p)\n" + WRAP),
         (TRAIN, "    print(kept[0].sum())\n" + TRAIN)),
        "a part of the model is used between",
    ),
    "a_part_in_a_function": (
        ((WRAP, "    first = model.a\n\n    def show():\n        print(first.weight)\n\n" + WRAP),
         (TRAIN, "    show()\n" + TRAIN)),
        "a part of the model",
    ),
    "a_part_that_is_handed_on": (
        ((WRAP, "    first = next(model.parameters())\n" + WRAP), ("def train(rank, ", "def train(first, rank, "),
         (TRAIN, TRAIN.replace("train(rank", "train(first, rank")),
         ("    sampler = Dist", "    print(first.sum())\n    sampler = Dist")),
        "a part of the model is used between",
    ),
    "something_of_a_tuple": (unpacked("data.kinds"), "count is a part of the model"),
    "a_part_of_the_model": (
        ((WRAP, "    part = nn.Linear(4, 2)\n    ddp_model = DistributedDataParallel(nn.Sequential(part))\n"),
         (TRAIN, TRAIN + "    print(part)\n")),
        "part is a part of the model",
    ),
}  # fmt: skip

# What no optimizer trains is left alone, whatever it is.
BESIDE: dict[str, Changes] = {
    "a_network_in_a_list": holding("[nn.Linear(4, 2)][0]", "thing(x)"),
    "a_network_put_in_a_list": (
        (CRITERION, CRITERION + "    all = [0]\n    all.append(nn.Linear(4, 2))\n    thing = all[1]\n"),
        (STEP, STEP + "            thing(x)\n"),
    ),
    "a_network_that_is_given": given("nn.Linear(4, 2)", "thing(x)"),
    "a_network_among_settings": ((WRAP, "    args.net = nn.Linear(4, 2)\n" + WRAP), *given("args.net", "thing(x)")),
    "a_network_of_a_function": (*holding("layer()", "print(list(thing.named_modules()))"), LAYER),
    "a_class_among_settings": ((WRAP, "    args.net = nn.Flatten\n" + WRAP), *given("args.net()", "thing(x)")),
    "a_network_in_a_branch": (*holding("layer() if rank else 0", "print(type(thing))"), LAYER),
    "a_part_in_settings": (
        (CRITERION, CRITERION + "    thing = nn.Dropout()\n    thing.net = nn.Linear(4, 2)\n"),
        (STEP, STEP + "            thing(x)\n"),
    ),
    "a_loss_with_weights": ((SMOOTHING, SMOOTHING + "        self.w = nn.Linear(2, 2)\n"),),
    "a_loss_with_a_parameter": ((SMOOTHING, SMOOTHING + "        self.w = nn.Parameter(torch.ones(1))\n"),),
}


RUN = (
    "as_it_is",
    "called_by_a_helper",
    "in_autocast",
    "parameters_by_groups",
    "settings_that_are_set",
    "thawed_later",
    "a_number_of_a_tuple",
)


def converted(*changes: tuple[str, str]) -> Converted:
    result = convert(changed(SCRIPT, *changes))
    assert isinstance(result, Converted), result.diagnostics
    return result


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    changes, part = GOES[name]
    text = converted(*changes).after
    assert "DistributedDataParallel" not in text and ".module" not in text and "strategy='ddp')" in text
    assert part in text, text


@pytest.mark.parametrize("name", BESIDE)
def test_the_wrapper_goes_beside_other_networks(name: str) -> None:
    text = converted(*BESIDE[name]).after
    assert "DistributedDataParallel" not in text and "strategy='ddp')" in text


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    changes, reason = STAYS[name]
    result = converted(*changes)
    assert "DistributedDataParallel(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if reason in d.message] == ["N107"], result.diagnostics


def test_an_annotation_names_what_is_handed_over() -> None:
    assert "def evaluate(model: torch.nn.Module, loader" in converted().after


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, before and after."""
    both: dict[str, str] = {}
    for name in RUN:
        more = GOES["module_by_another_name"][0] if name in ("called_by_a_helper", "in_autocast") else ()
        changes = (*GOES[name][0], *more)
        both |= {name: changed(SCRIPT, *changes), f"{name} converted": converted(*changes).after}
    for name, changes in BESIDE.items():
        both |= {name: changed(SCRIPT, *changes), f"{name} converted": converted(*changes).after}
    return run_in_processes(both, tmp_path_factory)


@pytest.mark.parametrize("name", [*RUN, *BESIDE])
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert len(first["losses"]) == 12 and first["losses"] != second["losses"]
    assert {"epoch0.pt", "epoch2.pt", "end0.pt", "end1.pt"} <= set(first["state"])
    assert runs[f"{name} converted"] == runs[name]


def test_another_training_is_none_of_this_ones_business() -> None:
    other = "def other(net):\n    net = DistributedDataParallel(net)\n    print(net)\n\n\ndef run("
    alone = SCRIPT.replace(WRAP, "    ddp_model = model\n").replace(": DistributedDataParallel", "")
    result = convert(changed(alone.replace("model.module", "model"), ("def run(", other)))
    assert isinstance(result, Converted) and "net = DistributedDataParallel(net)" in result.after
    assert "N107" not in [d.code for d in result.diagnostics]


def test_the_note_names_the_first_of_several_uses() -> None:
    parts = "".join(f"    part{i} = model.a\n" for i in range(6))
    shown = "".join(f"        print(part{i})\n" for i in range(6))
    result = converted((WRAP, f"{parts}\n    def show():\n{shown}\n{WRAP}"), (TRAIN, "    show()\n" + TRAIN))
    lines = [note.line for note in result.diagnostics if "a part of the model is used" in note.message]
    assert lines == [result.before.splitlines().index("        print(part0)") + 1]
