"""The step: Lightning runs forward and backward inside `optimizer.step()`, and clears gradients on its own account."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.clearing import clearing_lines
from refactorer.idioms.clearing.gradients import clips, gradient_reader, hooked
from refactorer.idioms.schedulers.code import calls_functions
from refactorer.lightning.data import mentions_loader
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.functions.values import values_of
from refactorer.outline.objects.optimizers import Roles, assigned_class
from refactorer.outline.outline import STEP
from refactorer.outline.training.anchors import backward_calls, holds_converted
from refactorer.outline.training.reach import runs_again

_DEPTH = 6


def find_hooks(plan: Plan) -> Found | None:
    """Functions of the script that run inside a step and may see the gradients of the last one."""
    found = hooked(plan.outline) if plan.outline.automatic else None
    for call in plan.program.calls:
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if "hook" in name and "step" in name:
            found = call
    return Found(found, "the script runs functions of its own during a step") if found is not None else None


def find_clearing(plan: Plan) -> Found | None:
    """Lines of the step that see the optimizer or the gradients while Lightning has not cleared them yet."""
    if not plan.outline.automatic:
        return None
    lines = plan.lines(STEP)
    for node, variable in plan.outline.uses(*lines):
        if variable in plan.roles.optimizers:
            return Found(node, f"the step uses {variable.name} in front of backward()")
    for node in walk(*lines):
        name = plan.program.qualified_name(node) if isinstance(node, cst.Attribute) else None
        if (name or "").startswith(("torch.nn.utils.clip_grad", "torch.autograd.")):
            return Found(node, "the step computes or changes gradients in front of backward()")
    return None


def find_skipped(plan: Plan) -> Found | None:
    """Batches that are left before their backward pass."""
    if not plan.outline.automatic:
        return None
    for node in returns(plan.outline.hooks[STEP]):
        if node.value is None or (isinstance(node.value, cst.Name) and node.value.value == "None"):
            return Found(plan.outline.site.batch_loop, "the loop leaves out batches")
    return None


def find_windows(plan: Plan) -> Found | None:
    """Accumulated gradients that are sums, or that are not stepped at the end of the epoch."""
    if "last_window" in plan.outline.settings:
        return Found(plan.outline.site.batch_loop, "the last batches of an epoch are not stepped for")
    if "divide_loss" in plan.outline.settings:
        return Found(plan.outline.site.batch_loop, "the gradients are summed up as they are")
    return None


def find_left_gradients(plan: Plan) -> Found | None:
    """Gradients that are there in front of the training, or that live through an evaluation."""
    if plan.outline.automatic or plan.outline.keeps_gradients:
        return None  # each step clears them in front of its backward pass, wherever they come from, or nobody else does
    if _may_be_there(plan) and not _clears_first(plan):
        return Found(plan.loop, "gradients may be there already when the training starts")
    if plan.outline.evaluation is not None:
        return Found(plan.outline.evaluation.loop, "gradients may live through the evaluation")
    for node in plan.program.find(cst.Attribute):
        if node not in plan.program.order:
            continue
        beside = plan.program.enclosing_function(node) is plan.program.enclosing_function(plan.loop)
        if node.attr.value == "grad" and beside and not plan.program.contains(plan.loop, node):
            return Found(node, "gradients are used outside the training")
    return None


def _may_be_there(plan: Plan) -> bool:
    """Whether another training of the file, or another run of this one, may leave gradients behind."""
    own = set(plan.outline.site.backwards)
    others = any(call not in own for call in backward_calls(plan.program))
    return others or holds_converted(plan.program) or runs_again(plan.outline)


def _clears_first(plan: Plan) -> bool:
    """Whether each step begins by clearing all gradients that anything looks at."""
    lines = plan.outline.hooks[STEP]
    if plan.roles.optimizer is None or gradient_reader(plan.outline) is not None or clips(plan.outline):
        return False
    cleared = clearing_lines(plan.outline, plan.roles, lines)
    first = next((i for i, line in enumerate(lines) if _computes(line)), len(lines))
    return bool(cleared) and cleared[0] < first and not loop_jumps(lines[: cleared[0]])


def _computes(line: cst.CSTNode) -> bool:
    """Whether gradients may be computed, or used, in a line, or in something that it calls by one of these names."""
    names = {node.value for node in walk(line) if isinstance(node, cst.Name)}
    return bool(names & {"backward", "manual_backward", "step"}) or not isinstance(line, cst.SimpleStatementLine)


def find_optimizer(plan: Plan) -> Found | None:
    """Optimizers that call their closure more than once, or that take none."""
    if not plan.outline.automatic:
        return None
    for variable in plan.roles.optimizers:
        name = assigned_class(plan.program, variable) or ""
        if plan.outline.plain_steps or not _is_torchs(name):
            return Found(variable.writes[0].node, f"{variable.name} is not known to call its closure once")
    return None


def take_closures(program: Program, roles: Roles) -> bool:
    """Whether all optimizers are torch's, whose `step()` may be given a closure that does nothing."""
    return all(_are_torchs(program, variable) for variable in roles.optimizers)


def _is_torchs(name: str | None) -> bool:
    """Whether a qualified name is that of one class of torch; one that is chosen by its name may be LBFGS."""
    return (name or "").startswith("torch.optim.") and not (name or "").endswith("*")


def _are_torchs(program: Program, variable: Variable | None, depth: int = 0) -> bool:
    """Whether all that a variable may be bound to is an optimizer of torch."""
    for value in values_of(program, variable) or [cst.Name("unknown")]:
        name = program.qualified_name(value.func) if isinstance(value, cst.Call) else None
        inner = program.variables.get(value) if isinstance(value, cst.Name) and depth < _DEPTH else None
        if not _is_torchs(name) and (inner is None or not _are_torchs(program, inner, depth + 1)):
            return False
    return True


def find_schedulers(plan: Plan) -> Found | None:
    """Schedulers that Lightning would step, or make, while the script can tell."""
    configuration = plan.configuration
    if mentions_loader(plan, configuration.moved):
        return Found(configuration.moved[0], "the length of a loader is needed to make the scheduler")
    for variable in configuration.stepped:
        if variable in configuration.each_batch:
            continue
        if not configuration.moved or configuration.kept or calls_functions(plan.outline, variable):
            return Found(variable.writes[0].node, f"the script may see when {variable.name} is stepped")
    return None
