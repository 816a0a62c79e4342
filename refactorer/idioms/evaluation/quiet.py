"""What an evaluation does without gradients beside its loop: the Trainer runs these hooks with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.evaluation.filled import filled
from refactorer.idioms.evaluation.other_names import (
    COMPUTING_FUNCTIONS,
    COMPUTING_METHODS,
    computes,
    names_bound,
    other_names,
)
from refactorer.idioms.evaluation.parts import Evaluation, bound_again, call_of
from refactorer.idioms.evaluation.plain_lines import compares_itself, is_only_asked, is_only_told, starts_anew
from refactorer.idioms.known.looking import is_own_method
from refactorer.idioms.known.plain import is_plain
from refactorer.idioms.shapes import mode_line, only_call
from refactorer.outline.blocks import is_docstring
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_START, STEP, TEST_HOOKS, VALIDATION_HOOKS, Outline

_READING = """
item format append join strip tolist size numel detach cpu time perf_counter write flush info debug warning numpy keys
values items
"""
_METHODS = frozenset([*_READING.split(), *COMPUTING_METHODS])
_NUMBERS = ("builtins.float", "builtins.int")
_FUNCTIONS = (
    "builtins.", "time.", "math.", "datetime.", "os.path.", "torch.manual_seed", "sklearn.metrics.",
    *COMPUTING_FUNCTIONS,
)  # fmt: skip


def without_gradients(
    outline: Outline, roles: Roles, found: Evaluation, lines: Iterable[cst.CSTNode]
) -> list[cst.CSTNode]:
    """The statements, with a `no_grad` around those that need one and what stands between them."""
    own = own_variables(outline, found)
    others = names_of_others(outline, roles, found, own)
    result: list[cst.CSTNode] = []
    for is_quiet, run in groupby(lines, key=lambda line: line in found.quiet):
        part = list(run)
        needs = [is_quiet and not is_indifferent(outline, roles, line, own, others) for line in part]
        first = needs.index(True) if any(needs) else len(part)
        last = len(part) - needs[::-1].index(True) if any(needs) else len(part)
        result += [*part[:first], *_guarded(found, part[first:last]), *part[last:]]
    return result


def own_variables(outline: Outline, found: Evaluation) -> set[Variable]:
    """What the evaluation itself binds, and the training does not."""
    return _written(outline, [*found.before, found.loop, *found.after, found.line]) - _written(
        outline, outline.lines(EPOCH_START, STEP)
    )


def names_of_others(outline: Outline, roles: Roles, found: Evaluation, own: set[Variable]) -> set[Variable]:
    """The evaluation's names for what it did not compute."""
    trained = _trained(outline)

    def known(variable: Variable) -> bool:
        plain = variable in own or is_plain(outline, variable)
        return plain and variable not in trained and variable not in roles.models

    hooks = [line for hook in (*VALIDATION_HOOKS, *TEST_HOOKS) for line in outline.hooks.get(hook, ())]
    lines = [*found.earlier, *found.before, *found.after, *found.later, *hooks]
    return other_names(outline, lines, [*found.quiet, found.loop], known)


def computes_beside(outline: Outline, found: Evaluation) -> bool:
    """Whether the statement that calls the function computes more than this does: `score = evaluate() * scale`."""
    call = call_of(outline, found)
    inside = {id(node) for node in walk(call)}
    beside = [node for node in walk(found.line) if id(node) not in inside]
    small = found.line.body if isinstance(found.line, cst.SimpleStatementLine) else ()
    calls = [node for node in beside if isinstance(node, cst.Call)]
    said = all(outline.program.qualified_name(node.func) == "builtins.print" for node in calls)
    kinds = (cst.BinaryOperation, cst.UnaryOperation, cst.AugAssign, cst.Comparison, cst.BaseComp, cst.Lambda)
    return len(small) > 1 or not said or any(isinstance(node, kinds) for node in beside)


def hands_back(outline: Outline, roles: Roles, found: Evaluation) -> bool:
    """Whether what the function returns is the same with gradients as without."""
    left = [line for line in found.after if returns([line])]
    own = own_variables(outline, found)
    others = names_of_others(outline, roles, found, own)
    return all(is_indifferent(outline, roles, line, own, others) for line in left)


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
    if _is_renaming(line) or is_switch(outline, line) or starts_anew(outline, line):
        return True
    for node in walk(line):
        if isinstance(node, (cst.FunctionDef, cst.Lambda)) or _is_property(outline, node):
            return False
        if isinstance(node, cst.Comparison) and compares_itself(outline):
            return False
        if isinstance(node, cst.Call):
            full = outline.program.qualified_name(node.func)
            if not (full is None and _is_known_method(outline, node)) and not (full or "").startswith(_FUNCTIONS):
                return False
    trained = _trained(outline)
    made = others if computes(outline.program, line) else ()
    bound = names_bound(line)
    for node, variable in outline.uses(line):
        if _is_asked_for_number(outline, node) or _is_asked_for_length(outline, node):
            continue
        if variable not in roles.models and (is_only_asked(outline, node) or is_only_told(outline, node)):
            continue
        known = variable.owner is None or variable in own or is_plain(outline, variable)
        if variable in roles.models or not known or variable in trained:
            return False
        if variable in made and node not in bound:
            return False
    return True


def _is_property(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether an attribute may be worked out by a method of the file: a decorated one, or one for all names."""
    if not isinstance(node, cst.Attribute):
        return False
    if is_own_method(outline, "__getattr__") or is_own_method(outline, "__getattribute__"):
        return True
    same = (method for method in outline.program.find(cst.FunctionDef) if method.name.value == node.attr.value)
    return any(method.decorators and class_of_method(outline.program, method) is not None for method in same)


def _is_known_method(outline: Outline, call: cst.Call) -> bool:
    """Whether a call runs a method that reads or computes, and that no class of the file has another one of."""
    name = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    return name in _METHODS and not is_own_method(outline, name)


def is_switch(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether a line is `encoder.eval()` or `net = net.train()`, which no class of the file has in its own way."""
    call = only_call(line) or bound_again(line)
    name = call.func.attr.value if call is not None and isinstance(call.func, cst.Attribute) else ""
    if call is None or call.args or name not in ("train", "eval") or not isinstance(root_of(outline, call), cst.Name):
        return False
    return not is_own_method(outline, name)


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


def _is_asked_for_length(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name only occurs to be asked for the size of its data: `len(loader)`, `len(loader.dataset)`."""
    around = outline.program.parent.get(node)
    if isinstance(around, cst.Attribute) and around.attr.value in ("dataset", "sampler"):
        around = outline.program.parent.get(around)
    call = outline.program.parent.get(around) if isinstance(around, cst.Arg) else None
    return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) == "builtins.len"


def _trained(outline: Outline) -> set[Variable]:
    """What the training computes, and what it puts that into."""
    lines = outline.lines(EPOCH_START, STEP)
    written = _written(outline, lines)
    return written | filled(outline, lines, written)


def _written(outline: Outline, lines: list[cst.CSTNode]) -> set[Variable]:
    return {variable for node, variable in outline.uses(*lines) if outline.is_write(node)}
