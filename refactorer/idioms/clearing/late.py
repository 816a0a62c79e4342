"""Code behind the optimizer's step that may see whether the gradients are cleared in front of it or behind it.

The file itself reads no gradients where this is asked. What is left is code out of sight (functions of other files,
methods of objects whose class is not in the file) that is handed something that holds gradients.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import children, walk
from refactorer.idioms.clearing.gradients import is_known
from refactorer.idioms.known.elsewhere import base_of, is_imported, is_made_elsewhere, known_elsewhere
from refactorer.idioms.known.harmless import READING
from refactorer.idioms.known.taint import assigned_pairs, given_parameters, tainted_by_training
from refactorer.outline.classes import class_of_object
from refactorer.outline.functions.arguments import args_with_object, every_parameter, given_anywhere, matched
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, VALIDATION_HOOKS, Outline
from refactorer.outline.training.reach import called_function

_PARTS = {"parameters", "named_parameters", "modules", "named_modules", "children", "named_children"}
_USED_AS_HOLDERS = {*_PARTS, "train", "eval", "zero_grad", "state_dict", "load_state_dict", "step", "module"}
_THEMSELVES = "items values get to cuda cpu half float train eval requires_grad_"
_GIVING_BACK = {*_PARTS, *_THEMSELVES.split()}
_OTHERS = "keys state_dict load_state_dict save_pretrained get_lr get_last_lr get_scale"
_BLIND = {*READING, *_GIVING_BACK, *_OTHERS.split()}
_OF_MODELS = {*_USED_AS_HOLDERS, *_GIVING_BACK} - {"items", "values", "get"}
_OF_NETWORKS = ("parameters", "named_parameters", "modules", "train", "eval")
_BY_NAME = ("builtins.getattr", "builtins.vars", "builtins.eval", "builtins.exec")
_SETTINGS = ("requires_grad", "requires_grad_", "zero_grad")


def sees_gradients(outline: Outline, roles: Roles, lines: list[cst.CSTNode]) -> bool:
    """Whether code out of sight may see gradients by some lines, or these change what has gradients."""
    return _Search(outline, roles).finds([*lines, *outline.lines(EPOCH_END, *VALIDATION_HOOKS)])


class _Search:
    """Looks for uses of what holds gradients: variables, and attributes of any objects, by their names."""

    def __init__(self, outline: Outline, roles: Roles) -> None:
        self.outline, self.program = outline, outline.program
        self.elsewhere = known_elsewhere(outline, tainted_by_training(outline, roles))
        self.attributes: set[str] = set()
        self.variables: set[Variable] = {*roles.objects, *given_parameters(outline, roles)}
        self.networks: set[object] = {*roles.objects}
        self.given = [*given_anywhere(self.program)]
        for node in self.program.find(cst.Attribute):
            if node.attr.value in _USED_AS_HOLDERS:
                self._add(node.value)
            if node.attr.value in _OF_NETWORKS:
                self.networks.add(self._known(node.value))
        self._grow()
        self.entered: set[tuple[cst.FunctionDef, frozenset[Variable]]] = set()

    def _add(self, node: cst.CSTNode) -> None:
        while isinstance(node, cst.Subscript):
            node = node.value
        if isinstance(node, cst.Attribute):
            self.attributes.add(node.attr.value)
        variable = self.outline.variable(node)
        if variable is not None and not self._is_own(node):
            self.variables.add(variable)

    def _grow(self) -> None:
        """Adds what is given one of those that are known, until nothing is."""
        pairs = [*self._given()]
        known = -1
        while known < len(self.variables) + len(self.attributes):
            known = len(self.variables) + len(self.attributes)
            for target, value in pairs:
                if self._shows(value, made=True):
                    names: list[cst.CSTNode] = [*names_in(target)]
                    for part in names or [target, base_of(target)]:
                        self._add(part)

    def _given(self) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
        """What is assigned from what, what keeps what, and what parameters are given."""
        for parameter, value in self.given:
            made = isinstance(value, cst.Call) and is_made_elsewhere(self.program, value)
            if made or isinstance(value, (cst.Name, cst.Attribute)):
                yield parameter.name, value
        for node in self.program.find((cst.Assign, cst.AnnAssign, cst.For, cst.With)):
            yield from assigned_pairs(node)
        for loop in self.program.find(cst.CompFor):
            yield loop.target, loop.iter
        for call in self.program.calls:
            if isinstance(call.func, cst.Attribute) and self.program.qualified_name(call.func) is None:
                yield from ((call.func.value, arg.value) for arg in call.args)
            elif isinstance(call.func, cst.Attribute) and self._variable_of(call.func) in self.elsewhere:
                plain = (arg.value for arg in call.args if isinstance(arg.value, (cst.Name, cst.Attribute)))
                yield from ((call.func.value, value) for value in plain)

    def finds(self, lines: list[cst.CSTNode]) -> bool:
        return any(self._sees(node) for node in walk(*lines))

    def _sees(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Attribute):
            name = node.attr.value
            return "grad" in name and name not in _SETTINGS and self._shows(node.value)
        if isinstance(node, (cst.AssignTarget, cst.AugAssign)):
            changed = node.target
            held = changed.value if isinstance(changed, (cst.Attribute, cst.Subscript)) else None
            return held is not None and not self._is_own(held) and self._shows(held)
        return self._call(node) if isinstance(node, cst.Call) else self._asks(node)

    def _asks(self, node: cst.CSTNode) -> bool:
        """Whether something is done with an object of another file that has gradients; any operator runs its code."""
        if not isinstance(node, (cst.Name, cst.Attribute)) or self._known(node) in self.networks:
            return False
        around = self.program.parent.get(node)
        blind = isinstance(around, cst.Attribute) and around.value is node and around.attr.value in _BLIND
        return not blind and self._shows(node) and self._is_from_elsewhere(node)

    def _known(self, node: cst.CSTNode) -> object:
        """The variable that a node means, or the name of the attribute."""
        return node.attr.value if isinstance(node, cst.Attribute) else self.outline.variable(node)

    def _variable_of(self, node: cst.CSTNode) -> Variable | None:
        """The variable that something is taken from."""
        return self.program.variables.get(base_of(node))

    def _call(self, call: cst.Call) -> bool:
        """Whether a call runs code out of sight that may look at gradients."""
        function = called_function(self.program, call)
        if function is not None:
            return self._enter(function, call)
        given = any(self._shows(arg.value, made=True) for arg in call.args)
        name = self.program.qualified_name(call.func)
        if name is not None:
            kept = self._variable_of(call.func) in self.elsewhere and not is_known(name)
            return kept or "clip_grad" in name or (given and (name in _BY_NAME or not is_known(name)))
        if not isinstance(call.func, cst.Attribute):
            return given or self._holds_function(call.func)
        method, owner = call.func.attr.value, call.func.value
        if method in _BLIND:
            return method not in _OF_MODELS and self._shows(owner) and self._is_from_elsewhere(owner)
        if method == "step" and "sched" in self.program.module.code_for_node(owner).lower():
            return self._is_from_elsewhere(owner)
        return given or (self._shows(owner) and not (self._is_own(owner) and method in self.attributes))

    def _holds_function(self, func: cst.BaseExpression) -> bool:
        """Whether what is called may be a function, or an object out of sight, that was made of what has gradients."""
        if not isinstance(func, cst.Name):
            return self._shows(func)
        return any(self._makes_function(value) for value in self._values_of(func))

    def _makes_function(self, value: cst.BaseExpression) -> bool:
        if isinstance(value, cst.Attribute):
            return value.attr.value not in self.attributes and self._shows(value.value)
        library = isinstance(value, cst.Call) and (self.program.qualified_name(value.func) or "").startswith(
            "torch.nn."
        )
        return isinstance(value, (cst.Call, cst.Lambda)) and not library and self._shows(value, made=True)

    def _is_from_elsewhere(self, node: cst.BaseExpression) -> bool:
        """Whether another file gives an object, or makes it, whose methods may look at gradients."""
        pending, seen = [node], set[cst.CSTNode]()
        for part in pending:
            if is_imported(self.program, part):
                return True
            values = [value for value in self._values_of(part) if value not in seen]
            if any(isinstance(value, cst.Call) and is_made_elsewhere(self.program, value) for value in values):
                return True
            seen.update(values)
            pending += [value for value in values if isinstance(value, (cst.Name, cst.Attribute))]
        return False

    def _values_of(self, node: cst.BaseExpression) -> list[cst.BaseExpression]:
        """What the file gives a name, or an attribute of any object that is called so."""
        assigned = [(target.target, line.value) for line in self.program.find(cst.Assign) for target in line.targets]
        if isinstance(node, cst.Attribute):
            name = node.attr.value
            return [
                value for target, value in assigned if isinstance(target, cst.Attribute) and target.attr.value == name
            ]
        variable = self.outline.variable(node)
        assigned += [(parameter.name, value) for parameter, value in self.given]
        return [
            value for target, value in assigned if variable is not None and self.outline.variable(target) is variable
        ]

    def _enter(self, function: cst.FunctionDef, call: cst.Call) -> bool:
        """Whether a function of the file does, which holds what this call hands to it."""
        bound = matched(function.params, args_with_object(self.program, function, call))
        given = every_parameter(function.params)
        if bound is not None:
            given = [parameter for parameter, value in bound.items() if self._shows(value, made=True)]
        known = (parameter for parameter in given if class_of_object(self.program, parameter) is None)
        self.variables |= {self.program.variables[parameter.name] for parameter in known}
        key = function, frozenset(self.variables)
        if key in self.entered:
            return False
        self._grow()
        self.entered |= {key, (function, frozenset(self.variables))}
        return self.finds([function.body])

    def _shows(self, node: cst.CSTNode, made: bool = False) -> bool:
        """Whether a value may be, or hold, something with gradients; with `made` also what a call makes of that."""
        if isinstance(node, cst.Attribute):
            named = node.attr.value in self.attributes
            return named or (not self._is_own(node.value) and self._shows(node.value, made))
        if isinstance(node, cst.Call):
            func = node.func
            same = isinstance(func, cst.Attribute) and func.attr.value in _GIVING_BACK and self._shows(func.value)
            return same or (made and any(self._shows(arg.value, made) for arg in node.args))
        if isinstance(node, cst.Name):
            return self._is_own(node) or self.outline.variable(node) in self.variables
        return not isinstance(node, cst.Comparison) and any(self._shows(part, made) for part in children(node))

    def _is_own(self, node: cst.CSTNode) -> bool:
        """Whether a node is the object of the method that it stands in."""
        variables = (self.program.variables.get(node), self.outline.variable(node))
        writes = [seen for variable in variables if variable is not None for seen in variable.writes]
        places = (self.program.parent.get(seen.node) for seen in writes)
        return any(isinstance(place, cst.Param) and class_of_object(self.program, place) for place in places)
