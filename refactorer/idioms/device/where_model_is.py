"""Devices by number: the Trainer is told of the place of the model, where the script has moved it to that device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.device.made import writes_of
from refactorer.idioms.device.named import Target
from refactorer.outline.classes import class_of_method, class_of_self
from refactorer.outline.objects.constructed import in_constructor
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

_PARAMETERS = ("parameters", "named_parameters", "state_dict")
_WRAPPERS = ("DataParallel", "DistributedDataParallel")


def is_where_model_is(outline: Outline, roles: Roles, calls: list[cst.Call]) -> bool:
    """Whether one of these moves, in front of the training, is that of the model."""
    return bool(roles.models) and roles.models[0] in _moved_in_front(outline, calls)


def place_of_network(outline: Outline, target: Target, calls: list[cst.Call]) -> cst.BaseExpression | None:
    """The place of a network that the steps call: a variable that one of these moves puts on a numbered device.

    Or an attribute, if its constructor moves it to the number that it keeps: `self.gpu_id = gpu_id` and
    `self.model = model.to(gpu_id)`.
    """
    calls_of_hooks = [call for body in outline.hooks.values() for call in walk(*body) if isinstance(call, cst.Call)]
    called = [_callee(call) for call in calls_of_hooks]
    variables = {outline.variable(func) for func in called}
    for variable in _moved_in_front(outline, calls):
        if variable in variables and _has_parameters(outline.program, [seen.node for seen in variable.reads]):
            return _place(variable.name)
    attributes = {func.attr.value for func in called if isinstance(func, cst.Attribute)}
    owner, name = target[1], str(target[-1])
    if target[0] != "setting" or not isinstance(owner, Variable):
        return None
    found = (network for network in _moved_in_constructors(outline, name) if network in attributes)
    return next((_place(f"{owner.name}.{network}") for network in found), None)


def _callee(call: cst.Call) -> cst.BaseExpression:
    """What is called, also by `model.forward(x)`."""
    by_name = isinstance(call.func, cst.Attribute) and call.func.attr.value == "forward"
    return call.func.value if by_name else call.func  # type: ignore[attr-defined]


def _place(network: str) -> cst.BaseExpression:
    return cst.parse_expression(f"next({network}.parameters()).device")


def _moved_in_front(outline: Outline, calls: list[cst.Call]) -> Iterator[Variable]:
    program = outline.program
    for call in calls:
        early = program.order[call] < program.order[outline.site.epoch_loop]
        if early and program.enclosing_function(call) in (outline.site.driver.node, None):
            named = _moved_itself(program, call)
            variable = outline.variable(named) if named is not None else None
            if variable is not None:
                yield variable


def _moved_in_constructors(outline: Outline, name: str) -> Iterator[str]:
    """The attributes of networks that constructors put on the device whose number they keep under a name."""
    program = outline.program
    numbers = writes_of(outline, name)
    for call in program.calls:
        method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if (
            method not in ("to", "cuda")
            or len(call.args) != 1
            or len(numbers) != 1
            or not in_constructor(program, call)
        ):
            continue
        named = _moved_itself(program, call)
        if not isinstance(named, cst.Attribute) or not _is_of_self(program, named):
            continue
        uses = [node for node in program.find(cst.Attribute) if node.attr.value == named.attr.value]
        settled = all(in_constructor(program, node) for node in writes_of(outline, named.attr.value))
        if settled and _is_number(program, call.args[0].value, numbers[0]) and _has_parameters(program, uses):
            yield named.attr.value


def _has_parameters(program: Program, uses: Iterable[cst.CSTNode]) -> bool:
    """Whether something is asked for its parameters, or handed to a wrapper that needs some."""
    for node in uses:
        parent = program.parent.get(node)
        if isinstance(parent, cst.Attribute) and parent.value is node and parent.attr.value in _PARAMETERS:
            return True
        line = program.statement(node)
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        made = small.value if isinstance(small, cst.Assign) else None
        name = program.qualified_name(made.func) if isinstance(made, cst.Call) else None
        if (name or "").startswith("torch.nn.parallel.") and (name or "").rsplit(".", 1)[1] in _WRAPPERS:
            return True
    return False


def _moved_itself(program: Program, call: cst.Call) -> cst.BaseExpression | None:
    """What a line puts somewhere: the `x` of `x = y.to(0)` and of `x.to(0)`."""
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
    if not isinstance(small, (cst.Assign, cst.Expr)) or small.value is not call:
        return None
    return small.targets[0].target if isinstance(small, cst.Assign) else call.func.value  # type: ignore[attr-defined]


def _is_of_self(program: Program, node: cst.Attribute) -> bool:
    """Whether an attribute is one of the object of the method that it stands in."""
    variable = program.variables.get(node.value)
    return class_of_self(program, variable) is not None


def _is_number(program: Program, place: cst.BaseExpression, number: cst.Attribute) -> bool:
    """Whether a place is the attribute that a constructor keeps a number in, or what it has put there."""
    function = program.enclosing_function(place)
    if function is None or program.enclosing_function(number) is not function or not _is_of_self(program, number):
        return False
    if class_of_method(program, function) is None or not in_constructor(program, number):
        return False
    if isinstance(place, cst.Attribute):
        later = program.order[place] > program.order[number]
        return later and place.attr.value == number.attr.value and _is_of_self(program, place)
    variable = program.variables.get(place)
    alone = variable is not None and len(variable.writes) == 1
    return alone and program.variables.get(program.bound_to(number)) is variable  # type: ignore[arg-type]
