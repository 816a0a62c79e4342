"""Finding the training: the loop over the epochs, the loop over the batches, and the call between them, if any."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Scope
from refactorer.outline.control import returns, suspensions
from refactorer.outline.refusal import Refusal

OTHER_TRAINERS = (
    "accelerate", "lightning", "pytorch_lightning", "lightning_fabric", "deepspeed", "apex", "horovod", "ignite",
    "transformers.Trainer", "colossalai", "tensorflow", "jax",
)  # fmt: skip
DISTRIBUTED = ("torch.distributed", "torch.nn.parallel.DistributedDataParallel", "torch.multiprocessing", "torch_xla")


@dataclass(frozen=True)
class Site:
    """One training: `call` enters `function`, which holds `batch_loop`; both are None when it stands inline."""

    epoch_loop: cst.For
    batch_loop: cst.For
    driver: Scope
    function: cst.FunctionDef | None
    call: cst.Call | None
    backwards: tuple[cst.Call, ...]


def backward_calls(program: Program) -> list[cst.Call]:
    """Every call of a method `backward` that belongs to a hand-written loop."""
    found = []
    for call in program.calls:
        func = call.func
        if isinstance(func, cst.Attribute) and func.attr.value == "backward" and not _is_custom_gradient(program, call):
            found.append(call)
    return found


def _is_custom_gradient(program: Program, call: cst.Call) -> bool:
    function = program.enclosing_function(call)
    if function is None:
        return False
    return any(program.qualified_name(d.decorator) == "builtins.staticmethod" for d in function.decorators)


def find_site(program: Program) -> Site | None:
    """The training of the file; None when there is none.

    Raises:
        Refusal: there is a training, but not of a shape that can be entered.
    """
    calls = backward_calls(program)
    if not calls or not _trains(program, calls):
        return None
    _refuse_other_tools(program, calls[0])
    loops = {tuple(_loops(program, call)) for call in calls}
    functions = {program.enclosing_function(call) for call in calls}
    if len(functions) > 1:
        raise Refusal(
            "R103", calls[1], "there is more than one place that trains: gradients are computed in several functions",
            "convert the parts as separate scripts, or keep one training loop per file",
        )  # fmt: skip
    function = functions.pop()
    shared = _shared(list(loops))
    _refuse_odd_function(program, calls[0], function)
    for loop in shared[:2]:
        _refuse_odd_loop(loop)
    if len(shared) >= 2:
        return _inline_site(program, calls, shared)
    if not shared:
        raise Refusal(
            "R108", calls[0], "backward() is called in a function that holds no loop; the loop around it is elsewhere",
            "move the body of the function into the loop over the batches",
        )  # fmt: skip
    return _called_site(program, calls, function, shared[0])


def _trains(program: Program, calls: list[cst.Call]) -> bool:
    """Whether the file works with PyTorch, and does more than to ask for a gradient once."""
    if not program.star_imports and not any(full.split(".")[0] == "torch" for full in program.imports.values()):
        return False
    steps = any(isinstance(c.func, cst.Attribute) and c.func.attr.value == "step" for c in program.calls)
    return steps or any(_loops(program, call) for call in calls)


def _loops(program: Program, node: cst.CSTNode) -> list[cst.CSTNode]:
    """The loops around a node within its own function, outermost first."""
    found: list[cst.CSTNode] = []
    for outer in program.ancestors(node):
        if isinstance(outer, (cst.FunctionDef, cst.Lambda)):
            break
        if isinstance(outer, (cst.For, cst.While)):
            found.append(outer)
    return found[::-1]


def _shared(paths: list[tuple[cst.CSTNode, ...]]) -> list[cst.CSTNode]:
    result = []
    for level in zip(*paths):
        if any(node is not level[0] for node in level):
            break
        result.append(level[0])
    return result


def _refuse_other_tools(program: Program, at: cst.CSTNode) -> None:
    for name, full in program.imports.items():
        if full.split(".")[0] in OTHER_TRAINERS or full.startswith(tuple(t for t in OTHER_TRAINERS if "." in t)):
            raise Refusal(
                "R110", name, f"the script already trains with the help of {full.split('.')[0]}",
                "only hand-written PyTorch loops are converted",
            )  # fmt: skip
        if full.startswith(DISTRIBUTED):
            raise Refusal(
                "R207", name, f"the script sets up several processes itself ({full})",
                "remove the set-up of processes; the Trainer starts them by argument",
            )  # fmt: skip


def _refuse_odd_function(program: Program, at: cst.CSTNode, function: cst.FunctionDef | None) -> None:
    if function is None:
        return
    if isinstance(program.parent.get(program.parent[function]), cst.ClassDef):
        raise Refusal(
            "R107", at, f"the loop stands in the method {function.name.value}() of a class",
            "move the loop into a function",
        )  # fmt: skip
    if any(isinstance(outer, (cst.For, cst.While)) for outer in program.ancestors(function)):
        raise Refusal(
            "R203", at, f"backward() is called in {function.name.value}(), a closure that is defined inside the loop",
            "optimizers that call a closure, such as LBFGS, are not converted yet",
        )  # fmt: skip
    held = suspensions(function.body.body)
    if held or function.asynchronous:
        raise Refusal(
            "R303", held[0] if held else at, f"{function.name.value}() is a generator or a coroutine",
            "let the function run its loop to the end without yielding",
        )  # fmt: skip


def _refuse_odd_loop(loop: cst.CSTNode) -> None:
    if isinstance(loop, cst.While):
        raise Refusal(
            "R102", loop, "the training is driven by a `while` loop",
            "write it as a `for` over epochs and a `for` over batches",
        )  # fmt: skip
    assert isinstance(loop, cst.For)
    if loop.orelse is not None:
        raise Refusal("R304", loop, "the loop has an `else` branch", "move the branch behind the loop")
    if loop.asynchronous is not None:
        raise Refusal("R303", loop, "the loop is asynchronous", "iterate over a plain loader")


def _inline_site(program: Program, calls: list[cst.Call], loops: list[cst.CSTNode]) -> Site:
    epoch_loop, batch_loop = loops[0], loops[1]
    assert isinstance(epoch_loop, cst.For) and isinstance(batch_loop, cst.For)
    if program.parent[batch_loop] is not epoch_loop.body:
        raise Refusal(
            "R104", batch_loop, "the loop over the batches stands inside another statement of the epoch",
            "put it directly into the loop over the epochs",
        )  # fmt: skip
    found = returns([epoch_loop])
    if found:
        raise Refusal("R302", found[0], "`return` leaves the function from inside the training",
                      "use `break` and return behind the loop")  # fmt: skip
    return Site(epoch_loop, batch_loop, program.scope_of(epoch_loop), None, None, tuple(calls))


def _called_site(
    program: Program, calls: list[cst.Call], function: cst.FunctionDef | None, batch_loop: cst.CSTNode
) -> Site:
    assert isinstance(batch_loop, cst.For)
    alone = Refusal(
        "R101", batch_loop, "there is one loop around the training step, not a loop over epochs and one over batches",
        "write two nested loops, over epochs and over the batches of a loader",
    )  # fmt: skip
    if function is None:
        raise alone
    uses = program.variables[function.name].reads
    entered = [program.parent.get(use.node) for use in uses]
    sites = [c for c in entered if isinstance(c, cst.Call) and any(c.func is use.node for use in uses)]
    if len(sites) != 1 or len(uses) != 1:
        if len(uses) > 1:
            raise Refusal(
                "R105", uses[1].node, f"{function.name.value}() is used in more than one place",
                "call the function that trains an epoch from one loop over the epochs only",
            )  # fmt: skip
        raise alone
    call = sites[0]
    around = _loops(program, call)
    if not around:
        raise alone
    epoch_loop = around[0]
    _refuse_odd_loop(epoch_loop)
    _refuse_odd_function(program, call, program.enclosing_function(call))
    assert isinstance(epoch_loop, cst.For)
    if program.parent[program.statement(call)] is not epoch_loop.body or not isinstance(
        program.statement(call), cst.SimpleStatementLine
    ):
        raise Refusal(
            "R104", call, "the call that trains an epoch stands inside another statement of the epoch",
            "put the call directly into the loop over the epochs",
        )  # fmt: skip
    if program.parent[batch_loop] is not function.body:
        raise Refusal(
            "R104", batch_loop, f"the loop over the batches stands inside another statement of {function.name.value}()",
            "put it directly into the body of the function",
        )  # fmt: skip
    left = returns([epoch_loop])
    if left:
        raise Refusal("R302", left[0], "`return` leaves the function from inside the training",
                      "use `break` and return behind the loop")  # fmt: skip
    return Site(epoch_loop, batch_loop, program.scope_of(epoch_loop), function, call, tuple(calls))
