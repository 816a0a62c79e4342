"""Code in front of `zero_grad()` that may give parameters gradients, or the optimizer other parameters.

The Trainer clears the gradients in front of the whole step, so that what such code leaves (an attack on the model, say)
would not be cleared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.known.elsewhere import is_imported, is_made_elsewhere
from refactorer.idioms.known.harmless import READING
from refactorer.idioms.known.taint import assigned_pairs
from refactorer.idioms.shapes import key_of
from refactorer.outline.functions.arguments import given_anywhere
from refactorer.outline.may_run import MayRun, is_called
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import backward_calls
from refactorer.outline.training.reach import functions_named

_OF_NETWORKS = ("parameters", "named_parameters", "train", "eval")
_GIVING_BACK = (*_OF_NETWORKS, "to", "cuda", "cpu", "half", "float", "double")
_PARTS = ("features", "backbone", "encoder", "decoder", "classifier", "head", "body")
_SETTINGS = ("args", "opt", "opts", "cfg", "config", "hparams", "options")
_CALLED = ("forward", "__call__")
_CONTAINERS = (".Sequential", ".ModuleList", ".DataParallel")
_GROUPS = "params"
_SETTING = "builtins.setattr"
_METHODS = """
train eval parameters named_parameters buffers named_buffers modules named_modules children named_children apply to
cuda cpu half float double bfloat16 type requires_grad_ zero_grad state_dict load_state_dict register_buffer
register_parameter register_forward_hook register_forward_pre_hook add_module get_submodule get_parameter
"""
_OF_MODULES = frozenset(_METHODS.split())


def leaves_gradients(outline: Outline, roles: Roles, lines: Sequence[cst.CSTNode]) -> cst.CSTNode | None:
    """The first place, in some lines or what they run, that may change what `zero_grad()` behind them clears."""
    if not lines:
        return None
    search = _Search(outline, roles)
    return next((node for node in walk(*lines, *_run_by(outline, lines)) if search.finds(node)), None)


def gives_parameters(outline: Outline, lines: Sequence[cst.CSTNode]) -> cst.CSTNode | None:
    """The first place, in some lines or what they run, that gives an optimizer of the file other parameters."""
    run = [*lines, *_run_by(outline, lines)] if lines else []
    return next((node for node in walk(*run) if _gives_parameters(outline.program, node)), None)


def grows(program: Program) -> bool:
    """Whether an optimizer of the file gets parameters, wherever that is."""
    return any(_gives_parameters(program, node) for node in program.find((cst.Attribute, cst.Subscript)))


def _gives_parameters(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is `optimizer.add_param_group`, or `group["params"]` that is set or changed by a method."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "add_param_group"
    if key_of(node) != _GROUPS or node not in program.order:
        return False
    return is_stored(program, node) or isinstance(program.parent[node], (cst.Attribute, cst.AugAssign))


def _trains(program: Program, call: cst.Call) -> bool:
    """Whether a call is `trainer.fit(...)` of a training that has been converted before."""
    method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    made = program.assigned_value(program.variables.get(call.func.value)) if method == "fit" else None  # type: ignore[attr-defined]
    return isinstance(made, cst.Call) and (program.qualified_name(made.func) or "").endswith(".Trainer")


def _run_by(outline: Outline, lines: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The functions and classes that lines name, those that these name, and what anyone may run by other names.

    What begins the training itself is none of them.
    """
    program, own = outline.program, {outline.site.driver.node, *outline.consumed}
    hidden = [
        function for function in program.find(cst.FunctionDef)
        if (function.name.value in _CALLED or _is_value(program, function)) and function not in own
        and not own & functions_named(program, walk(function))
    ]  # fmt: skip
    lambdas = program.find(cst.Lambda)
    yield from (*hidden, *lambdas)
    yield from functions_named(program, walk(*lines, *hidden, *lambdas)) - own
    bodies = (body for body in MayRun(program, lines).bodies if program.parent.get(body) not in own)
    yield from (body for body in bodies if not _begins_one_of(program, body, own))


def _begins_one_of(program: Program, body: cst.CSTNode, own: set[cst.CSTNode]) -> bool:
    """Whether code names one of some functions, or defines it."""
    inside = (part for part in own if body in program.ancestors(part))
    return next(inside, None) is not None or bool(own & functions_named(program, walk(body)))


