"""Which variables surely hold no parameters and no buffers, so that the Trainer's wrapper finds none in them.

A module finds the networks among its attributes, and no others: what is inside a list, a `Namespace` or a loader stays
unseen. `is_tensorless` asks for that much. A value that was taken out of something must be known deeper: nothing that
could be reached from there is a network (`Data`).
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.parsed_arguments import is_parsed
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.idioms.distributed.handed import values_handed
from refactorer.idioms.distributed.libraries import gives_data, gives_settings, has_no_tensors
from refactorer.idioms.distributed.numbers import is_used_as_number
from refactorer.outline.control import returns
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.objects.optimizers import is_module_class, makes_module
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_LITERALS = (cst.BaseNumber, cst.BaseString, cst.Comparison)
_DISPLAYS = (cst.List, cst.Tuple, cst.Set, cst.Dict)
_FILLERS = ("append", "extend", "insert", "add", "update", "setdefault", "appendleft")
_PASS_ON = ("list", "tuple", "set", "dict", "sorted", "reversed", "max", "min", "zip", "enumerate", "iter", "next")
_REGISTER = ("register_parameter", "register_buffer", "register_module", "add_module", "__dict__", "_buffers")
_TARGETS = (cst.AssignTarget, cst.AnnAssign, cst.Element, cst.For, cst.AsName)
_OWNERS = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)


def is_tensorless(outline: Outline, variable: Variable) -> bool:
    """Whether a variable that the hooks hold is no network, or one without parameters and buffers.

    What the training itself binds may be anything that is not known to be a network.
    """
    program = outline.program
    parts = [outline.site.epoch_loop, *outline.consumed]
    inside = [
        seen for seen in variable.writes
        if seen.node in program.order and any(program.contains(part, seen.node) for part in parts)
    ]  # fmt: skip
    outer = [seen for seen in variable.writes if seen not in inside]
    if not outer or any(makes_module(program, seen) for seen in inside):
        return False
    if _gets_attributes(program, variable) and not is_parsed_arguments(outline, variable):
        return False
    return all(_is_tensorless_write(outline, variable, seen) for seen in outer)


def _gets_attributes(program: Program, variable: Variable) -> bool:
    """Whether the script sets attributes of an object that a variable names."""
    held = [program.parent.get(seen.node) for seen in variable.reads]
    return any(isinstance(part, cst.Attribute) and isinstance(program.parent.get(part), _TARGETS) for part in held)


def is_parsed_arguments(outline: Outline, variable: Variable | None, asked: frozenset[Variable] = frozenset()) -> bool:
    """Whether a variable surely holds parsed arguments: in them no module looks for tensors, whatever is set there."""
    if variable is None or not variable.writes or variable in asked:
        return False
    if is_parsed(outline.program, variable):
        return True
    values: list[cst.BaseExpression | None] = []
    for seen in variable.writes:
        parent = outline.program.parent.get(seen.node)
        handed = values_handed(outline.program, parent) if isinstance(parent, cst.Param) else None
        values += handed or [outline.program.bound_to(seen.node)]
    asked |= {variable}
    return all(_parses(value) or is_parsed_arguments(outline, outline.variable(value), asked) for value in values)


def _parses(value: cst.BaseExpression | None) -> bool:
    func = value.func if isinstance(value, cst.Call) else None
    return isinstance(func, cst.Attribute) and func.attr.value == "parse_args"


def gives_numbers(outline: Outline, part: Variable, models: Iterable[Variable]) -> bool:
    """Whether the models were given settings alone by a variable: parsed arguments, or numbers (`data.num_classes`)."""
    program = outline.program
    if Data(outline, tensors=False).holds(part):
        return True
    lines = {program.statement(seen.node) for model in models for seen in model.writes}
    mentions = [node for line in lines for node, variable in outline.uses(line) if variable is part]
    parents = [program.parent.get(node) for node in mentions]
    return all(isinstance(outer, cst.Attribute) and outer.attr.value.startswith("num_") for outer in parents)


def _is_tensorless_write(outline: Outline, variable: Variable, seen: Occurrence) -> bool:
    program = outline.program
    value = program.bound_to(seen.node)
    made = unmoved(value) if value is not None else None
    if isinstance(made, cst.Name) and program.variables.get(made) is variable:
        return True  # `criterion = criterion.to(device)`
    if isinstance(made, (*_DISPLAYS, cst.BaseComp)):
        return True
    if isinstance(made, cst.Call):
        own = program.definition(program.variables.get(made.func))
        if isinstance(own, cst.ClassDef):
            return not is_module_class(program, own) or _has_no_tensors(outline, own, made)
        if has_no_tensors(program.qualified_name(made.func) or "", made):
            return True
    return Data(outline, tensors=True).is_written(seen)


def _has_no_tensors(outline: Outline, made_of: cst.ClassDef, call: cst.Call) -> bool:
    """Whether a module class of the file keeps nothing but settings, and layers and criteria without weights."""
    program, data = outline.program, Data(outline, tensors=True)
    if [program.qualified_name(base.value) for base in made_of.bases] != ["torch.nn.Module"]:
        return False
    if not all(data.is_data(arg.value) for arg in call.args):
        return False
    for node in program.find(cst.Attribute, made_of):
        if node.attr.value in _REGISTER:
            return False
        if not isinstance(program.parent.get(node), _TARGETS):
            continue
        value = program.bound_to(node)
        handed = isinstance(value, cst.Name) and _is_constructor_argument(program, value)
        made = isinstance(value, cst.Call) and has_no_tensors(program.qualified_name(value.func) or "", value)
        if value is None or not (handed or made or isinstance(value, _LITERALS) or data.is_data(value)):
            return False
    return True


def _is_constructor_argument(program: Program, name: cst.Name) -> bool:
    """Whether a name is a parameter of `__init__`, without a default or with a constant one."""
    parameter = program.definition(program.variables.get(name))
    function = program.enclosing_function(parameter) if isinstance(parameter, cst.Param) else None
    if not isinstance(parameter, cst.Param) or function is None or function.name.value != "__init__":
        return False
    return parameter.default is None or is_constant(parameter.default)


class Data:
    """Follows values through the file to where they come from: numbers, settings, data; `tensors` may be among them."""

    def __init__(self, outline: Outline, tensors: bool) -> None:
        self.outline, self.tensors = outline, tensors
        self.program: Program = outline.program
        self.asked: set[Variable] = set()

    def holds(self, variable: Variable | None) -> bool:
        """Whether no value of a variable is a network, or holds one."""
        if variable is None or not variable.writes:
            return False
        if variable in self.asked:
            return True  # the first question answers for it
        self.asked.add(variable)
        return all(self.is_written(seen) for seen in variable.writes) and not self._is_filled(variable)

    def is_written(self, seen: Occurrence) -> bool:
        """Whether a place that binds a name binds it to data."""
        parent = self.program.parent.get(seen.node)
        if isinstance(parent, cst.Param):
            values = values_handed(self.program, parent)
            if values is not None:
                return all(self.is_data(value) for value in values)
            return is_used_as_number(self.program, parent)
        if isinstance(parent, _OWNERS):
            return False
        if isinstance(parent, cst.AugAssign):
            return self.is_data(parent.value)
        unpacked = _unpacked(self.program, seen.node)
        if unpacked is not None:
            return all(self.is_data(value) for value in unpacked)
        source = source_of(self.program, seen.node)
        return source is not None and self.is_data(source)

    def is_data(self, value: cst.CSTNode) -> bool:
        """Whether an expression gives data."""
        if isinstance(value, _LITERALS) or (isinstance(value, cst.Name) and value.value in ("None", "True", "False")):
            return True
        if isinstance(value, cst.Name):
            return self.holds(self.outline.variable(value))
        if isinstance(value, cst.Attribute):
            if gives_settings(self.program.qualified_name(value) or ""):
                return True  # `os.environ`, `sys.argv`
            if value.attr.value.startswith("num_") and not self._is_set(value.attr.value):
                return True  # how many of something a data set has
            return self.is_data(value.value) and not self._is_set(value.attr.value)
        parts = _parts(value)
        if parts is not None:
            return all(self.is_data(part) for part in parts)
        return isinstance(value, cst.Call) and self._is_called(value)

    def _is_called(self, call: cst.Call) -> bool:
        name = self.program.qualified_name(call.func) or ""
        if gives_settings(name) or (self.tensors and gives_data(name)):
            return True
        if name in {f"builtins.{known}" for known in _PASS_ON}:
            return all(self.is_data(arg.value) for arg in call.args)
        if name == "builtins.map":
            made = self.program.qualified_name(call.args[0].value) if call.args else None
            return gives_settings(made or "")
        function = self.program.function(call.func)
        if function is not None:
            values = [found.value for found in returns(function.body.body)]
            return bool(values) and all(value is not None and self.is_data(value) for value in values)
        if not isinstance(call.func, cst.Attribute):
            return False
        return call.func.attr.value == "parse_args" or self.is_data(call.func)

    def _is_set(self, attribute: str) -> bool:
        """Whether the file sets an attribute of that name to something else, or may do so."""
        program = self.program
        if any(program.qualified_name(call.func) == "builtins.setattr" for call in program.calls):
            return True
        for node in program.find(cst.Attribute):
            element = isinstance(program.parent.get(node), cst.Element)
            if node.attr.value != attribute or not isinstance(program.parent.get(node), _TARGETS):
                continue
            value = source_of(program, node)
            if value is None and element:
                continue  # an element of something that is read
            if value is None or not self.is_data(value):
                return True
        return False

    def _is_filled(self, variable: Variable) -> bool:
        """Whether something may be put into a container later on, or into an empty one by whoever it is handed to."""
        program = self.program
        empty = any(_is_empty(program, source_of(program, seen.node)) for seen in variable.writes)
        for seen in variable.reads:
            parent = program.parent.get(seen.node)
            if isinstance(parent, cst.Attribute) and parent.attr.value in _FILLERS:
                return True
            if isinstance(parent, cst.Subscript) and isinstance(program.parent.get(parent), cst.AssignTarget):
                value = program.bound_to(parent)
                if value is None or not self.is_data(value):
                    return True
            if empty and isinstance(parent, cst.Arg):
                return True
        return False


def _is_empty(program: Program, value: cst.CSTNode | None) -> bool:
    if isinstance(value, cst.Call):
        made = program.qualified_name(value.func)
        return not value.args and made in ("builtins.list", "builtins.dict", "builtins.set")
    return isinstance(value, _DISPLAYS) and not value.elements


def _parts(value: cst.CSTNode) -> Iterable[cst.CSTNode] | None:
    """The expressions that the value of another one is, or is taken from; None for other forms."""
    if isinstance(value, _DISPLAYS):
        return [element.value for element in value.elements]
    if isinstance(value, cst.Subscript):
        return [value.value]
    if isinstance(value, cst.UnaryOperation):
        return [] if isinstance(value.operator, cst.Not) else [value.expression]
    if isinstance(value, (cst.BinaryOperation, cst.BooleanOperation)):
        return [value.left, value.right]
    if isinstance(value, cst.IfExp):
        return [value.body, value.orelse]
    if isinstance(value, (cst.ListComp, cst.SetComp, cst.GeneratorExp)):
        return [value.elt]
    return None


def _unpacked(program: Program, name: cst.CSTNode) -> list[cst.BaseExpression] | None:
    """What `a` gets in `a, b = pair`, if `pair` is a parameter that each call gives a tuple; None for anything else."""
    element = program.parent.get(name)
    target = program.parent.get(element) if isinstance(element, cst.Element) else None
    assigned = program.parent.get(program.parent.get(target)) if isinstance(target, cst.Tuple) else None  # type: ignore[arg-type]
    pair = program.variables.get(assigned.value) if isinstance(assigned, cst.Assign) else None
    parameter = program.definition(pair) if pair is not None and len(pair.writes) == 1 else None
    handed = values_handed(program, parameter) if isinstance(parameter, cst.Param) else None
    if handed is None or not isinstance(target, cst.Tuple):
        return None
    shown = [program.assigned_value(program.variables.get(v)) if isinstance(v, cst.Name) else v for v in handed]
    place = [part is element for part in target.elements].index(True)
    found = []
    for value in shown:
        parts = value.elements if isinstance(value, cst.Tuple) else []
        if len(parts) != len(target.elements) or any(
            isinstance(e, cst.StarredElement) for e in [*parts, *target.elements]
        ):
            return None
        found.append(parts[place].value)
    return found


def source_of(program: Program, name: cst.CSTNode) -> cst.BaseExpression | None:
    """What a name gets its value from: the expression itself, or one that the value is an element of."""
    node, places = name, []
    while isinstance(outer := program.parent.get(node), (cst.Element, cst.Tuple, cst.List)):
        if isinstance(outer, (cst.Tuple, cst.List)):
            places.append([element is node for element in outer.elements].index(True))
        node = outer
    if isinstance(outer, (cst.For, cst.CompFor)):
        return outer.iter if outer.target is node else None
    if not isinstance(outer, cst.AssignTarget):
        return outer.value if isinstance(outer, (cst.AnnAssign, cst.NamedExpr)) and outer.target is node else None
    statement = program.parent[outer]
    assert isinstance(statement, cst.Assign)
    value = statement.value
    if isinstance(value, cst.Tuple) and len(places) == 1 and len(value.elements) > places[0]:
        return value.elements[places[0]].value
    return value
