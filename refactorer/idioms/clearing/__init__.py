"""Which lines of a step clear the gradients: those of the optimizer, or of the networks whose parameters it has.

Lines that clear something else, as far as one can see, go into the module's `optimizer_zero_grad`, by which the Trainer
then clears the gradients in front of each batch.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.clearing.early import grows
from refactorer.idioms.clearing.gradients import clips, gradient_reader
from refactorer.idioms.shapes import method_line, method_name, only_call
from refactorer.outline.objects.held import held_by, is_known_optimizer
from refactorer.outline.objects.kept import keeps_meanwhile
from refactorer.outline.objects.optimizers import Roles, is_surely_bound
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import STEP, Outline
from refactorer.outline.training.anchors import loops_around

_BOOLEANS = ("True", "False")
_PARAMETERS = ("epoch", "batch_idx", "optimizer")
_CLEARING = ("zero_grad", "zero_", "detach_", "parameters", "values", "super")


def clearing_lines(outline: Outline, roles: Roles, body: list[cst.CSTNode]) -> list[int]:
    """Indices of the lines that together clear what `optimizer.zero_grad()` clears; none if that is not certain."""
    calls = [method_line(outline, line, roles.stepping, "zero_grad") for line in body]
    own = [i for i, call in enumerate(calls) if _is_plain(call)]
    if roles.opaque or roles.held is not None:
        if any(call is not None and call.args for call in calls):
            return []  # which mean what its class says, and the Trainer gives none
        return own if _only_clears(outline.program) or own == [0] else []
    networks = _networks(outline, roles)
    found = {i: v for i, line in enumerate(body) if (v := _cleared(outline, line)) in networks}
    if own or networks <= set(found.values()):
        return sorted([*own, *found])
    return own


def lines_for_hook(outline: Outline, roles: Roles, body: list[cst.CSTNode]) -> list[int]:
    """Indices of the lines in front of `backward()` that clear gradients, and can do so at the start of the batch.

    They may clear less than the optimizer's gradients, or more; the hook of the module then does just the same.
    """
    calls = list(map(only_call, body))
    backward = next((i for i, call in enumerate(calls) if call is not None and method_name(call) == "backward"), 0)
    found = [i for i, call in enumerate(calls[:backward]) if call is not None and method_name(call) == "zero_grad"]
    own = any(method_line(outline, body[i], roles.stepping, "zero_grad") is not None for i in found)
    if own or not all(_keeps_meaning(outline, calls[i]) for i in found):
        return []
    first = found == list(range(len(found)))
    return found if first or _only_clears(outline.program) else []


def late_lines_for_hook(outline: Outline, roles: Roles, body: list[cst.CSTNode]) -> list[int]:
    """Indices of the lines that clear gradients of something else than the optimizer, and can do so at any time."""
    calls = list(map(only_call, body))
    found = [i for i, call in enumerate(calls) if call is not None and method_name(call) == "zero_grad"]
    own = any(method_line(outline, body[i], roles.stepping, "zero_grad") is not None for i in found)
    sure = not own and _only_clears(outline.program) and all(_keeps_meaning(outline, calls[i]) for i in found)
    return found if sure else []


def clears_first(outline: Outline) -> bool:
    """Whether a line of its own clears gradients in every batch, in front of the optimizer's step."""
    methods = [method_name(call) for call in map(only_call, outline.hooks[STEP]) if call is not None]
    return "zero_grad" in methods and "step" not in methods[: methods.index("zero_grad")]


def says_who_clears(outline: Outline) -> str:
    """What a module says whose Trainer clears no gradients."""
    program = outline.program
    named = any(node.attr.value in ("zero_grad", "grad") for node in program.find(cst.Attribute))
    return "The script clears the gradients itself." if named else "Nothing clears the gradients: they add up."


def _keeps_meaning(outline: Outline, call: cst.Call | None) -> bool:
    """Whether a call of a method of one object, with plain values, means the same in front of the batch."""
    if call is None or not isinstance(call.func, cst.Attribute):
        return False
    receiver, loop = call.func.value, outline.site.epoch_loop
    if not all(
        arg.star == "" and isinstance(arg.value, cst.Name) and arg.value.value in _BOOLEANS for arg in call.args
    ):
        return False
    held = held_by(outline, receiver)
    owner = held.base if held is not None else outline.variable(receiver)
    if owner is None or outline.site.driver.lookup(owner.name) is not owner or owner.name in _PARAMETERS:
        return False
    if not is_surely_bound(outline, owner):
        return False
    if any(seen.node in outline.program.order and outline.program.contains(loop, seen.node) for seen in owner.writes):
        return False
    inside = [seen for seen in owner.writes if seen.scope.function is not owner.owner]
    if held is not None and (not keeps_meanwhile(outline, held) or is_known_optimizer(outline.program, held)):
        return False
    return not inside


