"""What an evaluation does without gradients beside its loop: the Trainer runs these hooks with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.other_names import computes, names_bound, other_names
from refactorer.idioms.evaluation.parts import Evaluation
from refactorer.idioms.plain import is_plain
from refactorer.idioms.shapes import mode_line
from refactorer.outline.blocks import is_docstring
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import EPOCH_START, STEP, TEST_HOOKS, VALIDATION_HOOKS, Outline

_READING = "item format append join strip tolist size numel detach cpu time perf_counter write flush info"
_METHODS = frozenset(_READING.split())
_NUMBERS = ("builtins.float", "builtins.int")
_FUNCTIONS = ("builtins.", "time.", "math.", "datetime.", "os.path.")


def without_gradients(
    outline: Outline, roles: Roles, found: Evaluation, lines: Iterable[cst.CSTNode]
) -> list[cst.CSTNode]:
    """The statements, those under a `no_grad` of their own that need one."""
    result: list[cst.CSTNode] = []
    held: list[cst.CSTNode] = []
    own = own_variables(outline, found)
    others = names_of_others(outline, roles, found, own)
    for line in lines:
        if line in found.quiet and not is_indifferent(outline, roles, line, own, others):
            held.append(line)
            continue
        result += _guarded(found, held)
        held = []
        result.append(line)
    return [*result, *_guarded(found, held)]


def own_variables(outline: Outline, found: Evaluation) -> set[Variable]:
    """What the evaluation itself binds, and the training does not."""
    return _written(outline, [*found.before, found.loop, *found.after, found.line]) - _trained(outline)


def names_of_others(outline: Outline, roles: Roles, found: Evaluation, own: set[Variable]) -> set[Variable]:
    """The evaluation's names for what it did not compute."""
    trained = _trained(outline)

    def known(variable: Variable) -> bool:
        plain = variable in own or is_plain(outline, variable)
        return plain and variable not in trained and variable not in roles.models

    hooks = [line for hook in (*VALIDATION_HOOKS, *TEST_HOOKS) for line in outline.hooks.get(hook, ())]
    lines = [*found.earlier, *found.before, *found.after, *found.later, *hooks]
    return other_names(outline, lines, [*found.quiet, found.loop], known)


def _guarded(found: Evaluation, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
    if not lines:
        return []
    assert found.guard is not None
    guard = found.guard if isinstance(found.guard, cst.Call) else cst.Call(found.guard)
    return [cst.With([cst.WithItem(guard)], cst.IndentedBlock(lines))]  # type: ignore[arg-type]


def is_indifferent(
    outline: Outline, roles: Roles, line: cst.CSTNode, own: set[Variable], others: Collection[Variable]
) -> bool:
    """Whether a statement cannot tell whether gradients are on; `others` may need some."""
    if is_docstring(line) or any(mode_line(outline, line, roles.model, mode) for mode in ("eval", "train")):
        return True
    if _is_renaming(line):
        return True
    for node in walk(line):
        if isinstance(node, (cst.FunctionDef, cst.Lambda)):
            return False
        if isinstance(node, cst.Call):
            full = outline.program.qualified_name(node.func)
            method = isinstance(node.func, cst.Attribute) and node.func.attr.value in _METHODS
            if not (method and full is None) and not (full or "").startswith(_FUNCTIONS):
                return False
    trained = _trained(outline)
    made = others if computes(outline.program, line) else ()
    bound = names_bound(line)
    for node, variable in outline.uses(line):
        if _is_asked_for_number(outline, node):
            continue
        known = variable.owner is None or variable in own or is_plain(outline, variable)
        if variable in roles.models or not known or variable in trained:
            return False
        if variable in made and node not in bound:
            return False
    return True


def _is_renaming(line: cst.CSTNode) -> bool:
    """Whether a line gives a value another name: `a = b`."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return isinstance(small, cst.Assign) and all(
        isinstance(node, cst.Name) for node in (small.value, *(target.target for target in small.targets))
    )


def _is_asked_for_number(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name only occurs to be asked for its number: `loss.item()`, `float(loss.detach())`, `f"{loss:.4f}"`."""
    parent = outline.program.parent
    while True:
        around = parent.get(node)
        if isinstance(around, cst.Arg):
            call = parent.get(around)
            return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) in _NUMBERS
        if isinstance(around, cst.FormattedStringExpression):
            return around.format_spec is not None
        if not isinstance(around, cst.Attribute):
            return False
        call = parent.get(around)
        called = isinstance(call, cst.Call) and call.func is around and not call.args
        if called and around.attr.value in ("item", "numel", "dim"):
            return True
        if not (around.attr.value == "data" or (called and around.attr.value in ("detach", "cpu"))) or call is None:
            return False
        node = call if called else around


def _trained(outline: Outline) -> set[Variable]:
    """What the training computes."""
    return _written(outline, outline.lines(EPOCH_START, STEP))


def _written(outline: Outline, lines: list[cst.CSTNode]) -> set[Variable]:
    return {variable for node, variable in outline.uses(*lines) if outline.is_write(node)}
