"""Why a step keeps its own calls: what it does with gradients and optimizers instead of the Trainer's three calls."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.automatic.backward_hook import find_backward
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import method_calls, method_name, only_call
from refactorer.outline.objects.optimizers import Roles, is_scheduler
from refactorer.outline.outline import STEP, Outline


def why_no_optimizer(outline: Outline, roles: Roles) -> str:
    """The reason where no single optimizer is known to step."""
    if roles.optimizers:
        return f"{len(roles.optimizers)} optimizers step in it"
    calls = _plain_steps(outline)
    names = dict.fromkeys(outline.program.module.code_for_node(call.func.value) for call in calls)  # type: ignore[attr-defined]
    if len(names) > 1:
        return f"{' and '.join(names)} step in it"
    inside = {id(node) for node in walk(*outline.hooks[STEP])}
    if not all(id(call) in inside for call in outline.site.backwards):
        return "backward() stands in a function that is not part of the step"
    body = outline.hooks[STEP]
    if find_backward(outline, body) is None:
        return why_not_once(outline, False, False).reason
    if not names:
        return _without_plain_step(outline)
    if not any(_is_own_line(body, call) for call in calls):
        return _around(outline, calls[0], "step()")
    return f"{next(iter(names))} is not known to be one object for all steps"


def _is_own_line(body: list[cst.CSTNode], call: cst.Call) -> bool:
    return any(only_call(line) is call for line in body)


def _without_plain_step(outline: Outline) -> str:
    """The reason where nothing but schedulers is stepped without an argument."""
    for call in (node for node in walk(*outline.hooks[STEP]) if isinstance(node, cst.Call)):
        name = outline.program.module.code_for_node(call.func)
        if name.endswith(".step") and call.args and any(word in name.lower() for word in ("opt", "scaler")):
            return f"{name}() is given an argument"
        if not name.endswith(".step") and "step" in method_name(call) and "opt" in name.lower():
            return f"{name}() stands in the place of step()"
    for call in method_calls(outline, "step"):
        if not call.args and not _is_scheduler(outline, call.func.value) and _is_beside(outline, call):  # type: ignore[attr-defined]
            return "step() of the optimizer stands outside the loop over the batches"
    return "no step() of an optimizer stands in it"


def _is_beside(outline: Outline, call: cst.Call) -> bool:
    """Whether a call stands in the function of the loop over the batches, in front of it or behind it."""
    program, loop = outline.program, outline.site.batch_loop
    same = call in program.order and program.enclosing_function(call) is program.enclosing_function(loop)
    return same and not program.contains(loop, call)


def _plain_steps(outline: Outline) -> list[cst.Call]:
    """The calls of `step()` without arguments, as an optimizer is called; those of schedulers aside."""
    return [c for c in _calls_of_step(outline) if not c.args and not _is_scheduler(outline, c.func.value)]  # type: ignore[attr-defined]


def _calls_of_step(outline: Outline) -> list[cst.Call]:
    calls = (node for node in walk(*outline.hooks[STEP]) if isinstance(node, cst.Call))
    return [call for call in calls if isinstance(call.func, cst.Attribute) and call.func.attr.value == "step"]


def _is_scheduler(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an object is a scheduler of torch, or is called one."""
    variable = outline.variable(node)
    known = variable is not None and is_scheduler(outline.program, variable)
    return known or "sched" in outline.program.module.code_for_node(node).lower()


_BLOCKS: tuple[tuple[type[cst.CSTNode], str], ...] = (
    (cst.FunctionDef, "{} stands in a closure, which the optimizer calls"),
    (cst.Try, "{} stands in a `try` block, which goes on behind an exception"),
    (cst.TryStar, "{} stands in a `try` block, which goes on behind an exception"),
    (cst.For, "{} stands in a loop of its own"), (cst.While, "{} stands in a loop of its own"),
    (cst.If, "{} stands under a condition, with other code behind it"), (cst.With, "{} stands in a `with` block"),
)  # fmt: skip


def why_not_once(outline: Outline, backward: bool, step: bool) -> Obstacle:
    """The reason where backward and step do not stand once each, directly in the loop."""
    loop, backwards = outline.site.batch_loop, outline.site.backwards
    if len(backwards) != 1:
        return Obstacle(loop, f"there are {len(backwards)} calls of backward() in it")
    if not backward:
        return Obstacle(loop, _around(outline, backwards[0], "backward()"))
    if not step:
        calls = [call for call in method_calls(outline, "step") if call in outline.program.order]
        steps = [call for call in calls if outline.program.contains(loop, call)]
        return Obstacle(loop, _around(outline, steps[0], "step()") if steps else "step() stands in another function")
    return Obstacle(loop, "zero_grad, backward and step do not stand once each, directly in the loop")


def _around(outline: Outline, call: cst.Call, name: str) -> str:
    own = call not in outline.program.order or outline.program.contains(outline.site.batch_loop, call)
    for outer in outline.program.ancestors(call):
        if outer is outline.site.batch_loop:
            break
        if isinstance(outer, cst.FunctionDef) and not own and outer not in outline.consumed:
            return f"{name} stands in {outer.name.value}(), which is not part of the step"
        for kind, reason in _BLOCKS:
            if isinstance(outer, kind) and (own or kind is not cst.FunctionDef):
                return reason.format(name)
    return f"{name} does not stand on a line of its own, without arguments"