def _is_value(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function is used for more than calls by its name."""
    uses = (seen.node for seen in program.variables[function.name].reads)
    return not all(isinstance(call := program.parent.get(use), cst.Call) and call.func is use for use in uses)


class _Search:
    """Looks for other backward passes, changes of parameter groups, and code out of sight that is given the model."""

    def __init__(self, outline: Outline, roles: Roles) -> None:
        self.outline, self.program = outline, outline.program
        self.others = [call for call in backward_calls(self.program) if call not in outline.site.backwards]
        self.optimizers = {*roles.optimizers}
        self.variables: set[Variable] = {*roles.models}
        self.attributes: set[str] = set()
        self.given = [
            (self.program.variables[parameter.name], value) for parameter, value in given_anywhere(self.program)
        ]
        self.values: dict[Variable | str | None, list[cst.BaseExpression]] = {}
        self.bound = [*_bound(self.program)]
        for target, value in self.bound:
            parts: list[cst.CSTNode] = [*names_in(target)]
            for part in parts or [target]:
                self.values.setdefault(self._known(part), []).append(value)
        self.values.pop(None, None)
        self.methods = {function.name.value for function in self.program.find(cst.FunctionDef)}
        for node in self.program.find(cst.Attribute):
            if node.attr.value in _OF_NETWORKS:
                self._add(node.value)
        self._follow_parameters()

    def _follow_parameters(self) -> None:
        """Adds the parameters and attributes that are given a network, and other names for one."""
        known = -1
        while known < len(self.variables) + len(self.attributes):
            known = len(self.variables) + len(self.attributes)
            self.variables |= {variable for variable, value in self.given if self._is_network(value)}
            for target in [target for target, value in self.bound if self._is_network(value)]:
                self._add(target)

    def _add(self, node: cst.CSTNode) -> None:
        variable = self.outline.variable(node)
        if isinstance(node, cst.Attribute):
            self.attributes.add(node.attr.value)
        elif variable is not None:
            self.variables.add(variable)

    def finds(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Call):
            handed = self._is_from_elsewhere(node) and self._hands_network(node)
            runs = handed or self._is_of_network_elsewhere(node)
            return node in self.others or _trains(self.program, node) or runs
        return _gives_parameters(self.program, node) or self._is_out_of_sight(node)

    def _is_of_network_elsewhere(self, call: cst.Call) -> bool:
        """Whether a call runs a method of its own of a network that another file defines."""
        func = call.func
        if not isinstance(func, cst.Attribute) or not self._is_network(func.value):
            return False
        if func.attr.value in self.methods | _OF_MODULES | READING:
            return False
        made = self._made(func.value)
        return any(is_made_elsewhere(self.program, value) or self._is_of_other_base(value) for value in made)

    def _is_out_of_sight(self, owner: cst.CSTNode) -> bool:
        """Whether an object of another file that has a network is used: any operator may run its code."""
        if not isinstance(owner, (cst.Name, cst.Attribute)) or is_stored(self.program, owner):
            return False
        around = self.program.parent.get(owner)
        method = around.attr.value if isinstance(around, cst.Attribute) and around.value is owner else ""
        if method in READING or method in _OF_NETWORKS:
            return False
        if isinstance(owner, cst.Attribute) and self._is_setting(owner):
            return False
        if any(self._is_network(same) for same in (owner, *self._assigned(owner))):
            return False
        called = is_called(self.program, owner) or (around is not None and is_called(self.program, around))
        return (called or self.outline.variable(owner) not in self.optimizers) and self._has_network(
            owner, called, set()
        )

    def _has_network(self, owner: cst.CSTNode, called: bool, seen: set[cst.CSTNode]) -> bool:
        """Whether an object is made by another file, and of a network, or is given one later.

        What is `called` may be a method of such an object, and is taken to be made there where it may be.
        """
        values = [value for value in self._assigned(owner) if value not in seen]
        seen.update(values)
        others = [value for value in values if isinstance(value, cst.Name) or (called and self._may_be_method(value))]
        if any(self._has_network(part, called, seen) for value in others for part in _owners(value)):
            return True
        made = [call for value in values for call in self.program.find(cst.Call, value)]
        if not any(
            is_made_elsewhere(self.program, call)
            or self._is_of_other_base(call)
            or (called and self._is_from_elsewhere(call))
            for call in made
        ):
            return False
        told = (value for value in self.program.calls if isinstance(value.func, cst.Attribute))
        given = (value for value in told if self._is_part(value.func, owner))
        return any(self._hands_network(value) for value in (*made, *given)) or self._is_set_to_network(owner)

    def _is_of_other_base(self, call: cst.Call) -> bool:
        """Whether a call makes an object of a class of the file whose base is one of another file."""
        kind = self.program.definition(self.program.variables.get(call.func))
        return isinstance(kind, cst.ClassDef) and any(is_imported(self.program, base.value) for base in kind.bases)

    def _may_be_method(self, value: cst.BaseExpression) -> bool:
        return isinstance(value, cst.Attribute) and not self._is_setting(value)

    def _is_from_elsewhere(self, call: cst.Call) -> bool:
        """Whether a call may run code of another file: by its name, or by one that tells nothing."""
        func, name = call.func, self.program.qualified_name(call.func)
        if name is not None:
            return name == "functools.partial" or is_imported(self.program, func)
        if isinstance(func, cst.Attribute):
            return func.attr.value not in self.methods and not self._is_of_library(func.value)
        known = self.program.definition(self.program.variables.get(func))
        return not isinstance(known, (cst.FunctionDef, cst.ClassDef))

    def _is_of_library(self, owner: cst.CSTNode) -> bool:
        """Whether an object is made by a known library, as a summary writer is."""
        made = [value.func for value in self._made(owner)]
        return bool(made) and all(
            self.program.qualified_name(func) is not None and not is_imported(self.program, func) for func in made
        )

    def _hands_network(self, call: cst.Call) -> bool:
        return any(self._is_network(arg.value) for arg in call.args)

    def _is_set_to_network(self, owner: cst.CSTNode) -> bool:
        """Whether an attribute or an element of an object is set to a network, also by its name."""
        stores = (
            (found.target, assign.value) for assign in self.program.find(cst.Assign) for found in assign.targets
            if isinstance(found.target, (cst.Attribute, cst.Subscript))
        )  # fmt: skip
        named = (call for call in self.program.calls if self.program.qualified_name(call.func) == _SETTING)
        if any(self._is_same(call.args[0].value, owner) and self._hands_network(call) for call in named if call.args):
            return True
        return any(self._is_part(target, owner) and self._is_network(value) for target, value in stores)

    def _is_network(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Attribute):
            if node.attr.value in self.attributes or node.attr.value == "module":
                return not self._is_setting(node)
            return self._is_network(node.value) and self._is_layer(node)
        if isinstance(node, (cst.List, cst.Tuple, cst.Dict)):
            return any(self._is_network(element.value) for element in node.elements)
        if isinstance(node, cst.Call) and (self.program.qualified_name(node.func) or "").endswith(_CONTAINERS):
            return self._hands_network(node)
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            return node.func.attr.value in _GIVING_BACK and self._is_network(node.func.value)
        if isinstance(node, cst.Subscript):
            return self._is_network(node.value)
        return isinstance(node, cst.Name) and self.outline.variable(node) in self.variables

    def _is_layer(self, node: cst.Attribute) -> bool:
        """Whether an attribute of a network has the name of layers, here or as a rule."""
        made = (value.func for value in self._assigned(node) if isinstance(value, cst.Call))
        known = (self.program.qualified_name(func) or "" for func in made)
        layers = any(name.startswith("torch.nn.") and name != "torch.nn.Parameter" for name in known)
        return layers or node.attr.value in _PARTS

    def _is_setting(self, node: cst.Attribute) -> bool:
        """Whether an attribute is taken from what has a name of parsed arguments, and is not set there."""
        holder = node.value.attr if isinstance(node.value, cst.Attribute) else node.value
        if not isinstance(holder, cst.Name) or holder.value not in _SETTINGS:
            return False
        stores = (found.target for found in self.program.find(cst.AssignTarget))
        return not any(isinstance(target, cst.Attribute) and target.deep_equals(node) for target in stores)

    def _made(self, owner: cst.CSTNode) -> Iterator[cst.Call]:
        """The calls in what an object, or an attribute of this name of any object, is assigned from."""
        for value in self._assigned(owner):
            yield from self.program.find(cst.Call, value)

    def _assigned(self, owner: cst.CSTNode) -> Iterator[cst.BaseExpression]:
        while isinstance(owner, cst.Subscript):
            owner = owner.value
        yield from self.values.get(self._known(owner), ())
        variable = self.outline.variable(owner)
        yield from (value for given, value in self.given if variable is not None and given is variable)

    def _is_part(self, node: cst.CSTNode, owner: cst.CSTNode) -> bool:
        """Whether something is an attribute or an element of an object, or of a part of it."""
        return any(self._is_same(part, owner) for part in _owners(node) if part is not node)

    def _is_same(self, first: cst.CSTNode, second: cst.CSTNode) -> bool:
        """Whether two nodes are one variable, or attributes of one name."""
        known = self._known(first)
        return known is not None and known == self._known(second)

    def _known(self, node: cst.CSTNode) -> Variable | str | None:
        """What a node is known by: its variable, or the name of an attribute of any object."""
        return node.attr.value if isinstance(node, cst.Attribute) else self.outline.variable(node)


def _bound(program: Program) -> Iterator[tuple[cst.CSTNode, cst.BaseExpression]]:
    """What each assignment, loop and `with` binds, and from what."""
    for node in program.find((cst.Assign, cst.AnnAssign, cst.For, cst.With)):
        for target, value in assigned_pairs(node):
            if isinstance(value, cst.BaseExpression):
                yield from _pairs(target, value)
    for loop in program.find(cst.CompFor):
        yield loop.target, loop.iter
    for named in program.find(cst.NamedExpr):
        yield named.target, named.value


def _pairs(target: cst.CSTNode, value: cst.BaseExpression) -> Iterator[tuple[cst.CSTNode, cst.BaseExpression]]:
    """A target with its value; of tuples on both sides also each element with its own."""
    yield target, value
    sequences = (cst.Tuple, cst.List)
    if isinstance(target, sequences) and isinstance(value, sequences) and len(target.elements) == len(value.elements):
        for bound, given in zip(target.elements, value.elements, strict=True):
            yield from _pairs(bound.value, given.value)


def _owners(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """An expression and all that it is taken from: `box.net`, then `box`."""
    yield node
    while isinstance(node, (cst.Attribute, cst.Subscript)):
        node = node.value
        yield node
