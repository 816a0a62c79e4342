"""Automatic optimization: `training_step` returns the loss, and the Trainer does zero_grad, backward and step.

Sound when backward and step stand once each, directly in the body, when the gradients are cleared in front of the one
or behind the other, and when whatever else is in the body keeps its place in the order of things.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, Removed
from refactorer.idioms.automatic import renewed
from refactorer.idioms.automatic.absent_loss import may_be_absent
from refactorer.idioms.automatic.backward_hook import OwnBackward, find_backward, give
from refactorer.idioms.automatic.behind_step import Places, find_places, move
from refactorer.idioms.automatic.closures import may_be_missing, may_fail_to_step
from refactorer.idioms.automatic.each_branch import with_one_step
from refactorer.idioms.automatic.opened import opened, without_checks
from refactorer.idioms.automatic.why_manual import why_no_optimizer, why_not_once
from refactorer.idioms.clearing import (
    clearing_lines,
    clears_first,
    late_lines_for_hook,
    lines_for_hook,
    says_who_clears,
)
from refactorer.idioms.clearing.early import gives_parameters, leaves_gradients
from refactorer.idioms.clearing.gradients import (
    added_to_elsewhere,
    clips_beside,
    clips_elsewhere,
    gradient_reader,
    gradients_cross,
    handed_out,
    hooked,
    runs_inside_itself,
    steps_of_own_classes,
)
from refactorer.idioms.clearing.late import sees_gradients
from refactorer.idioms.clearing.readers import seen_alike
from refactorer.idioms.jumps import leave_step, on_lines
from refactorer.idioms.known.elsewhere import known_elsewhere
from refactorer.idioms.known.harmless import harm_in
from refactorer.idioms.known.sensitive import Obstacle, is_guarded
from refactorer.idioms.known.taint import tainted_by_training
from refactorer.idioms.remarks import remove
from refactorer.idioms.schedulers import is_step_line
from refactorer.idioms.shapes import method_calls, method_line, only_call
from refactorer.outline.comments import lines_above
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Held, Roles
from refactorer.outline.outline import STEP, ZERO_GRAD, Outline
from refactorer.outline.refusal import Split
from refactorer.outline.training.anchors import is_of_loss
from refactorer.outline.worked_out import is_worked_out, operators_look_up

_LEAVES = "code in front of zero_grad may leave gradients, which the Trainer would not clear"


@dataclass(frozen=True)
class Calls:
    """Indices of the calls in the body of the step: those that clear gradients, backward and step; and its backward.

    `by_hook` says that the module clears the gradients by lines of the script, since the optimizer may hold others.
    `in_place` says that whatever clears them stays where it is, if anything does, and the Trainer clears nothing.
    """

    zeros: list[int]
    backward: int
    step: int
    own: OwnBackward
    by_hook: bool = False
    in_place: bool = False

    @property
    def loss(self) -> cst.BaseExpression:
        """What the step hands to the Trainer."""
        return self.own.loss


def apply(outline: Outline, roles: Roles, instead: str | None = None, lean: bool = True) -> None:
    """Makes the step automatic, or literal (manual) with a note that says why; `instead` is a reason found later.

    `lean` says that the Trainer clears no gradients but where the module says so, and steps for no batch that is left.

    Raises:
        Split: the step cannot be automatic, and these roles are for one that is.
    """
    found = _found(outline, roles, lean) if instead is None else Obstacle(outline.site.batch_loop, instead)
    if isinstance(found, Obstacle) and roles.tentative:
        raise Split(found.node, found.reason)
    if isinstance(found, Obstacle):
        codes = {code for code, *_ in outline.notes}
        said = bool(codes & {"N111", "N112"}) or (not roles.optimizers and "N104" in codes)
        if not said:
            outline.note("N101", found.node, f"manual optimization is kept: {found.reason}",
                         "nothing to do; the literal form trains the same")  # fmt: skip
        keep_manual(outline)
    else:
        calls, places = found
        _automatic(outline, _cleared_late(outline, roles, calls), places)
        if roles.renewed is not None:
            renewed.hand_over(outline, roles)
        else:
            outline.plain_steps = may_fail_to_step(outline, roles)


def _found(outline: Outline, roles: Roles, lean: bool) -> tuple[Calls, Places] | Obstacle:
    """What `detect` finds, also where the step stands under a condition, and batches are left otherwise."""
    first = found = detect(outline, roles, lean)
    kept, cleared, comments = outline.hooks[STEP], outline.cleared, list[cst.EmptyLine]()
    for open_more in (without_checks, with_one_step, opened) if lean else (without_checks,):
        if not isinstance(found, Obstacle):
            break
        closed = outline.hooks[STEP]
        outline.hooks[STEP], more = open_more(outline, roles)
        comments = [*more, *comments]
        if outline.hooks[STEP] != closed:
            found = detect(outline, roles, lean)
    if isinstance(found, Obstacle):
        outline.hooks[STEP], outline.always, outline.cleared = kept, [], cleared
        return found if found.node is outline.site.batch_loop else first
    if comments:
        outline.footers[STEP] = [*comments, *outline.footers.get(STEP, [])]
    return found


def detect(outline: Outline, roles: Roles, lean: bool = True) -> tuple[Calls, Places] | Obstacle:
    """Where the calls stand and the lines around them go, or the first condition that fails.

    A script that clears gradients in front of every step, in a way of its own, reads better as it is.
    """
    if outline.accumulates:
        return _detect(outline, roles, lean, in_place=outline.clears_itself)
    found = _detect(outline, roles, lean)
    if isinstance(found, Obstacle) and lean and (found.reason == _LEAVES or not clears_first(outline)):
        again = _detect(outline, roles, lean, in_place=True)
        return found if isinstance(again, Obstacle) else again
    return found


def _detect(
    outline: Outline, roles: Roles, lean: bool, in_place: bool = False
) -> tuple[Calls, Places] | Obstacle:  # fmt: skip
    body = outline.hooks[STEP]
    calls = _calls(outline, roles, body, lean, in_place)
    if isinstance(calls, Obstacle):
        return calls
    zeros, backward, step = calls.zeros, calls.backward, calls.step
    late = [zero for zero in zeros if zero > step]
    if body[step] in outline.always:
        return Obstacle(body[step], "step() is called for batches without a backward(), too")
    if outline.always and (in_place or any(body[zero] in outline.always for zero in zeros)):
        return Obstacle(body[step], "gradients are cleared for batches that do not train, or not at all")
    if outline.always and clips_beside(outline, body[backward:step]):
        return Obstacle(body[step], "gradients of another batch may be clipped")
    if may_be_absent(outline, body[:backward], calls.loss):
        return Obstacle(body[backward], "the loss may be None, and other batches are left out")
    obstacle = _moved(outline, roles, body, calls, lean) or _order(outline, body, calls, late)
    if obstacle is not None:
        return obstacle
    head = [line for i, line in enumerate(body[:backward]) if i not in zeros]
    middle = [line for i, line in enumerate(body[:step]) if i > backward and i not in zeros]
    tail = [line for i, line in enumerate(body) if i > step and i not in zeros and line not in outline.always]
    if calls.in_place and gradient_reader(outline) is not None:
        left = loop_jumps(middle)
        return Obstacle(left[0], "the batch may be left between backward and step") if left else (
            calls, Places(between=middle, behind=tail)
        )  # fmt: skip
    places = find_places(outline, roles, head, middle, tail, calls.loss)
    if not isinstance(places, Obstacle) and any(line not in places.between for line in outline.closing):
        return Obstacle(body[backward], "code around step() would run for other batches than it did")
    if isinstance(places, Obstacle) or calls.in_place:
        return places if isinstance(places, Obstacle) else (calls, places)
    reader = _reader(outline, body, calls, places, lean)
    if reader is not None and not loop_jumps(middle):
        places = Places(between=middle, behind=tail)
        reader = _reader(outline, body, calls, places, lean)
    if reader is not None:
        return Obstacle(reader, "the script reads gradients itself")
    unseen = len(late) == len(zeros) or outline.always
    seen = handed_out(outline, roles) or hooked(outline) if unseen else None
    if seen is not None:
        return Obstacle(seen, "code out of sight is given the model, and may see that gradients are cleared")
    others = [line for line in places.after(outline) if not is_step_line(outline, roles, line)]
    known = known_elsewhere(outline, tainted_by_training(outline, roles)) if late else set()
    others = others if harm_in(outline, others, known) is not None else []
    if late and sees_gradients(outline, roles, others):
        return Obstacle(body[late[0]], "code behind step() stays there, and may see that the gradients are cleared")
    return calls, places


def _moved(outline: Outline, roles: Roles, body: list[cst.CSTNode], calls: Calls, lean: bool) -> Obstacle | None:
    """Why gradients may not be cleared where the Trainer does it, instead of where the script does."""
    between = [line for hook in outline.hooks if hook != STEP for line in outline.hooks[hook]]
    other = not renewed.holds_the_same(outline, roles) or gives_parameters(outline, between) is not None
    if calls.zeros and min(calls.zeros) > calls.step and other:
        return Obstacle(
            body[calls.zeros[0]], "the optimizer gets other parameters, whose gradients are cleared too late"
        )
    front = leaves_gradients(outline, roles, _crossed(body, calls, lean))
    return Obstacle(front, _LEAVES) if front is not None else None


def _crossed(body: list[cst.CSTNode], calls: Calls, lean: bool) -> list[cst.CSTNode]:
    """The lines that the clearing of gradients in front of the backward pass moves across.

    The Trainer clears them in front of the step, Lightning alone just in front of `backward()`.
    """
    early = [zero for zero in calls.zeros if zero < calls.backward]
    lines = body[: max(early, default=0)] if lean else body[min(early, default=0) : calls.backward]
    return [line for line in lines if body.index(line) not in calls.zeros]


def _reader(
    outline: Outline, body: list[cst.CSTNode], calls: Calls, places: Places, lean: bool
) -> cst.CSTNode | None:  # fmt: skip
    """The first place that reads gradients when the Trainer might have cleared them, or not yet.

    Lightning alone clears them when a training begins, when a validation does, and just in front of `backward()`.
    """
    first = lean and calls.zeros == [*range(len(calls.zeros))]
    lines = [*(body[: calls.backward] if first else []), *places.between, *places.behind]
    early = lean and max(calls.zeros) < calls.step and not loop_jumps(body[: calls.step])
    return gradient_reader(outline, [*seen_alike(outline, lines, beside=early), *steps_of_own_classes(outline)])


def _calls(
    outline: Outline, roles: Roles, body: list[cst.CSTNode], lean: bool, in_place: bool
) -> Calls | Obstacle:  # fmt: skip
    """The calls of a step that has each of them, and nothing that hides another."""
    loop = outline.site.batch_loop
    own = find_backward(outline, body, lean)
    scaled = _scaled_by_apex(outline) if own is None else None
    if scaled is not None:
        return Obstacle(scaled, "scale_loss() of apex stands around backward(), and only the script can call it")
    if roles.stepping is None:
        return Obstacle(loop, why_no_optimizer(outline, roles))
    zeros = clearing_lines(outline, roles, body) if not in_place else []
    by_hook = in_place or (not zeros and lean)
    if by_hook and not in_place:
        find = late_lines_for_hook if outline.accumulates else lines_for_hook
        zeros = find(outline, roles, body)
    made = [method_line(outline, line, roles.stepping, "step") for line in body]
    steps = [i for i, call in enumerate(made) if call is not None and not call.args]
    if own is None or len(steps) != 1 or not (zeros or in_place):
        return why_not_once(outline, own is not None, bool(steps))
    left = returns(body[: steps[0] + 1])
    if left:
        return Obstacle(left[0], "`return` leaves the training from inside a step")
    ours = [*outline.cleared, *(body[i] for i in (*zeros, *steps))]
    methods = ("step",) if in_place else ("step", "zero_grad")
    others = [c for method in methods for c in _calls_elsewhere(outline, roles.stepping, method, ours)]
    kept = max(zeros, default=-1) < steps[0] and not loop_jumps(body[: steps[0]]) and not is_guarded(outline)
    if others and not (lean and kept and all(_is_apart(outline, roles.stepping, call) for call in others)):
        return Obstacle(loop, "the optimizer is stepped or cleared in more than one place")
    if runs_inside_itself(outline):
        return Obstacle(loop, "the training may begin again inside itself")
    skipped = [] if by_hook else loop_jumps(body[: min(*zeros, *steps)])
    if skipped and may_be_missing(outline, roles):
        return Obstacle(loop, "batches may be left where there is no optimizer, and the Trainer needs one for each")
    return Calls(zeros, body.index(own.line), steps[0], own, by_hook, in_place)


def _scaled_by_apex(outline: Outline) -> cst.With | None:
    """The `with amp.scale_loss(loss, optimizer) as scaled:` around a backward pass."""
    for call in outline.site.backwards:
        for outer in outline.program.ancestors(call):
            items = [item.item for item in outer.items] if isinstance(outer, cst.With) else []
            funcs = [item.func for item in items if isinstance(item, cst.Call)]
            if any(isinstance(func, cst.Attribute) and func.attr.value == "scale_loss" for func in funcs):
                assert isinstance(outer, cst.With)
                return outer
    return None


def _order(outline: Outline, body: list[cst.CSTNode], calls: Calls, late: list[int]) -> Obstacle | None:
    """Whether the gradients are cleared where it means the same as in front of each backward pass."""
    backward, step = calls.backward, calls.step
    if not backward < step:
        return Obstacle(body[step], "step() stands in front of backward()")
    if any(backward < zero < step for zero in calls.zeros):
        return Obstacle(body[calls.zeros[0]], "zero_grad does not stand before backward or after step")
    early = len(late) < len(calls.zeros)
    leaves = bool(loop_jumps(body[:step])) or is_guarded(outline)
    if early and leaves and added_to_elsewhere(outline):
        return Obstacle(body[calls.zeros[0]], "gradients may be left over for another training of the file")
    if not late:
        return None
    if not early and gradients_cross(outline):
        return Obstacle(body[late[0]], "gradients may be left over from, or for, another training of the file")
    if clips_elsewhere(outline):
        return Obstacle(body[late[0]], "the gradients of the last step are used later")
    if not early and loop_jumps(body[step : late[0]]):
        return Obstacle(body[late[0]], "the batch may be left between step and zero_grad")
    return None


def _calls_elsewhere(
    outline: Outline, optimizer: Variable | Held, method: str, here: list[cst.CSTNode]
) -> list[cst.Call]:  # fmt: skip
    """The calls of a method of the optimizer on other lines than these."""
    calls = [call for call in method_calls(outline, method) if _may_be(outline, call, optimizer)]
    return [call for call in calls if not any(only_call(line) is call for line in here)]


def _is_apart(outline: Outline, optimizer: Variable | Held, call: cst.Call) -> bool:
    """Whether a call stands in the driver, in front of the training or behind it, and for nobody else to run."""
    driver, loop = outline.site.driver, outline.site.epoch_loop
    if isinstance(optimizer, Held) or optimizer.owner is not driver or outline.program.contains(loop, call):
        return False
    return any(seen.scope is driver and outline.program.contains(call.func, seen.node) for seen in optimizer.reads)


def _may_be(outline: Outline, call: cst.Call, optimizer: Variable | Held) -> bool:
    """Whether the object that a method is called on may be the optimizer; an attribute may have any owner."""
    assert isinstance(call.func, cst.Attribute)
    receiver = call.func.value
    if isinstance(optimizer, Held):
        return isinstance(receiver, cst.Attribute) and receiver.attr.value == optimizer.attribute
    return outline.variable(receiver) is optimizer


def _automatic(outline: Outline, calls: Calls, places: Places) -> None:
    """Leaves the calls to the Trainer, with what they were commented on in front of the `return`."""
    body = outline.hooks[STEP]
    head, verb = body[: calls.backward], _stop(outline)
    away = [*places.between, *places.after(outline)]
    front = [line for line in body[calls.backward :] if line not in away]
    zeros = [] if calls.by_hook else calls.zeros
    edits, remarks = remove(body, zeros, (calls.backward, calls.step) if calls.own.alike else (calls.step,))
    if not calls.own.alike:
        edits.update(give(outline, calls.own))
    if calls.by_hook:
        edits.update(_clear_in_hook(outline, [body[i] for i in calls.zeros]))
    jumps = leave_step(head, cst.Name("None"), False, verb, outline.mark(STEP))
    edits.update(on_lines(head, jumps))
    edits.update(on_lines(front, leave_step(front, calls.loss, True, verb, outline.mark(STEP))))
    outline.hooks[STEP] = [*head, *front, cst.SimpleStatementLine([cst.Return(_bare(calls.loss))], remarks)]
    move(outline, places, calls.loss, bool(jumps), verb)
    outline.edit(STEP, edits)
    outline.automatic = True


def _cleared_late(outline: Outline, roles: Roles, calls: Calls) -> Calls:
    """Calls of which the Trainer makes `zero_grad()` too, where the script does: just in front of the backward pass."""
    body, last = outline.hooks[STEP], calls.backward - 1
    call = method_line(outline, body[last], roles.stepping, "zero_grad") if calls.in_place and last >= 0 else None
    leaves = outline.accumulates or outline.stepping or body[last] in outline.always
    if call is None or call.args or leaves or roles.renewed is not None or not _is_ready(outline, calls.loss):
        return calls
    outline.clears_late = True
    return replace(calls, zeros=[last], by_hook=False, in_place=False)


def _is_ready(outline: Outline, loss: cst.BaseExpression) -> bool:
    """Whether an expression runs no code that could tell whether the gradients are cleared already."""
    program = outline.program
    asked = [node.attr.value for node in walk(loss) if isinstance(node, cst.Attribute)]
    runs = any(isinstance(node, (cst.Call, cst.Subscript, cst.Await, cst.Yield)) for node in walk(loss))
    return not runs and operators_look_up(program) and not any(is_worked_out(program, name) for name in asked)


def _bare(loss: cst.BaseExpression) -> cst.BaseExpression:
    """A sum without the brackets that the call behind them has needed."""
    one_line = isinstance(loss, cst.BinaryOperation) and "\n" not in cst.Module([]).code_for_node(loss)
    return loss.with_changes(lpar=(), rpar=()) if one_line else loss


def _clear_in_hook(outline: Outline, lines: list[cst.CSTNode]) -> dict[cst.CSTNode, Edit]:
    """Puts the script's own clearing of gradients into a hook; returns the edits that take it out of the step."""
    if not lines:
        outline.hooks[ZERO_GRAD] = [cst.parse_statement(f'"""{says_who_clears(outline)}"""\n')]
        return {}
    apart = [lines_above(line) for line in lines]
    outline.hooks[ZERO_GRAD] = [line.with_changes(leading_lines=own) for line, (_, own) in zip(lines, apart)]
    return {line: Removed(above) for line, (above, _) in zip(lines, apart)}


def _stop(outline: Outline) -> str:
    """What a `break` of the loop over the batches does; it leaves the training where an epoch is one batch."""
    return "stop_training" if outline.site.form == "whole" else "stop_epoch"


def keep_manual(outline: Outline) -> None:
    """Manual optimization: the calls stay in the step, and gradients are computed through the Trainer."""
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
