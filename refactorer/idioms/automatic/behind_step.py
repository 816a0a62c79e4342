"""Where the code between `backward()` and `step()`, and behind `step()`, goes when the Trainer makes these calls.

Code that cannot tell whether the optimizer has stepped stands in `training_step`, in front of the `return`. Anything
else keeps its place in the order of things: between the two calls runs `on_before_optimizer_step`, behind them
`on_train_batch_end`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.automatic.closures import may_need_closure
from refactorer.idioms.clearing.gradients import hooked, is_clipping
from refactorer.idioms.jumps import leave_step, on_lines
from refactorer.idioms.known.elsewhere import shown_by
from refactorer.idioms.known.harmless import calls_elsewhere
from refactorer.idioms.known.sensitive import Obstacle, is_guarded, sensitive_code
from refactorer.idioms.schedulers import is_step_line, stepped_by
from refactorer.idioms.schedulers.code import may_meet
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import AFTER_BACKWARD, BATCH_END, BEFORE_STEP, STEP, VALIDATION_HOOKS, Outline

_WITHOUT_GRAPH = ("item", "detach", "data", "tolist")


@dataclass
class Places:
    """Where lines go: in front of the `return` of the step, between backward and step, and behind the step."""

    front: list[cst.CSTNode] = field(default_factory=list)
    between: list[cst.CSTNode] = field(default_factory=list)
    behind: list[cst.CSTNode] = field(default_factory=list)

    def after(self, outline: Outline) -> list[cst.CSTNode]:
        """All lines behind the step; those in `outline.always` run last, and for batches that the step leaves, too."""
        return [*self.behind, *outline.always]


def find_places(
    outline: Outline, roles: Roles, head: list[cst.CSTNode], middle: list[cst.CSTNode], tail: list[cst.CSTNode],
    loss: cst.BaseExpression,
) -> Places | Obstacle:  # fmt: skip
    """The places of the lines between backward and step, and behind step."""
    left = loop_jumps(middle)
    if left:
        return Obstacle(left[0], "the batch may be left between backward and step")
    clipping = [line for line in middle if is_clipping(outline, line)]
    rest = [line for line in middle if line not in clipping]
    tainted = shown_by(outline, roles) if rest or tail else set()

    def is_sensitive(lines: list[cst.CSTNode]) -> bool:
        return bool(lines) and _sensitive(outline, roles, lines, head, loss, tainted) is not None

    if is_sensitive(rest) or calls_elsewhere(outline, rest):
        return Places(between=middle, behind=tail)
    if roles.opaque or may_need_closure(outline, roles) or returns(tail):
        return Places(rest, clipping, tail)
    steps = [i for i, line in enumerate(tail) if is_step_line(outline, roles, line)]
    others = [*rest, *(line for i, line in enumerate(tail) if i not in steps)]
    last = steps[-1] if steps else 0
    if loop_jumps(tail[:last]) or is_sensitive(others) or _meets_scheduler(outline, roles, tail, others):
        return Places(rest, clipping, tail)
    return Places(others, clipping, [tail[i] for i in steps])


def _meets_scheduler(outline: Outline, roles: Roles, tail: list[cst.CSTNode], others: list[cst.CSTNode]) -> bool:
    """Whether a scheduler that is stepped behind the step may notice that other lines have run before, or they that."""
    steps = (stepped_by(outline, roles, line) for line in tail)
    return any(may_meet(outline, scheduler, others) for scheduler in steps if scheduler is not None)


def _sensitive(
    outline: Outline, roles: Roles, lines: list[cst.CSTNode], head: list[cst.CSTNode], loss: cst.BaseExpression,
    tainted: set[Variable],
) -> Obstacle | None:  # fmt: skip
    """Why lines may not stand in front of `backward()`; None if nothing can tell."""
    found = sensitive_code(outline, roles, lines, head, loss, tainted)
    if found is not None:
        return found
    hook = hooked(outline)
    if hook is not None:
        return Obstacle(hook, "the script runs code of its own during forward or backward, which may be seen there")
    if is_guarded(outline):
        return Obstacle(lines[0], "an exception behind step() is caught outside the loop")
    return None if isinstance(loss, cst.Name) else Obstacle(lines[0], "the loss has no name")


def move(outline: Outline, places: Places, loss: cst.BaseExpression, skips: bool, verb: str) -> None:
    """Makes the hooks around the step; `skips` says that a batch may be left before its backward pass."""
    each = [line for line in places.between if outline.accumulates and line not in outline.closing]
    if each:
        outline.hooks[AFTER_BACKWARD] = each
    if len(places.between) > len(each):
        outline.hooks[BEFORE_STEP] = [line for line in places.between if line not in each]
        outline.parameter[BEFORE_STEP] = _free(outline, BEFORE_STEP, "optimizer")
    after = places.after(outline)
    if after:
        outline.hooks[BATCH_END] = after
        outline.footers[BATCH_END] = outline.footers.pop(STEP, [])
        outline.parameter[BATCH_END] = _free(outline, BATCH_END, "outputs")
        outline.hooks[BATCH_END] = _with_trained(outline, places)
        jumps = leave_step(outline.hooks[BATCH_END], None, True, verb, outline.mark(BATCH_END))
        outline.edit(BATCH_END, dict(on_lines(outline.hooks[BATCH_END], jumps)))
        outline.openings = _openings(outline, places, loss, skips) if not outline.always else []
        outline.hooks[BATCH_END][:0] = outline.openings


def _with_trained(outline: Outline, places: Places) -> list[cst.CSTNode]:
    """The lines behind the step; of them, those that run behind a step only stand under a condition for it."""
    if not (places.behind and outline.always):
        return places.after(outline)
    trained = cst.If(cst.Name(outline.parameter[BATCH_END]), cst.IndentedBlock(places.behind))  # type: ignore[arg-type]
    return [trained, *outline.always]


def _openings(outline: Outline, places: Places, loss: cst.BaseExpression, skips: bool) -> list[cst.CSTNode]:
    """The first lines of `on_train_batch_end`: nothing for a skipped batch, and the loss that the Trainer kept."""
    lines: list[cst.CSTNode] = []
    outputs = outline.parameter[BATCH_END]
    if skips:
        lines.append(cst.parse_statement(f"if not {outputs}:\n    return\n"))
    if _is_read_as_number(outline, places, loss):
        bound = outline.new_name(outline.program.variables[loss], "write")
        value = cst.parse_expression(f'{outputs}["loss"]')
        lines.append(cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(bound)], value)]))
    return lines


def _is_read_as_number(outline: Outline, places: Places, loss: cst.BaseExpression) -> bool:
    """Whether all that is left of the loss behind the step is its value, as the Trainer's copy without graph has it."""
    variable = outline.variable(loss)
    if variable is None or any(outline.mentions(variable, line) for line in places.between):
        return False
    if outline.asked is not None and outline.mentions(variable, *outline.lines(*VALIDATION_HOOKS)):
        return False
    inside = [node for node, used in outline.uses(*places.behind) if used is variable]
    if not inside or not all(_is_value(outline, node) for node in inside):
        return False
    loop = outline.site.batch_loop
    seen = (seen for seen in variable.occurrences if seen.order >= 0)
    return all(outline.program.contains(loop, occurrence.node) for occurrence in seen)


def _is_value(outline: Outline, node: cst.CSTNode) -> bool:
    parent = outline.program.parent.get(node)
    call = outline.program.parent.get(parent) if parent is not None else None
    if isinstance(parent, cst.Attribute):
        return parent.attr.value in _WITHOUT_GRAPH
    return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) == "builtins.float"


def _free(outline: Outline, hook: str, name: str) -> str:
    """A name for a parameter that nothing in the hook has."""
    used = {variable.name for _, variable in outline.uses(*outline.hooks[hook])}
    while name in used:
        name += "_"
    return name
