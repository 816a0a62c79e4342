"""Optimizers and networks that an object holds: `self.optimizer` in a trainer class, `agent.policy`.

The module registers such a network, so that the Trainer can move and synchronise it, and gives such an optimizer to the
Trainer. Both need an attribute that always means the same object: one that is only set where the object is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.parsed_arguments import only_looks
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import paired
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_around, is_private
from refactorer.outline.objects.constructed import in_constructor, in_method_of_constructor, is_left_alone
from refactorer.outline.objects.optimizers import Held, is_module_class, is_network, is_stepped
from refactorer.outline.objects.torch_names import names_module_class, names_optimizer, unmoved
from refactorer.outline.outline import Outline
from refactorer.outline.setting import sets_variables_unseen


@dataclass(frozen=True)
class Holdings:
    """What the training uses of its objects: networks, and the optimizers that it steps, in the order of use."""

    networks: tuple[Held, ...] = ()
    optimizers: tuple[Held, ...] = ()


def find_holdings(outline: Outline, on_host: bool = False) -> Holdings:
    """The held networks and optimizers of a training; also networks that stay on the CPU while others move, if asked.

    These have no attribute of the module, which the Trainer would move.
    """
    if reflects(outline.program):
        return Holdings()
    networks: dict[Held, None] = {}
    optimizers: dict[Held, None] = {}
    made = _Made(outline.program)
    if outline.wrapped is not None:
        networks.setdefault(outline.wrapped)
    for node in walk(*(line for body in outline.hooks.values() for line in body)):
        held = held_by(outline, node)
        if held is None or not made.once(held):
            continue
        if made.is_network(held.attribute):
            moves = on_host or not made.stays_on_host(held.attribute)
            if moves and not _is_network_itself(outline, held.base):
                networks.setdefault(held)
        elif made.is_optimizer(held.attribute) and is_stepped(outline.program, node):
            optimizers.setdefault(held)
    return Holdings(tuple(networks), tuple(optimizers))


def _is_network_itself(outline: Outline, variable: Variable) -> bool:
    """Whether an object is of a class of networks, or called, and switched between its modes: it holds its parts."""
    if is_network(outline.program, variable):
        return True
    parents = [outline.program.parent.get(seen.node) for seen in variable.reads]
    called = any(isinstance(p, cst.Call) and p.func in [seen.node for seen in variable.reads] for p in parents)
    return called and any(isinstance(p, cst.Attribute) and p.attr.value in ("train", "eval") for p in parents)


def values_of(program: Program, attribute: str) -> list[cst.BaseExpression | None]:
    """What attributes of this name are assigned from anywhere in a file; None for a value that is not written out."""
    return _Made(program).values.get(attribute, [None])


def is_known_optimizer(program: Program, held: Held) -> bool:
    """Whether an attribute is only ever set to an optimizer of torch."""
    return _Made(program).is_optimizer(held.attribute)


def keeps_object(outline: Outline, held: Held) -> bool:
    """Whether an attribute means one object while the training runs, whatever that is.

    What this file never sets, a constructor out of sight has set.
    """
    program, made = outline.program, _Made(outline.program)
    places = [place for place in made.places.get(held.attribute, []) if not _is_before_training(outline, place)]
    if held.attribute in made.of_classes or reflects(program):
        return False
    if held.attribute not in made.values:
        return is_left_alone(outline, held.base)
    return all(in_constructor(program, place) or in_method_of_constructor(outline, place) for place in places)


def _is_before_training(outline: Outline, place: cst.CSTNode) -> bool:
    """Whether a place is in the driver, in front of the training."""
    program, loop = outline.program, outline.site.epoch_loop
    same = program.enclosing_function(place) is program.enclosing_function(loop)
    return same and program.order[place] < program.order[loop]


def places_of(program: Program, held: Held) -> list[cst.Attribute]:
    """Where attributes of this name are set or deleted anywhere in a file."""
    return _Made(program).places.get(held.attribute, [])


def reflects(program: Program) -> bool:
    """Whether attributes may be set in ways that cannot be seen."""
    return next(reflections(program), None) is not None


def reflections(program: Program) -> Iterator[cst.CSTNode]:
    """The places of a file that may set attributes in ways that cannot be seen."""
    for call in program.calls:
        name = program.qualified_name(call.func)
        if name == "builtins.setattr" or (name == "builtins.vars" and not only_looks(program, call)):
            yield call
    for node in program.find(cst.Attribute):
        if node.attr.value in _REGISTERING or (node.attr.value == "__dict__" and not only_looks(program, node)):
            yield node
        function = program.enclosing_function(node)
        if node.attr.value == "__init__" and not (function is not None and function.name.value == "__init__"):
            yield node


_MOVING = ("to", "cuda")
_REGISTERING = ("__setattr__", "add_module", "register_module", "register_parameter")


def held_by(outline: Outline, node: cst.CSTNode) -> Held | None:
    """What an attribute of a variable means, seen through parameters; the variable has to keep its object."""
    if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name):
        return None
    base = outline.variable(node.value)
    if base is None or outline.site.driver.lookup(base.name) is not base or base.owner is None:
        return None
    kept = _is_bound_once(outline, base) and not _is_bound_in_training(outline, base)
    return Held(base, node.attr.value) if kept and not is_private(node.attr.value) else None


def _is_bound_once(outline: Outline, base: Variable) -> bool:
    """Whether a variable of a function is bound in one place, or one of the file to an object that is made there."""
    if len(base.writes) != 1 or base.owner is None or base.owner.kind == "class":
        return False
    if base.owner.kind == "function":
        return True
    program, seen = outline.program, base.writes[0]
    made = seen.scope is base.owner and isinstance(program.bound_to(seen.node), cst.Call)
    return made and not sets_variables_unseen(program)


def _is_bound_in_training(outline: Outline, variable: Variable) -> bool:
    program = outline.program
    places = (seen.node for seen in variable.writes if seen.node in program.order)
    return any(program.contains(outline.site.epoch_loop, place) for place in places)


class _Made:
    """What the attributes of the objects of a file are assigned from."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values: dict[str, list[cst.BaseExpression | None]] = {}
        self.places: dict[str, list[cst.Attribute]] = {}
        for target, value in self._stores():
            self.values.setdefault(target.attr.value, []).append(value)
            self.places.setdefault(target.attr.value, []).append(target)
        self.parametrised = self._parametrised()
        self.of_classes = {name for scope in program.scopes if scope.kind == "class" for name in scope.variables}

    def _parametrised(self) -> set[str]:
        """Attributes whose `parameters()` are asked for, by their own name or by that of what they are set to."""
        names: set[Variable] = set()
        found: set[str] = set()
        for call in self.program.calls:
            func = call.func
            if not isinstance(func, cst.Attribute) or func.attr.value not in ("parameters", "named_parameters"):
                continue
            if isinstance(func.value, cst.Attribute):
                found.add(func.value.attr.value)
            elif func.value in self.program.variables:
                names.add(self.program.variables[func.value])
        for attribute, values in self.values.items():
            if all(v is not None and self.program.variables.get(unmoved(v)) in names for v in values):
                found.add(attribute)
        return found

    def _stores(self) -> Iterator[tuple[cst.Attribute, cst.BaseExpression | None]]:
        for node in self.program.find(cst.Attribute):
            parent = self.program.parent.get(node)
            assign = self.program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else parent
            if isinstance(parent, cst.AssignTarget) and isinstance(assign, cst.Assign):
                yield node, assign.value
            elif isinstance(parent, (cst.AugAssign, cst.AnnAssign, cst.For)) and parent.target is node:
                yield node, getattr(parent, "value", None)
            elif isinstance(parent, (cst.Element, cst.Del, cst.AsName)) and self._is_target(parent):
                yield node, self._given(node)

    def _given(self, node: cst.Attribute) -> cst.BaseExpression | None:
        """`B()` for the second target of `self.a, self.b = A(), B()`."""
        targets = self.program.parent[self.program.parent[node]]
        assign = self.program.parent.get(self.program.parent[targets])
        pairs = paired(targets, assign.value) if isinstance(assign, cst.Assign) else ()  # type: ignore[arg-type]
        return next((given for bound, given in pairs if bound is node), None)

    def _is_target(self, node: cst.CSTNode) -> bool:
        """Whether an element belongs to something that is assigned to or deleted, as far as its parents tell."""
        while isinstance(node, (cst.Element, cst.Tuple, cst.List)):
            node = self.program.parent[node]
        return isinstance(node, (cst.AssignTarget, cst.Del, cst.AsName, cst.For, cst.CompFor))

    def once(self, held: Held) -> bool:
        """Whether an attribute is set in constructors only, before the training."""
        places = self.places.get(held.attribute, [])
        inside = all(in_constructor(self.program, place) for place in places)
        return bool(places) and inside and held.attribute not in self.of_classes

    def is_network(self, attribute: str) -> bool:
        known = attribute in self.parametrised
        return known or all(v is not None and self._makes_network(v) for v in self.values[attribute])

    def stays_on_host(self, attribute: str) -> bool:
        """Whether a network is made and never moved, in a file that moves others: it stays where the script has it."""
        values = self.values[attribute]
        if not all(value is not None and unmoved(value) is value and self._makes_network(value) for value in values):
            return False
        moved = [node.value for node in self.program.find(cst.Attribute) if node.attr.value in _MOVING]
        named = [node.attr.value for node in moved if isinstance(node, cst.Attribute)]
        return bool(moved) and attribute not in named

    def is_optimizer(self, attribute: str) -> bool:
        values = self.values.get(attribute, [])
        return bool(values) and all(
            isinstance(value, cst.Call) and names_optimizer(self.program.qualified_name(value.func)) for value in values
        )

    def _makes_network(self, value: cst.CSTNode) -> bool:
        made = unmoved(value)
        if not isinstance(made, cst.Call):
            return False
        own = self.program.definition(self.program.variables.get(made.func))
        if isinstance(own, cst.ClassDef):
            return is_module_class(self.program, own) and class_around(self.program, made) is not own
        name = self.program.qualified_name(made.func)
        return names_module_class(name) and not (name or "").endswith("Loss")