def _only_clears(program: Program) -> bool:
    """Whether each `zero_grad()` of the file does no more than its name says, so that it may come earlier."""
    for function in program.find(cst.FunctionDef):
        if function.name.value != "zero_grad":
            continue
        for node in walk(function.body):
            func = node.func if isinstance(node, cst.Call) else None
            name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
            target = node.target if isinstance(node, (cst.AssignTarget, cst.AugAssign)) else None
            cleared = isinstance(target, cst.Attribute) and target.attr.value == "grad"
            if (func is not None and name not in _CLEARING) or (target is not None and not cleared):
                return False
    return True


def _is_plain(call: cst.Call | None) -> bool:
    """Whether a call of `zero_grad` sets the gradients to None, as is the default."""
    if call is None:
        return False
    return not call.args or (
        len(call.args) == 1 and isinstance(call.args[0].value, cst.Name) and call.args[0].value.value == "True"
    )


def _cleared(outline: Outline, line: cst.CSTNode) -> Variable | None:
    """The object whose gradients a line clears."""
    call = only_call(line)
    if call is None or not isinstance(call.func, cst.Attribute) or call.func.attr.value != "zero_grad":
        return None
    return outline.variable(call.func.value) if _is_plain(call) else None


def _networks(outline: Outline, roles: Roles) -> set[Variable]:
    """The networks to which all that the optimizer was given belongs; none if that is not known.

    They may hold more parameters than the optimizer was given: those gradients then have to be nobody's concern.
    """
    program = outline.program
    made = [program.bound_to(seen.node) for seen in roles.optimizer.writes] if roles.optimizer is not None else []
    given = [v.args[0].value if isinstance(v, cst.Call) and v.args and not v.args[0].star else None for v in made]
    owners = [_owners(outline, value) for value in given]
    first = owners[0] if owners else None
    if first is None or any(other != first for other in owners):
        return set()
    if any(node.name.value == "zero_grad" for node in program.find(cst.FunctionDef)) or grows(program):
        return set()
    if not all(variable is not None and _keeps_its_object(outline, roles, variable) for variable in first):
        return set()
    unseen = gradient_reader(outline) is None and not clips(outline)
    whole = all(_is_whole(outline, value) for value in given)
    return {v for v in first if v is not None} if unseen or whole else set()


def _owners(outline: Outline, given: cst.BaseExpression | None) -> set[Variable | None] | None:
    """Whose parameters a sum of lists of `x.parameters()` holds, or some of them; None for any other expression."""
    if isinstance(given, cst.BinaryOperation) and isinstance(given.operator, cst.Add):
        parts = [_owners(outline, given.left), _owners(outline, given.right)]
        return None if None in parts else {variable for part in parts if part is not None for variable in part}
    if isinstance(given, cst.Name):
        made = outline.program.assigned_value(outline.program.variables.get(given))
        return None if isinstance(made, cst.Name) else _owners(outline, made)
    if isinstance(given, (cst.ListComp, cst.GeneratorExp)):
        same = given.elt.deep_equals(given.for_in.target) and given.for_in.inner_for_in is None
        return _owners(outline, given.for_in.iter) if same else None
    if not isinstance(given, cst.Call):
        return None
    if outline.program.qualified_name(given.func) == "builtins.list" and len(given.args) == 1:
        return _owners(outline, given.args[0].value)
    if outline.program.qualified_name(given.func) == "builtins.filter" and len(given.args) == 2:
        return _owners(outline, given.args[1].value)
    if not isinstance(given.func, cst.Attribute) or given.func.attr.value != "parameters":
        return None
    owner: cst.BaseExpression = given.func.value
    while isinstance(owner, cst.Attribute):
        owner = owner.value
    return {outline.variable(owner)}


def _is_whole(outline: Outline, given: cst.BaseExpression | None) -> bool:
    """Whether the optimizer was given just `network.parameters()`."""
    return (
        isinstance(given, cst.Call) and isinstance(given.func, cst.Attribute) and isinstance(given.func.value, cst.Name)
    )


def _keeps_its_object(outline: Outline, roles: Roles, variable: Variable) -> bool:
    """Whether a variable still means the object whose parameters the optimizer was given when that was made."""
    program = outline.program
    assert roles.optimizer is not None
    made = [program.statement(seen.node) for seen in roles.optimizer.writes]
    for seen in variable.writes:
        moved = _is_move_of(program, seen, variable)
        again = program.contains(outline.site.epoch_loop, seen.node) or seen.scope.function is not variable.owner
        once = len(variable.writes) == 1 and not loops_around(program, seen.node)
        if again or not (moved or once or all(_comes_before(program, seen.node, line) for line in made)):
            return False
    return True


def _is_move_of(program: Program, seen: Occurrence, variable: Variable) -> bool:
    """Whether a write is `model = model.to(device)`, which keeps the object."""
    bound = program.bound_to(seen.node)
    value = unmoved(bound) if bound is not None else None
    return isinstance(value, cst.Name) and program.variables.get(value) is variable


def _comes_before(program: Program, node: cst.CSTNode, made: cst.CSTNode) -> bool:
    """Whether the optimizer is made anew behind each such write: in the same block, or in one around it."""
    block = program.parent[made]
    return program.order[node] < program.order[made] and program.contains(block, node)
