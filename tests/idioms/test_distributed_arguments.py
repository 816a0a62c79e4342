"""Arguments of DistributedDataParallel, which become those of a strategy; comments between them."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import CALL, EVALUATION, SCRIPT, TEST, after, changed

IMPORT = "from runtime import Module, Trainer\nfrom pytorch_lightning.strategies import DDPStrategy\n"
# the arguments behind the model, and those of the strategy; None where it has a name of its own
GOES = {
    "buffers": ("broadcast_buffers=False", "broadcast_buffers=False"),
    "several": (
        "device_ids=None, gradient_as_bucket_view=True, find_unused_parameters=True, broadcast_buffers=True",
        "gradient_as_bucket_view=True, find_unused_parameters=True",
    ),
    "a_static_graph": ("static_graph=True", "static_graph=True"),
    "small_buckets": ("bucket_cap_mb=1", "bucket_cap_mb=1"),
    "by_position": ("None, None, broadcast_buffers=False", "broadcast_buffers=False"),
    "the_defaults": ("broadcast_buffers=True, static_graph=False, dim=0, process_group=None", None),
}
STAYS = {
    "a_condition": "broadcast_buffers=rank > 5",
    "a_group": "process_group=dist.group.WORLD",
    "another_dimension": "dim=1",
    "the_broadcast_left_out": "init_sync=False",
    "positions": "None, None, 0, True",
    "from_a_dictionary": "**{'broadcast_buffers': False}",
}
COMMENTED = """    model = DDP(
        model,
        # like the others
        broadcast_buffers=False,  # each its own
    )  # at last
"""


@pytest.mark.parametrize("name", GOES)
def test_arguments_become_those_of_a_strategy(name: str) -> None:
    given, strategy = GOES[name]
    text = after(changed(SCRIPT, (CALL, CALL.replace("(model)", f"(model, {given})"))))
    assert "DDP(" not in text
    assert ("strategy='ddp')" if strategy is None else f"strategy=DDPStrategy({strategy}))") in text
    assert (IMPORT in text) is (strategy is not None)


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    result = convert(changed(SCRIPT, (CALL, CALL.replace("(model)", f"(model, {STAYS[name]})"))))
    assert isinstance(result, Converted)
    assert "DDP(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if "arguments" in d.message] == ["N107"], result.diagnostics


def test_a_name_that_the_script_uses_itself_is_not_taken() -> None:
    given = (CALL, CALL.replace("(model)", "(model, broadcast_buffers=False)"))
    assert "DDP(" in after(changed(SCRIPT, given, ("\ndef main", "\nclass DDPStrategy:\n    pass\n\ndef main")))


def test_comments_between_the_arguments_stay() -> None:
    lines = [line.strip() for line in after(changed(SCRIPT, (CALL, COMMENTED))).splitlines()]
    assert [line for line in lines if line.startswith("# ")][:3] == ["# at last", "# like the others", "# each its own"]
    made_there = COMMENTED.replace("        model,", "        Net(),")
    text = after(changed(SCRIPT, ("    model = Net()\n" + CALL, made_there)))
    assert "    # like the others\n    # each its own\n    model = Net()  # at last\n" in text


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, before and after; each saves its own state at the end of each epoch."""
    both = {}
    saved = (EVALUATION, EVALUATION + '        torch.save(model.state_dict(), f"epoch{epoch}.{rank}.pt")\n')
    for name in RUN:
        given = (CALL, CALL.replace("(model)", f"(model, {GOES[name][0]})"))
        text = changed(SCRIPT, given, saved, (TEST, ""))
        both |= {name: text, f"{name} converted": after(text)}
    return run_in_processes(both, tmp_path_factory)


RUN = ("buffers", "several", "a_static_graph")


@pytest.mark.parametrize("name", RUN)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    states = [first["state"][f"epoch1.{rank}.pt"]["module.norm.running_mean"] for rank in (0, 1)]
    assert (states[0] != states[1]) is (name == "buffers")
    assert runs[f"{name} converted"] == runs[name]
