"""Mixed precision: the Trainer is handed the `GradScaler`, and scales, unscales, steps and updates as the script did.

The calls of the scaler are taken out of the step, as though there were none: `scaler.scale(loss).backward()` becomes
`loss.backward()`. The rest is left to the other idioms; where the step does not become automatic, all this is undone by
converting the training anew. The step keeps its `with autocast(...)`, for nothing else computes the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds, walk
from refactorer.emit.edits import Edit
from refactorer.idioms.known.fixed import fixed
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.precision import choice
from refactorer.idioms.shapes import method_calls, method_line, method_name, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.objects.torch_names import names_scaler
from refactorer.outline.outline import AFTER_BACKWARD, BEFORE_STEP, STEP, Outline
from refactorer.outline.refusal import Split

CODE = "N112"
_HARMLESS = ("zero_grad", "step")
_REASONS = ("N101", "N111")


@dataclass(frozen=True)
class Scaling:
    """The calls of a scaler in a step: `scaled` are the lines between `backward()` and `unscale_()`."""

    scaler: Variable
    scale: cst.Call
    step: cst.Call
    away: list[cst.CSTNode]
    scaled: list[cst.CSTNode]
    given: cst.BaseExpression


def apply(outline: Outline, undivided: str | None) -> None:
    """Takes the calls of the scaler out of the step, or says in a note why they stay."""
    scale = _scaling_call(outline)
    if scale is None:
        chosen = choice.detect(outline) if undivided is None else None
        if chosen is not None:
            choice.take(outline, chosen)
        return
    found = Obstacle(scale, undivided) if undivided is not None else detect(outline, scale)
    if isinstance(found, Obstacle):
        node = found.node if found.node in outline.program.order else scale
        outline.note(CODE, node, f"the script scales its losses itself: {found.reason}",
                     "nothing to do; the literal form trains the same")  # fmt: skip
        return
    optimizer = found.step.args[0].value
    edits: dict[cst.CSTNode, Edit] = dict.fromkeys(found.away)
    edits[found.scale] = found.scale.args[0].value
    edits[found.step] = cst.Call(cst.Attribute(optimizer, cst.Name("step")))
    outline.edit(STEP, edits)
    calls = (node for node in walk(*outline.hooks[STEP]) if isinstance(node, cst.Call))
    backwards = [call for call in calls if method_name(call) == "backward"]
    outline.site = replace(outline.site, backwards=tuple(backwards))
    outline.settings["scaler"] = found.given
    outline.scaler, outline.scaled = found.scaler, found.scaled


def require_automatic(outline: Outline, roles: Roles) -> None:
    """Sees to it that a step without its scaler is one that the Trainer makes.

    Raises:
        Split: it is not; the training has to be converted with the scaler in it.
    """
    if outline.scaler is None:
        return
    node = outline.site.batch_loop
    if roles.held is not None:
        raise Split(node, "an object holds the optimizer")
    if roles.renewed is not None:
        raise Split(node, "the optimizer is made anew between epochs")
    if not outline.automatic:
        reasons = [message.split(": ", 1)[1] for code, _, message, _ in outline.notes if code in _REASONS]
        raise Split(node, reasons[0] if reasons else "the step is not one that the Trainer can make")
    early = {id(node) for node in walk(*outline.scaled)}
    if any(
        id(node) in early for node in walk(*outline.lines(AFTER_BACKWARD, BEFORE_STEP)) if isinstance(node, cst.Name)
    ):
        raise Split(node, "gradients are used, or may be, before they are unscaled")


def detect(outline: Outline, scale: cst.Call) -> Scaling | Obstacle:
    """The calls of the scaler that `scale` is a call of, or the first condition that fails."""
    assert isinstance(scale.func, cst.Attribute)
    scaler = outline.variable(scale.func.value)
    assert scaler is not None
    if not all(_makes_scaler(outline, outline.program.bound_to(seen.node)) for seen in scaler.writes):
        return Obstacle(scale, f"{scaler.name} is not known to be a GradScaler of torch")
    given = fixed(outline, scale.func.value)
    if given is None:
        return Obstacle(scale, f"{scaler.name} is not made in front of the training")
    block = _block_of_step(outline, scaler)
    found = _calls_in(outline, scaler, scale, block) if block else None
    if found is None:
        return Obstacle(scale, "scale(), step() and update() do not stand once each, in this order")
    scaling = Scaling(scaler, scale, found[0], found[1], _scaled_lines(outline, scale, block, found[1]), given)
    own = [scale, found[0], *(only_call(line) for line in found[1])]
    for method in ("scale", "unscale_", "step", "update"):
        for call in method_calls(outline, method):
            if outline.variable(call.func.value) is scaler and not any(call is known for known in own):  # type: ignore[attr-defined]
                return Obstacle(call, f"{method}() of {scaler.name} is called in more than one place")
    return scaling


def _scaling_call(outline: Outline) -> cst.Call | None:
    """`scaler.scale(loss)`, where `backward()` is called on it and nowhere else."""
    calls = outline.site.backwards
    scaled = calls[0].func.value if len(calls) == 1 and isinstance(calls[0].func, cst.Attribute) else None
    if not isinstance(scaled, cst.Call) or method_name(scaled) != "scale" or len(scaled.args) != 1:
        return None
    inside = holds(outline.hooks[STEP], scaled)
    assert isinstance(scaled.func, cst.Attribute)
    return scaled if inside and outline.variable(scaled.func.value) is not None else None


def _makes_scaler(outline: Outline, value: cst.CSTNode | None) -> bool:
    return isinstance(value, cst.Call) and names_scaler(outline.program.qualified_name(value.func))


def _block_of_step(outline: Outline, scaler: Variable) -> list[cst.CSTNode]:
    """The lines that `scaler.step(optimizer)` stands among: those of the step, or of an `if` in it."""
    body = outline.hooks[STEP]
    for block in (body, *(block_lines(node.body) for node in body if isinstance(node, cst.If))):
        if any(method_line(outline, line, scaler, "step") for line in block):
            return block
    return []


def _calls_in(
    outline: Outline, scaler: Variable, scale: cst.Call, block: list[cst.CSTNode]
) -> tuple[cst.Call, list[cst.CSTNode]] | None:
    """The call that steps, and the lines that unscale and update; None where they do not stand as they have to."""
    at = next(i for i, line in enumerate(block) if method_line(outline, line, scaler, "step"))
    step = only_call(block[at])
    assert step is not None
    updates = [i for i, line in enumerate(block) if _is_bare(method_line(outline, line, scaler, "update"))]
    plain = len(step.args) == 1 and not step.args[0].star and isinstance(step.args[0].value, cst.Name)
    if not plain or len(updates) != 1 or updates[0] < at:
        return None
    if not all(method_name(only_call(line)) in _HARMLESS for line in block[at + 1 : updates[0]]):
        return None
    unscaled = _unscaling_lines(outline, scaler, block[:at])
    calls = [step, *(call for line in unscaled if (call := only_call(line)) is not None)]
    optimizers = {outline.variable(call.args[0].value) for call in calls}
    return (step, [*unscaled, block[updates[0]]]) if len(unscaled) <= 1 and len(optimizers) == 1 else None


def _is_bare(call: cst.Call | None) -> bool:
    return call is not None and not call.args


def _unscaling_lines(outline: Outline, scaler: Variable, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    """The lines `scaler.unscale_(optimizer)`, by themselves or as the first ones under a condition."""
    found = []
    for line in lines:
        first = block_lines(line.body)[0] if isinstance(line, cst.If) and line.orelse is None else line
        call = method_line(outline, first, scaler, "unscale_")
        if call is not None and len(call.args) == 1:
            found.append(first)
    return found


def _scaled_lines(
    outline: Outline, scale: cst.Call, block: list[cst.CSTNode], away: list[cst.CSTNode]
) -> list[cst.CSTNode]:
    """The lines that see gradients as they come out of the scaled loss."""
    body = block if holds(block, scale) else outline.hooks[STEP]
    at = next(i for i, line in enumerate(body) if holds([line], scale))
    behind = body[at + 1 :]
    if block is not body:
        branch = next(i for i, line in enumerate(behind) if isinstance(line, cst.If) and holds([line], block[0]))
        behind = [*behind[:branch], *block]
    unscaled = away[0] if len(away) == 2 else None
    result: list[cst.CSTNode] = []
    for line in behind:
        if unscaled is not None and holds([line], unscaled):
            break
        if line is not away[-1] and method_name(only_call(line)) != "step":
            result.append(line)
    return result
