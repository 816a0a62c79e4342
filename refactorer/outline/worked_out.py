"""Attributes that an object of the file may work out when it is asked for them: properties, and `__getattr__`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method, class_of_self, methods_of
from refactorer.outline.control import returns


def computes(program: Program, attribute: str) -> bool:
    """Whether an object of the file may work out an attribute when it is asked, and do more than to look it up."""
    if any(not only_looks_up(program, function) for function in asked_for(program, attribute)):
        return True
    return any(_is_descriptor(program, value) for value in _values_of(program, attribute))


def is_set_at_once(program: Program, node: cst.Attribute) -> bool:
    """Whether an attribute is one that the constructor of the method's own object always sets, and is only looked up.

    It is set to what other code has a name for or writes out, there and nowhere else. Another class could have a
    property of that name, so the object's may have no other base than a network.
    """
    owner = class_of_self(program, program.variables.get(node.value))
    if owner is None or owner.decorators or owner.keywords or not _has_known_bases(program, owner):
        return False
    makers = [method for method in methods_of(owner) if method.name.value == "__init__" and not method.decorators]
    stored = [other for other in program.find(cst.Attribute) if _is_stored_as(program, other, node.attr.value)]
    if len(makers) != 1 or len(stored) != 1 or computes(program, node.attr.value) or not operators_look_up(program):
        return False
    line = program.statement(stored[0])
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    own = line in makers[0].body.body and class_of_self(program, program.variables.get(stored[0].value)) is owner
    always = own and not returns(block_lines(makers[0].body))
    return always and isinstance(small, cst.Assign) and isinstance(small.value, _NAMED)


def _has_known_bases(program: Program, owner: cst.ClassDef) -> bool:
    return all(program.qualified_name(base.value) in _BASES for base in owner.bases)


def _is_stored_as(program: Program, node: cst.Attribute, name: str) -> bool:
    return node.attr.value == name and is_stored(program, node)


def is_worked_out(program: Program, attribute: str) -> bool:
    """Whether an object of the file may make an attribute of more than its others, which is not looked into."""
    if computes(program, attribute):
        return True
    for function in _properties(program, attribute):
        inside = [variable for _, variable in program.used([function.body]) if variable.owner is not None]
        own = program.variables[function.params.params[0].name] if function.params.params else None
        if any(variable is not own for variable in inside) or program.find(cst.Subscript, function.body):
            return True
    return False


def attributes_behind(program: Program, names: set[str]) -> set[str]:
    """The attributes that some are worked out from, and those too."""
    found = set(names)
    pending = list(names)
    while pending:
        for function in _properties(program, pending.pop()):
            new = {node.attr.value for node in program.find(cst.Attribute, function.body)} - found
            found |= new
            pending += new
    return found


def _properties(program: Program, attribute: str) -> Iterator[cst.FunctionDef]:
    return (function for function in asked_for(program, attribute) if function.name.value == attribute)


def operators_look_up(program: Program) -> bool:
    """Whether what Python asks objects of the file for (a truth, a text, a sum) only looks something up."""
    own = (function for function in program.find(cst.FunctionDef) if function.name.value in _OPERATORS)
    return all(only_looks_up(program, function) for function in own if class_of_method(program, function) is not None)


def _values_of(program: Program, attribute: str) -> Iterator[cst.BaseExpression]:
    """What an attribute is set to, in the body of a class or behind it."""
    for assign in program.find(cst.Assign):
        for target in assign.targets:
            named = target.target.attr if isinstance(target.target, cst.Attribute) else target.target
            if isinstance(named, cst.Name) and named.value == attribute:
                yield assign.value


def _is_descriptor(program: Program, value: cst.BaseExpression) -> bool:
    """Whether a value is `property(...)`, or an object of a class of the file that works out an attribute."""
    if not isinstance(value, cst.Call):
        return False
    kind = program.definition(program.variables.get(value.func))
    asked = isinstance(kind, cst.ClassDef) and any(method.name.value == "__get__" for method in methods_of(kind))
    return asked or program.qualified_name(value.func) in _PROPERTIES


def asked_for(program: Program, attribute: str) -> Iterator[cst.FunctionDef]:
    """The methods of the file that may run where an attribute is asked for."""
    for function in program.find(cst.FunctionDef):
        if class_of_method(program, function) is None:
            continue
        asked = function.name.value == attribute and bool(function.decorators)
        if asked or function.name.value in _LOOKING_UP:
            yield function


_LOOKING_UP = ("__getattr__", "__getattribute__")
_BASES = ("builtins.object", "torch.nn.Module")
_NAMED = (cst.Name, cst.Attribute, cst.BaseNumber, cst.BaseString)
_ARITHMETIC = "add sub mul truediv floordiv mod pow neg lt le gt ge eq ne and or"
_OPERATORS = (
    {f"__{side}{name}__" for side in ("", "r") for name in _ARITHMETIC.split()}
    | {f"__{name}__" for name in ("str", "repr", "format", "bool", "len", "int", "float", "index")}
    | {"extra_repr"}
)
_PROPERTIES = ("builtins.property", "functools.cached_property")
_LOOKS = {"get", "format", "join", "size", "dim", "numel", *_LOOKING_UP, "__getitem__"}
_DOING = {
    f"builtins.{name}" for name in ("print", "next", "setattr", "delattr", "exec", "eval", "input", "open", "iter")
}
_CHANGES = (cst.AugAssign, cst.Del, cst.Global, cst.Nonlocal, cst.NamedExpr, cst.Yield, cst.Await)


def only_looks_up(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function does no more than to look something up, and to compute with numbers."""
    if any(program.find(kind, function.body) for kind in _CHANGES):
        return False
    targets = [node.target for node in program.find(cst.AssignTarget, function.body)]
    if not all(isinstance(target, cst.Name) for target in targets):
        return False
    return all(_is_look(program, call) for call in program.find(cst.Call, function.body))


def _is_look(program: Program, call: cst.Call) -> bool:
    name = program.qualified_name(call.func) or ""
    if name.startswith("builtins."):
        return name not in _DOING
    if name.startswith("math.") or not isinstance(call.func, cst.Attribute):
        return name.startswith("math.")
    return call.func.attr.value in _LOOKS and not _is_own(program, call.func.attr.value)


def _is_own(program: Program, method: str) -> bool:
    """Whether a class of the file says itself what a method does, other than those that Python asks by themselves."""
    named = (function for function in program.find(cst.FunctionDef) if function.name.value == method)
    return not method.startswith("__") and any(class_of_method(program, function) is not None for function in named)
