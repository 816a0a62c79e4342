"""A step that is scaled or not, as a setting says: the Trainer gets the script's `GradScaler`, or none.

if args.amp:                                        loss.backward()
    scaler.scale(loss).backward()          ->       optimizer.step()
    scaler.step(optimizer)
    scaler.update()                                 Trainer(scaler=scaler if args.amp else None)
else:
    loss.backward()
    optimizer.step()
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst
from libcst import matchers

from refactorer.analysis.scopes import Variable
from refactorer.idioms.known.fixed import fixed
from refactorer.idioms.shapes import method_calls, method_line, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import with_comments
from refactorer.outline.objects.torch_names import names_scaler
from refactorer.outline.outline import STEP, Outline


@dataclass(frozen=True)
class Choice:
    """The `if` of a step, by what it is replaced, and what the Trainer is given."""

    branch: cst.If
    lines: list[cst.CSTNode]
    backward: cst.Call
    scaler: Variable
    given: cst.BaseExpression


@dataclass(frozen=True)
class _Branch:
    """The lines of a branch: in front of its backward pass, that, what stands between, and the step."""

    front: list[cst.CSTNode]
    backward: cst.CSTNode
    between: list[cst.CSTNode]
    step: cst.CSTNode


def detect(outline: Outline) -> Choice | None:
    """The choice of a step with two backward passes; None where it is not one of this form."""
    if len(outline.site.backwards) != 2:
        return None
    for line in outline.hooks[STEP]:
        if isinstance(line, cst.If) and isinstance(line.orelse, cst.Else):
            found = _choice(outline, line, block_lines(line.body), block_lines(line.orelse.body))
            if found is not None:
                return found
    return None


def take(outline: Outline, choice: Choice) -> None:
    """Leaves the scaler to the Trainer, and the step as though there were none."""
    outline.edit(STEP, {choice.branch: choice.lines})
    outline.site = replace(outline.site, backwards=(choice.backward,))
    outline.settings["scaler"] = choice.given
    outline.scaler = choice.scaler


def _choice(outline: Outline, line: cst.If, scaled: list[cst.CSTNode], plain: list[cst.CSTNode]) -> Choice | None:
    first, second = _scaled_branch(outline, scaled), _plain_branch(plain)
    if first is None or second is None or fixed(outline, line.test) is None:
        return None
    branch, scaler = first
    loss, own = _loss(branch.backward), _loss(second.backward)
    if loss is None or own is None or not loss.deep_equals(own) or not _same(branch, second):
        return None
    if not _is_scaler(outline, scaler, scaled) or bool(branch.front) != bool(second.front):
        return None
    backward = only_call(second.backward)
    assert backward is not None
    head = list[cst.CSTNode]()
    if branch.front:
        kept = line.with_changes(
            body=line.body.with_changes(body=branch.front),
            orelse=line.orelse.with_changes(body=line.orelse.body.with_changes(body=second.front)),  # type: ignore[union-attr]
        )
        head = [kept]
    lines = [*head, second.backward, *second.between, second.step]
    staying = {id(found) for part in lines for found in matchers.findall(part, matchers.Comment())}
    lost = [found for found in matchers.findall(line, matchers.Comment()) if id(found) not in staying]
    if lost:
        above = [cst.EmptyLine(comment=found) for found in lost]  # type: ignore[arg-type]
        lines[len(head)] = with_comments(lines[len(head)], above)
    given = cst.IfExp(test=line.test, body=outline.new_name(scaler), orelse=cst.Name("None"))
    return Choice(line, lines, backward, scaler, given)


def _scaled_branch(outline: Outline, lines: list[cst.CSTNode]) -> tuple[_Branch, Variable] | None:
    """The branch that ends with the calls of a scaler: backward, perhaps `unscale_()`, step and update."""
    last = only_call(lines[-1])
    owner = last.func.value if last is not None and isinstance(last.func, cst.Attribute) else None
    scaler = outline.variable(owner) if owner is not None else None
    if scaler is None or method_line(outline, lines[-1], scaler, "update") is None or len(lines) < 3:
        return None
    step = method_line(outline, lines[-2], scaler, "step")
    at = next((i for i, line in enumerate(lines) if _scale(outline, line, scaler) is not None), None)
    if at is None or step is None or len(step.args) != 1 or step.args[0].star or last is None or last.args:
        return None
    between = lines[at + 1 : -2]
    if between:
        unscaled = method_line(outline, between[0], scaler, "unscale_")
        if unscaled is None or len(unscaled.args) != 1 or not unscaled.args[0].value.deep_equals(step.args[0].value):
            return None
    return _Branch(lines[:at], lines[at], between[1:], lines[-2]), scaler


def _plain_branch(lines: list[cst.CSTNode]) -> _Branch | None:
    at = next((i for i, line in enumerate(lines) if _method(only_call(line)) == "backward"), None)
    last = only_call(lines[-1])
    if at is None or _method(last) != "step" or last is None or last.args:
        return None
    return _Branch(lines[:at], lines[at], lines[at + 1 : -1], lines[-1])


def _same(scaled: _Branch, plain: _Branch) -> bool:
    """Whether both branches step the same optimizer, with the same lines in front of that."""
    step, own = only_call(scaled.step), only_call(plain.step)
    assert step is not None and own is not None and isinstance(own.func, cst.Attribute)
    alike = len(scaled.between) == len(plain.between) and all(
        one.with_changes(leading_lines=[]).deep_equals(other.with_changes(leading_lines=[]))
        for one, other in zip(scaled.between, plain.between)
    )
    return alike and step.args[0].value.deep_equals(own.func.value)


def _loss(line: cst.CSTNode) -> cst.BaseExpression | None:
    """What a line computes the gradients of, without its scale."""
    call = only_call(line)
    if call is None or call.args or not isinstance(call.func, cst.Attribute):
        return None
    value = call.func.value
    return value.args[0].value if _method(value) == "scale" and isinstance(value, cst.Call) else value


def _scale(outline: Outline, line: cst.CSTNode, scaler: Variable) -> cst.Call | None:
    """The call of `scaler.scale(loss).backward()` that scales."""
    call = only_call(line)
    value = call.func.value if _method(call) == "backward" and isinstance(call.func, cst.Attribute) else None  # type: ignore[union-attr]
    if not isinstance(value, cst.Call) or len(value.args) != 1 or value.args[0].star or _method(value) != "scale":
        return None
    assert isinstance(value.func, cst.Attribute)
    return value if outline.variable(value.func.value) is scaler else None


def _method(call: cst.CSTNode | None) -> str:
    plain = isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)
    return call.func.attr.value if plain else ""  # type: ignore[union-attr]


def _is_scaler(outline: Outline, scaler: Variable, block: list[cst.CSTNode]) -> bool:
    """Whether a variable holds a scaler of torch that is made in front of the training, and used in this block only."""
    program, loop = outline.program, outline.site.epoch_loop
    for seen in scaler.writes:
        value = program.bound_to(seen.node)
        made = isinstance(value, cst.Call) and names_scaler(program.qualified_name(value.func))
        if not made or seen.scope is not scaler.owner or program.order[seen.node] > program.order[loop]:
            return False
    named = [call for method in ("scale", "unscale_", "step", "update") for call in method_calls(outline, method)]
    own = [call for call in named if outline.variable(call.func.value) is scaler]  # type: ignore[attr-defined]
    known = outline.site.driver.lookup(scaler.name) is scaler
    return known and all(any(program.contains(line, call) for line in block) for call in own)
