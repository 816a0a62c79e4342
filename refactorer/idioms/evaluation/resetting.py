"""The Trainer switches to evaluation mode, while the script's `train()` stays at the start of each epoch.

The Trainer leaves behind the mode that it found, the script evaluation mode. Nobody can tell if all code that runs
before the next switch does not use the model, or switches it itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.evaluation.blind import is_lent_blindly, may_switch_back, switches_first
from refactorer.idioms.evaluation.parts import Evaluation, entered
from refactorer.idioms.evaluation.shared import is_shared
from refactorer.idioms.evaluation.uses import hands_on, is_harmless, pieces
from refactorer.idioms.known.elsewhere import given_with
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.known.taint import reaches
from refactorer.idioms.shapes import mode_line
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, EPOCH_START, EPOCHS, STEP, TRAIN_DATA, Outline


def is_reset(outline: Outline, roles: Roles, model: Variable, found: Evaluation, switches: list[cst.CSTNode]) -> bool:
    """Whether nobody sees the mode that an evaluation leaves behind; `switches` are the `eval()` in front of it."""
    if not switches or outline.site.epoch_loop.orelse is not None:
        return False
    with entered(outline, found):
        front, rest = _around(outline, found, switches)
        if any(may_see(outline, model, line) for line in (*front, *rest)):
            return False
        earlier = (*front, *found.earlier, *found.before)  # between two `eval()` too, which both go
        if may_switch_back(outline.program, [line for line in earlier if _uses(outline, model, line)]):
            return False
        if any(may_see(outline, model, line) for line in outline.lines(EPOCHS, TRAIN_DATA)):
            return False
        if sees_first(outline, model, outline.lines(EPOCH_START, STEP)):
            return False
    return not _is_seen_outside(outline, roles, model, found, switches)


def _around(
    outline: Outline, found: Evaluation, switches: list[cst.CSTNode]
) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """What runs in front of the first `eval()`, and what an evaluation that is asked for has beside it in its hook."""
    lines = [*found.earlier, *found.before]
    if not found.midway:
        return lines[: lines.index(switches[0])], []
    beside = list(pieces(outline.lines(EPOCH_END), [found.line, *switches]))
    before = [line for line in found.before if line not in switches]
    return [*beside, *before], list(found.after)


def may_see(outline: Outline, model: Variable, line: cst.CSTNode) -> bool:
    """Whether a statement may do something else in the other mode."""
    program, elsewhere = outline.program, given_with(outline, model)
    for node, variable in outline.uses(line):
        if variable is model:
            if not is_harmless(outline, node) and not is_lent_blindly(program, node, model):
                return True
            continue
        if variable in elsewhere:
            return True
        function = program.definition(variable)
        if isinstance(function, cst.FunctionDef) and reaches(outline, function, {model}, set()):
            call = program.parent.get(node)
            called = isinstance(call, cst.Call) and call.func is node
            if not called or not switches_first(program, function, {model}):
                return True
        elif isinstance(function, cst.ClassDef) and reaches(outline, function, {model}, set()):
            return True
    return False


def sees_first(outline: Outline, model: Variable, lines: Iterable[cst.CSTNode]) -> bool:
    """Whether the first of some statements that uses the model may see its mode, and does not set it."""
    for line in lines:
        if mode_line(outline, line, model, "train") or mode_line(outline, line, model, "eval"):
            return False
        if may_see(outline, model, line):
            return True
    return False


def _uses(outline: Outline, model: Variable, line: cst.CSTNode) -> bool:
    for _, variable in outline.uses(line):
        function = outline.program.definition(variable)
        reaching = isinstance(function, cst.FunctionDef) and reaches(outline, function, {model}, set())
        if variable is model or reaching:
            return True
    return False


def _is_seen_outside(
    outline: Outline, roles: Roles, model: Variable, found: Evaluation, switches: Sequence[cst.CSTNode]
) -> bool:
    """Whether code outside the training may see the model's mode behind it, or has another name for the model."""
    program, loop, driver = outline.program, outline.site.epoch_loop, outline.site.driver
    if model.owner is driver and is_shared(program, model, blindly=True):
        return True
    parts = (seen for part in parts_of_models(outline, roles) for seen in part.occurrences)
    if any(seen.access == "read" and seen.order > program.order[loop] for seen in parts):
        return True
    behind = _behind(outline)
    if behind is None or sees_first(outline, model, behind):
        return True
    own = [found.line, *switches, *([found.function] if found.function is not None else [])]
    inside = [part for part in (loop, *outline.consumed, *outline.dropped, *own, *behind) if part in program.order]
    for node, raw in program.variables.items():
        if outline.bindings.canonical(raw) is not model or any(program.contains(part, node) for part in inside):
            continue
        if program.order[node] < program.order[loop] and program.scope_of(node) is driver:
            if hands_on(outline, node, roles.optimizers):
                return True
        elif not is_harmless(outline, node) and not isinstance(program.parent[node], cst.Param):
            function = program.enclosing_function(node)
            if function is None or function is driver.node or not switches_first(program, function, {model, raw}):
                return True
    return False


def _behind(outline: Outline) -> list[cst.CSTNode] | None:
    """What the driver runs behind the training, in its order; None where more than lines of blocks surround it."""
    program, node = outline.program, outline.site.epoch_loop
    lines: list[cst.CSTNode] = []
    inner: cst.CSTNode = node
    for outer in program.ancestors(node):
        if isinstance(outer, (cst.IndentedBlock, cst.Module)):
            body: list[cst.CSTNode] = list(outer.body)
            lines += body[body.index(inner) + 1 :]
        elif isinstance(outer, (cst.FunctionDef, cst.ClassDef)):
            break
        elif not isinstance(outer, (cst.If, cst.Else)):
            return None
        inner = outer
    taken = (*outline.consumed, *outline.dropped)
    return [line for line in lines if line not in taken and not isinstance(line, cst.FunctionDef)]
