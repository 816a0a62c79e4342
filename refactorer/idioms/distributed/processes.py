"""Whether a script makes its processes itself, or joins those that something else has started."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable

GROUP_MAKERS = ("torch.distributed.init_process_group", "torch.distributed.distributed_c10d.init_process_group")
"""What makes the group of the processes, by all the names that torch gives it."""
_MAKERS = (
    *GROUP_MAKERS,
    "torch.multiprocessing.spawn", "torch.multiprocessing.spawn.spawn", "torch.multiprocessing.start_processes",
)  # fmt: skip
_LEFT_ALONE = """
    init_process_group destroy_process_group is_initialized is_available get_rank get_world_size get_backend barrier
    all_reduce reduce broadcast all_gather gather scatter all_gather_object broadcast_object_list gather_object ReduceOp
    is_nccl_available is_gloo_available is_torchelastic_launched
"""
_GATHERING = ("all_reduce", "reduce", "all_gather", "gather", "all_gather_object", "gather_object")
_GROUP = frozenset(_LEFT_ALONE.split())


def makes_processes(program: Program) -> bool:
    """Whether the file names what starts processes, or makes a group of them."""
    return any(full in _MAKERS for full in _named(program))


def additions(program: Program) -> list[cst.Call]:
    """The calls that gather values of all processes."""
    return [
        call for call in program.calls
        if (program.qualified_name(call.func) or "") in {f"torch.distributed.{name}" for name in _GATHERING}
    ]  # fmt: skip


def is_rank(program: Program, variable: Variable) -> bool:
    """Whether a variable is the number that `mp.spawn` gives to each of its processes."""
    parameter = program.definition(variable)
    function = program.enclosing_function(parameter) if isinstance(parameter, cst.Param) else None
    if not isinstance(function, cst.FunctionDef) or parameter not in function.params.params[:1]:
        return False
    mentions = program.variables[function.name].reads
    spawned = [_spawns(program, program.parent.get(program.parent.get(seen.node))) for seen in mentions]  # type: ignore[arg-type]
    return bool(spawned) and all(spawned)


def _spawns(program: Program, call: cst.CSTNode | None) -> bool:
    return isinstance(call, cst.Call) and program.qualified_name(call.func) in _MAKERS


def unusual(program: Program) -> cst.CSTNode | None:
    """A mention of something of `torch.distributed` that may meet what the Trainer does there."""
    for node in (*program.find(cst.Name), *program.find(cst.Attribute)):
        full = program.qualified_name(node) or ""
        _, at, name = full.partition("torch.distributed.")
        if at and name.split(".")[0] not in _GROUP:
            return node
    return None


def _named(program: Program) -> set[str]:
    nodes = (*program.find(cst.Name), *program.find(cst.Attribute))
    return {full for node in nodes if (full := program.qualified_name(node)) is not None}
