"""What stands between the move of a module and the training, or may run without it, and is the same wherever it is."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, takes_away
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.parameters import Held
from refactorer.idioms.device.waiting import Waiting, waiting_for
from refactorer.idioms.known.looking import is_handed_to, is_own_method
from refactorer.outline.classes import class_of_method, methods_of
from refactorer.outline.functions.arguments import matched
from refactorer.outline.objects.optimizers import gives_back, is_module_class, spreads
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_SEES_NOTHING = {"train", "eval", "load_state_dict", "zero_grad", "requires_grad_"}
_PARAMETERS = ("parameters", "named_parameters")
_COUNTS = ("numel", "nelement")
_SEES_DEVICE = (".device", "is_cuda", "get_device")
_SHOWING = ("builtins.print", "builtins.str", "builtins.repr", "logging.info", "logging.debug")
_LOGGING = ("info", "debug", "format")
_SHOWS = ("__repr__", "__str__", "__format__", "extra_repr", "_get_name")


def is_unseen(
    outline: Outline, choice: Choice, line: cst.CSTNode, variable: Variable, others: Collection[cst.CSTNode]
) -> bool:
    """Whether nothing between the move of a module and the training can see where it is, nor what may run without that.

    `others` are parts of lines that move modules too, and are to go.
    """
    program = outline.program
    waiting = waiting_for(outline, line)
    device = choice.variable
    if device is not None and any(waiting.start < seen.order < waiting.end for seen in device.writes):
        return False
    aside = [outline.site.epoch_loop, *outline.consumed, *others]
    elsewhere: list[Occurrence] = []
    for seen in variable.occurrences:
        if seen.order < 0 or any(program.contains(part, seen.node) for part in aside):
            continue
        if _is_gone(outline, seen):
            continue
        if seen.scope.function is not outline.site.driver:
            if _is_kept_for_later(outline, seen, waiting):
                return False
            elsewhere.append(seen)
        elif waiting.covers(seen.node) and not _sees_nothing(outline, seen, waiting):
            return False
    return not elsewhere or not _may_run(outline, elsewhere, waiting)


def _is_gone(outline: Outline, seen: Occurrence) -> bool:
    """Whether the line of a use goes, as that of a wrapper that the Trainer makes does."""
    for outer in outline.program.ancestors(seen.node):
        if isinstance(outer, (cst.SimpleStatementLine, cst.If)) and outer in outline.driver_edits:
            edit = outline.driver_edits[outer]
            if takes_away(edit) or not _names(edit, seen.name):
                return True
    return False


def _names(edit: Edit, name: str) -> bool:
    """Whether a name stands in what a statement becomes."""
    parts = [edit] if isinstance(edit, cst.CSTNode) else edit
    return any(isinstance(node, cst.Name) and node.value == name for node in walk(*parts))  # type: ignore[misc]


def _is_kept_for_later(outline: Outline, seen: Occurrence, waiting: Waiting) -> bool:
    """Whether a use stands in a lambda or a comprehension of the driver, which runs there or whenever it is called."""
    program, driver = outline.program, outline.site.driver.node
    inner = next((outer for outer in program.ancestors(seen.node) if _is_definition(outer) or outer is driver), None)
    ahead = program.order[seen.node] < waiting.end
    return (inner is None or inner is driver) and (ahead or waiting.covers(seen.node))


def _sees_nothing(outline: Outline, seen: Occurrence, waiting: Waiting) -> bool:
    """Whether a use is the same wherever the module is: its parameters, its mode, its state, its text."""
    program = outline.program
    if _is_spread(program, seen):
        return True
    if seen.access != "read":
        return seen.access == "write" and _switches(outline, seen)
    if _is_shown(outline, seen.node):
        return not any(is_own_method(outline, name) for name in _SHOWS)
    return _looks_at_parameters(outline, seen, waiting) or _is_only_counted(outline, seen, waiting)


def _switches(outline: Outline, seen: Occurrence) -> bool:
    """Whether a line is `net = net.eval()`."""
    value = outline.program.bound_to(seen.node)
    named = isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute)
    return named and value.func.attr.value in ("train", "eval") and gives_back(outline.program, seen)  # type: ignore[union-attr]


def _is_shown(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a module is printed or logged, also in a formatted text."""
    program = outline.program
    parent = program.parent[node]
    if isinstance(parent, cst.FormattedStringExpression):
        return parent.expression is node
    call = program.parent[parent] if isinstance(parent, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return False
    told = isinstance(call.func, cst.Attribute) and call.func.attr.value in _LOGGING
    return (told and not is_own_method(outline, call.func.attr.value)) or is_handed_to(outline, node, _SHOWING)  # type: ignore[attr-defined]


def _looks_at_parameters(outline: Outline, seen: Occurrence, waiting: Waiting) -> bool:
    """Whether a use is a call of a method of torch's that is the same on every device."""
    program = outline.program
    node: cst.CSTNode = seen.node
    parent = program.parent.get(node)
    while isinstance(parent, cst.Attribute) and parent.value is node:
        node, parent = parent, program.parent.get(parent)
    if not isinstance(node, cst.Attribute) or not isinstance(parent, cst.Call) or parent.func is not node:
        return False
    if node.attr.value in _PARAMETERS:
        return Held(outline, waiting, set()).are_only_held(parent)
    line = program.statement(seen.node)
    plain = isinstance(line, cst.SimpleStatementLine) and not any(word in text_of(line) for word in _SEES_DEVICE)
    return plain and node.attr.value in _SEES_NOTHING and not _is_of_the_file(outline, node.attr.value)


def _is_of_the_file(outline: Outline, method: str) -> bool:
    """Whether a network of the file has such a method of its own, which may do more; `eval()` calls `train()`."""
    program, loop = outline.program, outline.site.epoch_loop
    names = (method, "train") if method == "eval" else (method,)
    kinds = [kind for kind in program.find(cst.ClassDef) if is_module_class(program, kind)]
    found = [own for kind in kinds for own in methods_of(kind) if own.name.value in names]
    return any(not program.contains(own, loop) for own in found)


def _is_spread(program: Program, seen: Occurrence) -> bool:
    """Whether a use belongs to `net = nn.DataParallel(net)`, which takes a network that is on the CPU, too."""
    line = program.statement(seen.node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return False
    variable, made = program.variables[seen.node], unmoved(small.value)
    given = made.args[0].value if isinstance(made, cst.Call) and made.args else None
    parts = (small.targets[0].target, given)
    return spreads(program, made) and all(
        part is not None and program.variables.get(part) is variable for part in parts
    )


def _is_only_counted(outline: Outline, seen: Occurrence, waiting: Waiting, depth: int = 0) -> bool:
    """Whether a function of the file is handed a module, and only counts its parameters."""
    program = outline.program

    def counts(use: Occurrence) -> bool:
        counted = any(word in text_of(program.statement(use.node)) for word in _COUNTS)
        looks = counted and _looks_at_parameters(outline, use, waiting)
        return looks or _is_only_counted(outline, use, waiting, depth + 1)

    arg = program.parent.get(seen.node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) else None
    function = program.function(call.func) if isinstance(call, cst.Call) else None
    if not isinstance(call, cst.Call) or function is None or function.decorators or depth > 1:
        return False
    given = matched(function.params, call.args) or {}
    parameter = next((parameter for parameter, value in given.items() if value is seen.node), None)
    variable = program.variables.get(parameter.name) if parameter is not None else None
    return variable is not None and len(variable.writes) == 1 and all(map(counts, variable.reads))


def _may_run(outline: Outline, others: list[Occurrence], waiting: Waiting) -> bool:
    """Whether functions that look at the module may run before it is moved."""
    program = outline.program
    found = {outer for seen in others for outer in program.ancestors(seen.node) if _is_definition(outer)}
    grown = True
    while grown:
        users = {
            outer
            for definition in found
            for seen in program.variables[definition.name].reads  # type: ignore[attr-defined]
            for outer in program.ancestors(seen.node) if seen.node in program.order and _is_definition(outer)
        }  # fmt: skip
        grown = not users <= found
        found |= users
    own = found - {outline.site.driver.node}
    return any(_may_be_run(outline, definition, own, waiting) for definition in own)


def _may_be_run(outline: Outline, definition: cst.CSTNode, others: set[cst.CSTNode], waiting: Waiting) -> bool:
    """Whether a function or class may run before the module is moved; what its callers do is asked of them."""
    program = outline.program
    aside = [outline.site.epoch_loop, *(other.body for other in others if isinstance(other, cst.FunctionDef))]
    if isinstance(definition, cst.FunctionDef) and class_of_method(program, definition) is not None:
        asked = (node for node in program.find(cst.Attribute) if node.attr.value == definition.name.value)
        return any(waiting.covers(node) for node in asked if not any(program.contains(part, node) for part in aside))
    for seen in program.variables[definition.name].reads:  # type: ignore[attr-defined]
        if seen.node not in program.order or any(program.contains(part, seen.node) for part in aside):
            continue
        call = program.parent[seen.node]
        called = isinstance(call, cst.Call) and call.func is seen.node
        if waiting.covers(seen.node) or (not called and program.order[seen.node] < waiting.end):
            return True
    return False


def _is_definition(node: cst.CSTNode) -> bool:
    return isinstance(node, (cst.FunctionDef, cst.ClassDef))
