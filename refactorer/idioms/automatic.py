"""Automatic optimization: `training_step` returns the loss, and the Trainer does zero_grad, backward and step.

Sound when the three calls stand once each, directly in the body, in an order that means the same, and when nothing
that is left in the body can see whether the optimizer has already stepped.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.emit.edits import Edit
from refactorer.idioms.jumps import leave_step, on_lines
from refactorer.idioms.sensitive import Obstacle, is_guarded, sensitive_code
from refactorer.idioms.shapes import method_calls, method_line, only_call
from refactorer.outline.anchors import backward_calls, holds_converted, is_of_loss, loops_around, uses_of
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import STEP, Outline

BEFORE_STEP = "on_before_optimizer_step"


@dataclass(frozen=True)
class Places:
    """Indices of the three calls in the body of the step, and the clipping lines between backward and step."""

    zero: int
    backward: int
    step: int
    loss: cst.BaseExpression


def apply(outline: Outline, roles: Roles) -> None:
    """Makes the step automatic, or literal (manual) with a note that says why."""
    found = detect(outline, roles)
    if isinstance(found, Obstacle):
        said = not roles.optimizers and any(code == "N104" for code, *_ in outline.notes)
        if not said:
            outline.note("N101", found.node, f"manual optimization is kept: {found.reason}",
                         "nothing to do; the literal form trains the same")  # fmt: skip
        _manual(outline)
    else:
        _automatic(outline, found)


def detect(outline: Outline, roles: Roles) -> Places | Obstacle:
    """Where the three calls stand, or the first condition that fails."""
    body = outline.hooks[STEP]
    loop = outline.site.batch_loop
    if roles.optimizer is None:
        several = f"{len(roles.optimizers)} optimizers step in it"
        return Obstacle(loop, several if roles.optimizers else "no variable holds an optimizer that steps in it")
    zeros = [i for i, line in enumerate(body) if _zero_grad(outline, roles, line)]
    calls = [method_line(outline, line, roles.optimizer, "step") for line in body]
    steps = [i for i, call in enumerate(calls) if call is not None and not call.args]
    backwards = [i for i, line in enumerate(body) if _plain_backward(line) is not None]
    left = returns(body)
    if left:
        return Obstacle(left[0], "`return` leaves the training from inside a step")
    if len(outline.site.backwards) != 1 or len(backwards) != 1 or len(steps) != 1 or len(zeros) != 1:
        return Obstacle(loop, "zero_grad, backward and step do not stand once each, directly in the loop")
    if _mentions_elsewhere(outline, roles.optimizer, "step", "zero_grad"):
        return Obstacle(loop, "the optimizer is stepped or cleared in more than one place")
    zero, backward, step = zeros[0], backwards[0], steps[0]
    if not (zero < backward < step or backward < step < zero):
        return Obstacle(body[zero], "zero_grad does not stand before backward or after step")
    if zero > step and (_trains_elsewhere(outline) or _runs_again(outline)):
        return Obstacle(body[zero], "gradients may be left over from, or for, another training of the file")
    reader = _gradient_reader(outline)
    if reader is not None:
        return Obstacle(reader, "the script reads gradients itself")
    call = _plain_backward(body[backward])
    assert call is not None and isinstance(call.func, cst.Attribute)
    loss = call.func.value
    for line in body[backward + 1 : step]:
        if not _is_clipping(outline, line):
            return Obstacle(line, "something happens between backward and step")
    tail = [line for i, line in enumerate(body[backward + 1 :], backward + 1) if i > step and i != zero]
    obstacle = sensitive_code(outline, roles, tail, body[:backward], loss)
    if obstacle is not None:
        return obstacle
    hook = _hooked(outline)
    if hook is not None and tail:
        return Obstacle(
            hook, "the script runs code of its own during forward or backward, which code behind step() may see"
        )
    if zero > step and _clips_elsewhere(outline) is not None:
        return Obstacle(body[zero], "the gradients of the last step are used later")
    if len(body) > max(step, zero) + 1 and is_guarded(outline):
        return Obstacle(body[step], "an exception behind step() is caught outside the loop")
    if zero > step and loop_jumps(body[step:zero]):
        return Obstacle(body[zero], "the batch may be left between step and zero_grad")
    if not isinstance(loss, cst.Name) and tail:
        return Obstacle(body[backward], "the loss has no name")
    return Places(zero, backward, step, loss)


def _zero_grad(outline: Outline, roles: Roles, line: cst.CSTNode) -> bool:
    call = method_line(outline, line, roles.optimizer, "zero_grad")
    if call is None and _owns_all_parameters(outline, roles):
        call = method_line(outline, line, roles.model, "zero_grad")
    if call is None:
        return False
    return not call.args or (
        len(call.args) == 1 and isinstance(call.args[0].value, cst.Name) and call.args[0].value.value == "True"
    )


def _owns_all_parameters(outline: Outline, roles: Roles) -> bool:
    value = outline.program.assigned_value(roles.optimizer)
    first = value.args[0].value if isinstance(value, cst.Call) and value.args else None
    return (
        roles.model is not None
        and isinstance(first, cst.Call)
        and isinstance(first.func, cst.Attribute)
        and first.func.attr.value == "parameters"
        and outline.variable(first.func.value) is roles.model
    )


def _plain_backward(line: cst.CSTNode) -> cst.Call | None:
    call = only_call(line)
    plain = call is not None and isinstance(call.func, cst.Attribute) and call.func.attr.value == "backward"
    return call if plain and call is not None and not call.args else None


def _mentions_elsewhere(outline: Outline, optimizer: Variable, *methods: str) -> bool:
    for method in methods:
        calls = [c for c in method_calls(outline, method) if outline.variable(c.func.value) is optimizer]  # type: ignore[attr-defined]
        if len(calls) > 1:
            return True
    return False


def _trains_elsewhere(outline: Outline) -> bool:
    """Whether the file holds another training, by hand or already converted."""
    return holds_converted(outline.program) or len(backward_calls(outline.program)) > 1


def _runs_again(outline: Outline) -> bool:
    """Whether the training may run more than once, so that gradients of one run are there in the next."""
    program, node = outline.program, outline.site.epoch_loop
    function = program.enclosing_function(node)
    if loops_around(program, node):
        return True
    while function is not None:
        uses = uses_of(program, function)
        if len(uses) != 1 or loops_around(program, uses[0]):
            return True
        function = program.enclosing_function(uses[0])
    return False


def _hooked(outline: Outline) -> cst.CSTNode | None:
    """What runs code of the script during backward or the step: a hook, or a gradient of its own."""
    for call in outline.program.calls:
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if name.startswith("register_") and name.endswith("hook"):
            return call
    for node in outline.program.find(cst.ClassDef):
        bases = {outline.program.qualified_name(base.value) for base in node.bases}
        if "torch.autograd.Function" in bases:
            return node
    return None


def _gradient_reader(outline: Outline) -> cst.CSTNode | None:
    for node in outline.program.find(cst.Attribute):
        if node.attr.value == "grad" and outline.program.qualified_name(node) != "torch.autograd.grad":
            return node
    return None


def _is_clipping(outline: Outline, line: cst.CSTNode) -> bool:
    """`clip_grad_norm_(model.parameters(), 1.0)`: it needs nothing of the step and gives nothing back."""
    call = only_call(line)
    name = outline.program.qualified_name(call.func) if call is not None else None
    if call is None or name is None or not name.startswith("torch.nn.utils.clip_grad"):
        return False
    written = {v for body in outline.hooks.values() for n, v in outline.uses(*body) if outline.is_write(n)}
    return not any(variable in written for _, variable in outline.uses(line))


def _clips_elsewhere(outline: Outline) -> cst.CSTNode | None:
    for call in outline.program.calls:
        clips = (outline.program.qualified_name(call.func) or "").startswith("torch.nn.utils.clip_grad")
        if clips and not outline.program.contains(outline.site.batch_loop, call):
            return call
    return None


def _automatic(outline: Outline, places: Places) -> None:
    body = outline.hooks[STEP]
    head, tail = body[: places.backward], body[places.backward + 1 :]
    verb = _stop(outline)
    clipping = list(tail[: places.step - places.backward - 1])
    edits: dict[cst.CSTNode, Edit] = {body[i]: None for i in (places.zero, places.backward, places.step)}
    edits.update(dict.fromkeys(clipping))
    edits.update(on_lines(head, leave_step(head, cst.Name("None"), False, verb, outline.mark(STEP))))
    edits.update(on_lines(tail, leave_step(tail, places.loss, True, verb, outline.mark(STEP))))
    outline.hooks[STEP] = [*body, cst.SimpleStatementLine([cst.Return(places.loss)])]
    outline.edit(STEP, edits)
    if clipping:
        outline.hooks[BEFORE_STEP] = list(clipping)
    outline.automatic = True


def _stop(outline: Outline) -> str:
    """What a `break` of the loop over the batches does; it leaves the training where an epoch is one batch."""
    return "stop_training" if outline.site.form == "whole" else "stop_epoch"


def _manual(outline: Outline) -> None:
    body = outline.hooks[STEP]
    outline.edit(STEP, dict(on_lines(body, leave_step(body, None, True, _stop(outline), outline.mark(STEP)))))
    edits: dict[cst.CSTNode, Edit] = {}
    for call in outline.site.backwards:
        if not isinstance(call.func, cst.Attribute) or not is_of_loss(outline.program, call):
            continue
        loss = cst.Arg(call.func.value)
        edits[call] = cst.Call(cst.parse_expression("self.manual_backward"), [loss, *call.args])
    for hook in (STEP, *outline.methods):
        outline.edit(hook, edits)
