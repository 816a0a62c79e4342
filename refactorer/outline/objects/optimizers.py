"""The optimizer, the schedulers and the model of a training, found by what the names are assigned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import returns
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.torch_names import (
    names_module_class,
    names_optimizer,
    names_scaler,
    names_scheduler,
    unmoved,
)
from refactorer.outline.outline import Outline
from refactorer.outline.places.liveness import Liveness
from refactorer.outline.training.reach import bound_by_functions, called_function


@dataclass(frozen=True)
class Held:
    """The attribute of an object that a variable of the driver means."""

    base: Variable
    attribute: str


@dataclass(frozen=True)
class Roles:
    """Who is who: variables seen through parameters.

    `optimizers` are those that step in the training, in the order of their steps; `models` are those whose parameters
    they were given. Objects that the training replaces have no role: they are state like any other. `held` is the
    one optimizer of a training that only an object holds, `opaque` says that the class of the optimizer is out of
    sight. `renewed` is the one optimizer of a training that makes it anew between epochs. `tentative` says that these
    roles are sound only if the Trainer makes the steps.
    """

    optimizers: tuple[Variable, ...]
    models: tuple[Variable, ...]
    schedulers: tuple[Variable, ...]
    held: Held | None = None
    renewed: Variable | None = None
    opaque: bool = False
    tentative: bool = False

    @property
    def stepping(self) -> Variable | Held | None:
        """What the training clears and steps, when it is just one object."""
        return self.held or self.renewed or self.optimizer

    @property
    def optimizer(self) -> Variable | None:
        """The optimizer, when there is just one."""
        return self.optimizers[0] if len(self.optimizers) == 1 else None

    @property
    def model(self) -> Variable | None:
        """The model, when there is just one."""
        return self.models[0] if len(self.models) == 1 else None

    @property
    def objects(self) -> tuple[Variable, ...]:
        return (*self.models, *self.optimizers, *self.schedulers)


def find_roles(outline: Outline) -> Roles:
    """The optimizers of a training, their models and their schedulers."""
    return roles_of(outline, known_optimizers(outline))


def roles_of(outline: Outline, stepped: list[Variable], even_unbound: bool = False) -> Roles:
    """The roles in a training that steps these optimizers, save for those that it replaces or may not have bound.

    `even_unbound` keeps an optimizer that may not be bound: its first use then ends the training.
    """
    program = outline.program
    used = dict.fromkeys(v for body in outline.hooks.values() for _, v in outline.uses(*body))
    replaced = {v for body in outline.hooks.values() for n, v in outline.uses(*body) if outline.is_write(n)}
    replaced |= bound_by_functions(outline)
    unsure = _maybe_unbound(outline, used) | replaced
    optimizers = tuple(v for v in stepped if v not in (replaced if even_unbound else unsure))
    by_optimizer = [models_of(program, outline, optimizer) for optimizer in optimizers]
    models = dict.fromkeys(model for found in by_optimizer for model in found)
    outline.models_unknown = any(_is_handed_in(outline, optimizer) for optimizer in optimizers)
    schedulers = tuple(v for v in used if is_scheduler(program, v) and v not in unsure)
    return Roles(optimizers, tuple(v for v in models if v not in replaced), schedulers)


def is_surely_bound(outline: Outline, variable: Variable) -> bool:
    """Whether a variable has a value whenever the training starts, as far as the driver decides that."""
    return not _maybe_unbound(outline, [variable])


def _maybe_unbound(outline: Outline, variables: Iterable[Variable]) -> set[Variable]:
    bound = Liveness(outline, ()).surely_bound()
    return {variable for variable in variables if variable.owner is outline.site.driver and variable not in bound}


def known_optimizers(outline: Outline) -> list[Variable]:
    """Variables of the driver that step in the training and are known to hold an optimizer of torch, if anything."""
    found: dict[Variable, None] = {}
    for node in walk(*(line for body in outline.hooks.values() for line in body)):
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "step":
            variable = outline.variable(node.func.value)
            reachable = variable is not None and outline.site.driver.lookup(variable.name) is variable
            if variable is not None and reachable and not is_scheduler(outline.program, variable):
                found.setdefault(variable)
    return [variable for variable in found if _is_optimizer(outline, variable)]


def _is_handed_in(outline: Outline, optimizer: Variable) -> bool:
    """Whether an optimizer is a parameter that has not been bound, or comes out of something other than its class."""
    return not names_optimizer(assigned_class(outline.program, optimizer))


def is_stepped(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is what `.step()` or `.zero_grad()` is called on."""
    attribute = program.parent.get(node)
    if not isinstance(attribute, cst.Attribute) or attribute.attr.value not in ("step", "zero_grad"):
        return False
    call = program.parent.get(attribute)
    return isinstance(call, cst.Call) and call.func is attribute


