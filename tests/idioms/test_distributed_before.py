"""Between the wrapper and the training a script may load a checkpoint, or evaluate and leave."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import SAVE, SCRIPT, WRAP, changed

LOADS = """    if args.resume:
        checkpoint = torch.load(args.resume, weights_only=True)
        plain.load_state_dict(checkpoint)
"""
LEAVES = """    if args.evaluate:
        score(model, test_loader)
        dist.barrier()
        dist.destroy_process_group()
        return
"""
LOOP = "    for epoch in range(2):\n"
NAMED = (
    "    model = Net()\n    plain = model\n    if several:\n        model = DDP(model)\n        plain = model.module\n"
)
CHOSEN = (
    ("import os\n", "import argparse\nimport os\n"),
    ("def main():\n", "def main(args):\n"),
    ("    torch.manual_seed(rank)\n", "    torch.manual_seed(rank)\n    several = dist.is_initialized()\n"),
    (WRAP, NAMED),
    (SAVE, "plain.state_dict()"),
    ("    main()\n", """    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", default="")
    parser.add_argument("--evaluate", action="store_true")
    main(parser.parse_args())
"""),
)  # fmt: skip
FILE = '    if rank == 0:\n        torch.save(Net().state_dict(), "start.pt")\n    dist.barrier()\n'
BASE = changed(SCRIPT, *CHOSEN, ('            torch.save(model.state_dict(), "wrapped.pt")\n', ""))
FULL = changed(BASE, (LOOP, LOADS + LEAVES + LOOP))
WRITES = changed(FULL, ("    model = Net()\n", FILE + "    model = Net()\n"))
CHANGED = """    if args.resume and os.path.isfile(args.resume):
        checkpoint = torch.load(os.path.join(".", args.resume), map_location="cuda:%d" % rank)
        state = {k.replace("module.", ""): v for k, v in checkpoint["model"].items() if k.startswith("a")}
        state.pop("b.bias", None)
        state["a.bias"] = checkpoint["bias"]
        print(plain.load_state_dict(state, strict=False))
        first = checkpoint["epoch"]
"""
BY_THE_WRAPPER = LOADS.replace("plain.load_state_dict", "model.module.load_state_dict")
ALWAYS = ((NAMED, WRAP), (SAVE.replace("model.module", "plain"), SAVE))
AGAIN = """    if args.evaluate:
        if several:
            model = DDP(model)
        score(model, test_loader)
"""

# what is put in front of the loop, and what the result says in its place
GOES: dict[str, tuple[str, str]] = {
    "loaded": (LOADS, LOADS),
    "changed_and_loaded": (CHANGED, CHANGED),
    "left": (LEAVES, AGAIN),
    "left_by_an_exit": (LEAVES.replace("        return\n", "        os.sys.exit()\n        raise ValueError\n"), AGAIN),
    "loaded_and_left": (LOADS + LEAVES, LOADS + AGAIN),
}
STAYS = {
    "by_another_name": LOADS.replace(
        "        plain", "        other = checkpoint\n        other['a.bias'] = torch.randn(8)\n        plain"
    ),
    "its_parts_in_a_loop": LOADS.replace(
        "        plain", "        for name, value in checkpoint.items():\n            value.add_(rank)\n        plain"
    ),
    "by_a_function": LOADS.replace("        plain", "        score(checkpoint, [])\n        plain"),
    "each_its_own_file": LOADS.replace("torch.load(args.resume", "torch.load(args.resume + str(rank)"),
    "in_the_first_process": LOADS.replace("if args.resume", "if rank == 0"),
    "what_one_process_changes": LOADS.replace(
        "        plain", "        if rank == 0:\n            checkpoint.update(Net().state_dict())\n        plain"
    ),
    "set_for_each_process": "    args.resume = f'{rank}.pt'\n" + LOADS,
    "by_an_argument_of_its_own": LOADS.replace("args.resume", "args.local_rank"),
    "tried": LOADS.replace("    if args.resume:", "    try:") + "    except OSError:\n        pass\n",
    "from_a_function": LOADS.replace("torch.load(args.resume, weights_only=True)", "found(args.resume)"),
    "the_first_process_leaves": LEAVES.replace("args.evaluate", "rank == 0"),
    "nobody_leaves": LEAVES.replace("        return\n", ""),
}


def with_code(code: str) -> str:
    return changed(BASE, (LOOP, code + LOOP))


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    code, instead = GOES[name]
    result = convert(with_code(code))
    assert isinstance(result, Converted), result.diagnostics
    assert "strategy='ddp' if several else 'auto'" in result.after and instead in result.after, result.after
    assert result.after.count("DDP(model)") == instead.count("DDP(model)")


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(with_code(STAYS[name]))
    assert isinstance(result, Converted), result.diagnostics
    assert NAMED in result.after and "strategy" not in result.after
    assert "N107" in [d.code for d in result.diagnostics], result.diagnostics


def test_what_was_the_module_of_the_wrapper_is_loaded() -> None:
    result = convert(changed(with_code(BY_THE_WRAPPER), *ALWAYS))
    assert isinstance(result, Converted), result.diagnostics
    assert "        model.load_state_dict(checkpoint)\n" in result.after and "strategy='ddp'" in result.after


ARGUMENTS = {"trains": [], "resumes": ["--resume", "start.pt"], "evaluates": ["--evaluate"]}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_two_processes_do_the_same(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    converted = convert(WRITES)
    assert isinstance(converted, Converted)
    scripts = {"original": WRITES, "converted": converted.after}
    runs: dict[str, list[dict[str, Any]]] = run_in_processes(scripts, tmp_path_factory, ARGUMENTS[name])
    assert runs["converted"] == runs["original"]
    first, second = runs["original"]
    assert first["printed"] and (name == "evaluates" or first["losses"] != second["losses"])
