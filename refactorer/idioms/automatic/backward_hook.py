"""A backward pass of the script's own: `loss.backward(retain_graph=True)`, or one for each branch of a condition.

It becomes the module's `backward`, which the Trainer calls with the loss of the step. Branches that all say the same
are one backward pass, without the condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds, walk
from refactorer.emit.edits import Edit, Removed
from refactorer.idioms.known.plain import is_plain
from refactorer.idioms.shapes import only_call
from refactorer.outline.blocks import block_lines, is_pass
from refactorer.outline.comments import lines_above
from refactorer.outline.outline import BACKWARD, Outline
from refactorer.outline.training.anchors import is_of_loss

_QUIET = (
    cst.Name, cst.Attribute, cst.BaseNumber, cst.SimpleString, cst.Comparison, cst.BooleanOperation, cst.UnaryOperation,
)  # fmt: skip
_LOOKING_UP = ("__getattr__", "__getattribute__")


@dataclass(frozen=True)
class OwnBackward:
    """The line of a step that computes all its gradients, and what of.

    `alike` says that it does no more than the Trainer's own backward pass.
    """

    line: cst.CSTNode
    loss: cst.BaseExpression
    alike: bool


def find_backward(outline: Outline, body: Sequence[cst.CSTNode], hooks: bool = True) -> OwnBackward | None:
    """The backward pass of a step that is one statement of it; `hooks` says that it need not be the Trainer's."""
    calls = outline.site.backwards
    plain = [line for line in body if _plain_backward(line) is not None]
    if len(calls) == 1 and len(plain) == 1:
        call = _plain_backward(plain[0])
        assert call is not None and isinstance(call.func, cst.Attribute)
        return OwnBackward(plain[0], call.func.value, True)
    return _own_statement(outline, body) if hooks else None


def _plain_backward(line: cst.CSTNode) -> cst.Call | None:
    """The call of a line that is just `loss.backward()`."""
    call = only_call(line)
    plain = call is not None and isinstance(call.func, cst.Attribute) and call.func.attr.value == "backward"
    return call if plain and call is not None and not call.args else None


def _own_statement(outline: Outline, body: Sequence[cst.CSTNode]) -> OwnBackward | None:
    """A statement that computes all gradients of one loss, which the step has made before."""
    calls = outline.site.backwards
    line = next((line for line in body if all(holds([line], call) for call in calls)), None)
    if line is None or not all(is_of_loss(outline.program, call) for call in calls):
        return None
    front = body[: body.index(line)]
    made = {variable for node, variable in outline.uses(*front) if outline.is_write(node)} | _of_batch(outline)
    losses = [node for node, variable in outline.uses(line) if variable in made]
    loss = outline.variable(losses[0]) if losses else None
    if loss is None or any(outline.variable(node) is not loss or outline.is_write(node) for node in losses):
        return None
    if not all(holds([line], node) for node in losses) or not _only_computes(outline, line, loss):
        return None
    if _is_seen_outside(outline, line):
        return None
    assert isinstance(losses[0], cst.Name)
    return OwnBackward(line, losses[0], _is_alike(outline, line))


def give(outline: Outline, own: OwnBackward) -> dict[cst.CSTNode, Edit]:
    """Puts the backward pass into a hook of its own; returns the edits that take it out of the step."""
    apart, above = lines_above(own.line)
    loss = outline.variable(own.loss)
    assert loss is not None
    names = {node: cst.Name(loss.name) for node, used in outline.uses(own.line) if used is loss}
    outline.hooks[BACKWARD] = [own.line]
    outline.parameter[BACKWARD] = loss.name
    outline.edit(BACKWARD, {**names})
    first = outline.hooks[BACKWARD][0]
    outline.hooks[BACKWARD][0] = first.with_changes(leading_lines=above)
    return {own.line: Removed(apart)}


def _of_batch(outline: Outline) -> set[Variable]:
    """What the loop binds for each batch."""
    parts = [part for part in (outline.train.target, outline.train.index) if part is not None]
    return {variable for part in parts for _, variable in outline.uses(part)}


def _only_computes(outline: Outline, line: cst.CSTNode, loss: Variable) -> bool:
    """Whether a statement consists of backward passes of the loss, under conditions and in `with` blocks."""
    if isinstance(line, cst.If):
        other = line.orelse
        inner = [*block_lines(line.body), *([] if other is None else [other])]
        return other is not None and all(_only_computes(outline, part, loss) for part in inner)
    if isinstance(line, (cst.Else, cst.With)):
        asynchronous = getattr(line, "asynchronous", None) is not None
        return not asynchronous and all(_only_computes(outline, part, loss) for part in block_lines(line.body))
    call = only_call(line)
    return is_pass(line) or (call is not None and _is_backward_of(outline, call, loss))


def _is_backward_of(outline: Outline, call: cst.Call, loss: Variable) -> bool:
    """Whether a call is `loss.backward(...)`, or that of what `with scale_loss(loss, ...)` makes of it."""
    if not any(call is own for own in outline.site.backwards) or not isinstance(call.func, cst.Attribute):
        return False
    variable = outline.variable(call.func.value)
    return variable is loss or (variable is not None and _is_made_of(outline, variable, loss))


def _is_made_of(outline: Outline, variable: Variable, loss: Variable) -> bool:
    """Whether a variable is only ever what a `with` makes of a call that is given the loss."""
    places = [outline.program.parent.get(outline.program.parent.get(seen.node)) for seen in variable.writes]  # type: ignore[arg-type]
    return bool(places) and all(
        isinstance(item, cst.WithItem) and isinstance(item.item, cst.Call) and outline.mentions(loss, *item.item.args)
        for item in places
    )


def _is_seen_outside(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether anything that a statement binds is used elsewhere, or it runs code that needs its place in the step."""
    inside = {id(node) for node in walk(line)}
    bound = {variable for node, variable in outline.uses(line) if outline.is_write(node)}
    beside = (seen for variable in bound for seen in variable.occurrences)
    special = (cst.Lambda, cst.NamedExpr, cst.Yield, cst.Await, cst.BaseComp)
    return any(id(seen.node) not in inside for seen in beside) or any(isinstance(n, special) for n in walk(line))


def _is_alike(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether each branch is `loss.backward()`, whatever the condition says, and that asks for plain values."""
    program = outline.program
    named = {function.name.value for function in program.find(cst.FunctionDef)}
    if any(call.args for call in outline.site.backwards) or named.intersection(_LOOKING_UP):
        return False
    for node in walk(line):
        if isinstance(node, cst.With) or (isinstance(node, cst.Attribute) and node.attr.value in named):
            return False
        if isinstance(node, cst.If) and not _is_quiet(outline, node.test):
            return False
    return True


def _is_quiet(outline: Outline, test: cst.BaseExpression) -> bool:
    """Whether nobody can tell that a condition was asked."""
    expressions = (part for part in walk(test) if isinstance(part, cst.BaseExpression))
    known = all(isinstance(part, _QUIET) for part in expressions)
    return known and all(_is_known(outline, variable) for _, variable in outline.uses(test))


def _is_known(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is bound somewhere, always to plain values, and never to what a call in the training gives."""
    places = [outline.site.epoch_loop, *outline.consumed]
    inside = [
        seen.node for seen in variable.writes if any(outline.program.contains(place, seen.node) for place in places)
    ]
    made = (outline.program.bound_to(node) for node in inside)
    called = any(isinstance(part, cst.Call) for value in made if value is not None for part in walk(value))
    return bool(variable.writes) and not called and is_plain(outline, variable)