def assigned_class(program: Program, variable: Variable) -> str | None:
    """The qualified name of the class or function whose call a variable is assigned from, moves of the result aside."""
    for value in _values(program, variable):
        made = unmoved(value) if value is not None else None
        if isinstance(made, cst.Call):
            return program.qualified_name(made.func)
    return None


def _values(program: Program, variable: Variable) -> list[cst.BaseExpression | None]:
    """What each write gives a variable, alone or in a tuple that the file writes out; None for any other way."""
    return [value_of(program, seen.node) for seen in variable.writes]


def is_scheduler(program: Program, variable: Variable) -> bool:
    """Whether a variable is made by a class of `torch.optim.lr_scheduler`."""
    return names_scheduler(assigned_class(program, variable))


def _is_optimizer(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is known to hold an optimizer of torch, wherever it comes from in this file."""
    return bool(variable.writes) and all(_binds_optimizer(outline.program, seen, 0) for seen in variable.writes)


def _binds_optimizer(program: Program, seen: Occurrence, depth: int) -> bool:
    parent = program.parent.get(seen.node)
    if isinstance(parent, cst.Param) and depth < _DEPTH:
        return _is_given_optimizer(program, parent, depth + 1)
    value = value_of(program, seen.node)
    return value is not None and _makes_optimizer(program, value, depth + 1)


def _makes_optimizer(program: Program, value: cst.BaseExpression, depth: int) -> bool:
    if depth >= _DEPTH:
        return False
    if isinstance(value, cst.Name):
        variable = program.variables.get(value)
        writes = variable.writes if variable is not None else []
        return bool(writes) and all(_binds_optimizer(program, seen, depth) for seen in writes)
    if not isinstance(value, cst.Call):
        return False
    if names_optimizer(program.qualified_name(value.func)):
        return True
    maker = called_function(program, value)
    results = [found.value for found in returns(maker.body.body)] if maker is not None else []
    return bool(results) and all(r is not None and _makes_optimizer(program, r, depth + 1) for r in results)


def _is_given_optimizer(program: Program, parameter: cst.Param, depth: int) -> bool:
    """Whether every call of a function hands it an optimizer."""
    values = values_given(program, parameter)
    return values is not None and all(_makes_optimizer(program, value, depth) for value in values)


_SPREADING = ("torch.nn.DataParallel", "torch.nn.parallel.DataParallel")
_DEPTH = 6
_PLAIN_CALLS = ("torch.", "builtins.", "numpy.")
_OF_NETWORKS = ("parameters", "named_parameters", "state_dict", "load_state_dict")
_MODULE_CALLS = ("torch.nn.", "torch.jit.", "torch.hub.", "torch.load", "torch.compile", "torch.fx.", "torch.ao.")


def may_be_module(outline: Outline, variable: Variable, function: cst.FunctionDef | None = None) -> bool:
    """Whether a variable that the module would hold may be an `nn.Module` whose mode matters (losses have none)."""
    program = outline.program
    if is_asked_for_parameters(program, variable) or is_switched(program, variable):
        return True
    if is_network_elsewhere(outline, variable):
        return True
    inside = [outline.site.epoch_loop, *outline.consumed, *([function] if function is not None else [])]
    for seen in variable.writes:
        target = program.parent.get(seen.node)
        if isinstance(target, (cst.FunctionDef, cst.ClassDef, cst.ImportAlias, cst.Attribute)):
            continue
        if any(program.contains(part, seen.node) for part in inside if seen.node in program.order):
            if makes_module(program, seen) and not (assigned_class(program, variable) or "").endswith("Loss"):
                return True
            continue
        value = value_of(program, seen.node)
        if _may_make_module(program, value, variable.owner is program.scope[program.module]):
            return True
    return False


def is_asked_for_parameters(program: Program, variable: Variable) -> bool:
    """Whether some code takes a variable for a network, whoever made it."""
    made = assigned_class(program, variable)
    if names_optimizer(made) or names_scheduler(made) or names_scaler(made):
        return False
    parents = (program.parent.get(seen.node) for seen in variable.reads)
    return any(isinstance(parent, cst.Attribute) and parent.attr.value in _OF_NETWORKS for parent in parents)


def is_switched(program: Program, variable: Variable) -> bool:
    """Whether some code takes a variable for a network by switching its mode: `x.eval()`, with nothing in it."""
    asked = (program.parent.get(seen.node) for seen in variable.reads)
    switches = [node for node in asked if isinstance(node, cst.Attribute) and node.attr.value == "eval"]
    calls = [call for node in switches if isinstance(call := program.parent[node], cst.Call) and call.func is node]
    return any(not call.args for call in calls)


def is_taken_for_network(program: Program, variable: Variable) -> bool:
    """Whether a variable is used as only networks are, or holds an object of a class that is known to be one."""
    used = is_asked_for_parameters(program, variable) or is_switched(program, variable)
    return used or is_network(program, variable)


def is_held_network(outline: Outline, variable: Variable) -> bool:
    """Whether a global is a network that the module of the training is to hold, so that the Trainer moves it too.

    One that is known by its class or its mode alone, and that the script leaves on the CPU or puts on a device of its
    own, stays there.
    """
    program = outline.program
    if is_asked_for_parameters(program, variable):
        return True
    known = is_taken_for_network(program, variable) or is_network_elsewhere(outline, variable)
    values = _values(program, variable)
    asked = [program.parent[parent] for seen in variable.reads if (parent := program.parent.get(seen.node)) is not None]
    return known and any(_is_plain_move(node) for node in (*values, *asked))


def _is_plain_move(node: cst.CSTNode | None) -> bool:
    """Whether an expression is `x.cuda()`, or `x.to(device)` for a name."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    given = [arg.value for arg in node.args]
    named = node.func.attr.value == "to" and len(given) == 1 and isinstance(given[0], (cst.Name, cst.Attribute))
    return named or (node.func.attr.value == "cuda" and not given)


def is_network_elsewhere(outline: Outline, variable: Variable) -> bool:
    """Whether a variable holds an object of a class of another file that is surely one of networks."""
    values = _values(outline.program, variable)
    return bool(values) and all(value is not None and makes_network_elsewhere(outline, value) for value in values)


def makes_network_elsewhere(outline: Outline, value: cst.BaseExpression) -> bool:
    """Whether a value is made by such a class, moves aside."""
    made = unmoved(value)
    if not isinstance(made, cst.Call):
        return False
    variable = outline.program.variables.get(made.func)
    unseen = variable.name if variable is not None and variable.owner is None else None
    name = outline.program.qualified_name(made.func) or unseen
    return name is not None and outline.is_network(name)


def _may_make_module(program: Program, value: cst.CSTNode | None, is_global: bool) -> bool:
    value = unmoved(value) if isinstance(value, cst.Call) else value
    if isinstance(value, (cst.BaseNumber, cst.SimpleString, cst.FormattedString, cst.BinaryOperation, cst.Comparison)):
        return False
    if isinstance(value, cst.Name) and value.value in ("None", "True", "False"):
        return False
    if isinstance(value, (cst.List, cst.Dict, cst.Tuple, cst.Set)):
        return False  # modules inside plain containers are not switched
    if isinstance(value, cst.IfExp):
        return any(_may_make_module(program, part, is_global) for part in (value.body, value.orelse))
    if not isinstance(value, cst.Call):
        made = program.assigned_value(program.variables.get(value)) if isinstance(value, cst.Name) else None
        return not is_global and not (isinstance(made, cst.Call) and not _may_make_module(program, made, is_global))
    name = program.qualified_name(value.func) or ""
    if name.startswith("torch.nn."):
        return names_module_class(name) and not name.endswith("Loss")
    own = program.definition(program.variables.get(value.func))
    if isinstance(own, cst.ClassDef):
        return is_module_class(program, own)
    parsed = isinstance(value.func, cst.Attribute) and value.func.attr.value == "parse_args"
    plain = name.startswith(_PLAIN_CALLS) and not name.startswith(_MODULE_CALLS)
    return not (is_global or parsed or plain)


def makes_module(program: Program, seen: Occurrence) -> bool:
    """Whether a write gives a variable an object of a known module or parameter class."""
    return calls_module_class(program, program.bound_to(seen.node))


def calls_module_class(program: Program, value: cst.CSTNode | None) -> bool:
    """Whether a value is made by a call of a known module or parameter class."""
    if not isinstance(value, cst.Call):
        return False
    own = program.definition(program.variables.get(value.func))
    known = isinstance(own, cst.ClassDef) and is_module_class(program, own)
    return known or names_module_class(program.qualified_name(value.func))


def gives_back(program: Program, seen: Occurrence) -> bool:
    """Whether a write gives a network back to its own name: `net = net.eval()`, `net = net.to(device)`.

    These have to be torch's methods. A moved parameter is another tensor.
    """
    value, variable = program.bound_to(seen.node), program.variables[seen.node]
    inner = unmoved(value, ("train", "eval")) if value is not None else None
    if value is None or inner is None or inner is value or program.variables.get(inner) is not variable:
        return False
    methods = {node.attr.value for node in walk(value) if isinstance(node, cst.Attribute)}
    named = (function for function in program.find(cst.FunctionDef) if function.name.value in methods)
    own = any(class_of_method(program, function) is not None for function in named)
    return not own and not any(_makes_parameter(program, other) for other in variable.writes)


def spreads_again(program: Program, seen: Occurrence) -> bool:
    """Whether a write puts a network into `DataParallel`, under its own name."""
    value, variable = program.bound_to(seen.node), program.variables[seen.node]
    if not isinstance(value, cst.Call) or not spreads(program, value):
        return False
    return bool(value.args) and program.variables.get(value.args[0].value) is variable


def spreads(program: Program, value: cst.CSTNode) -> bool:
    """Whether a value is a call of `DataParallel`."""
    return isinstance(value, cst.Call) and program.qualified_name(value.func) in _SPREADING


def _makes_parameter(program: Program, seen: Occurrence) -> bool:
    value = program.bound_to(seen.node)
    return isinstance(value, cst.Call) and (program.qualified_name(value.func) or "").endswith("Parameter")


def is_module_class(program: Program, node: cst.ClassDef) -> bool:
    """Whether a class of the file may be an `nn.Module`: by a base of torch, or one that is not known."""
    for base in node.bases:
        own = program.definition(program.variables.get(base.value))
        if isinstance(own, cst.ClassDef):
            if is_module_class(program, own):
                return True
        elif not (program.qualified_name(base.value) or "").startswith(("builtins.", "typing.", "abc.")):
            return True
    return False


def models_of(program: Program, outline: Outline, optimizer: Variable) -> list[Variable]:
    """The variables whose `parameters()`, or those of a part of them, an optimizer was given."""
    found = []
    for seen in optimizer.writes:
        for call in walk(program.statement(seen.node)):
            func = call.func if isinstance(call, cst.Call) else None
            if not isinstance(func, cst.Attribute) or func.attr.value not in ("parameters", "named_parameters"):
                continue
            owner = func.value
            while isinstance(owner, cst.Attribute):
                owner = owner.value
            variable = outline.variable(owner)
            if variable is None or outline.site.driver.lookup(variable.name) is not variable:
                continue
            if owner is func.value or is_network(program, variable) or is_asked_for_parameters(program, variable):
                found.append(variable)
    return found


def is_network(program: Program, variable: Variable) -> bool:
    """Whether a variable holds an object of a class that is known to be an `nn.Module`."""
    made = [unmoved(value) if value is not None else None for value in _values(program, variable)]
    return bool(made) and all(isinstance(call, cst.Call) and _is_module_class(program, call.func) for call in made)


def _is_module_class(program: Program, name: cst.CSTNode) -> bool:
    own = program.definition(program.variables.get(name))
    if isinstance(own, cst.ClassDef):
        return any(_is_module_class(program, base.value) for base in own.bases)
    return names_module_class(program.qualified_name(name))
