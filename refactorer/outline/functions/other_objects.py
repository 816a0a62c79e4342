"""Whether `x.name` may be a method of a class of the file: not if `x` is another object, or the call does not fit."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method, methods_of
from refactorer.outline.control import returns, suspensions
from refactorer.outline.functions.arguments import matched

_LOADING = ("load", "loads", "deepcopy", "copy")
_PLAIN = (
    "builtins.len", "builtins.int", "builtins.float", "builtins.str", "builtins.bool", "builtins.range",
    "builtins.__import__",
)  # fmt: skip
_VIEWS = ("keys", "values", "items", "get")
_Seen = frozenset[object]


def may_be_method(program: Program, node: cst.Attribute, function: cst.FunctionDef) -> bool:
    """Whether an attribute of an object may be a method of a class of the file, as far as the file tells."""
    owner = class_of_method(program, function)
    return owner is not None and _fits(program, node, function) and not is_other(program, node.value, owner)


def _fits(program: Program, node: cst.Attribute, function: cst.FunctionDef) -> bool:
    """Whether a method can be called as an attribute is: `model.train()` does not run `def train(self, epoch)`."""
    call, params = program.parent.get(node), function.params
    if not isinstance(call, cst.Call) or call.func is not node or function.decorators or any(a.star for a in call.args):
        return True
    if isinstance(params.star_arg, cst.Param) or params.star_kwarg or not params.params or params.posonly_params:
        return True
    if isinstance(program.definition(program.variables.get(node.value)), cst.ClassDef):
        return True  # `Class.method(x, ...)` hands the object over itself
    bound = matched(params, [cst.Arg(node.value), *call.args])
    needed = [parameter for parameter in (*params.params, *params.kwonly_params) if parameter.default is None]
    return bound is not None and all(parameter in bound for parameter in needed)


def is_other(program: Program, node: cst.CSTNode, owner: cst.ClassDef, seen: _Seen = frozenset()) -> bool:
    """Whether an expression surely gives no object of a class, if code out of sight has none.

    An attribute that the file never sets is of an object that code out of sight makes, or no one does.
    """
    if isinstance(node, cst.Call):
        return _makes_other(program, node, owner, seen)
    if isinstance(node, cst.IfExp):
        return is_other(program, node.body, owner, seen) and is_other(program, node.orelse, owner, seen)
    if isinstance(node, (cst.BaseNumber, cst.BaseString)) or _is_word(node):
        return True
    known: object = node.attr.value if isinstance(node, cst.Attribute) else program.variables.get(node)
    if known is None or known in seen or program.qualified_name(node) is not None:
        return known is not None
    values = _values(program, known)
    return values is not None and all(is_other(program, value, owner, seen | {known}) for value in values)


def _is_word(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value in ("None", "True", "False")


def _makes_other(program: Program, call: cst.Call, owner: cst.ClassDef, seen: _Seen) -> bool:
    """Whether what is called gives something else: another class, a function, or a method of another object."""
    made = program.definition(program.variables.get(call.func))
    if isinstance(made, cst.ClassDef):
        return not _may_make(program, made, owner)
    function = made if isinstance(made, cst.FunctionDef) else _only_method(program, call)
    if function is not None:
        return function not in seen and _gives_other(program, function, owner, seen | {function})
    full = program.qualified_name(call.func)
    if full in _PLAIN:
        return True
    name = full.split(".")[-1] if full is not None else _method_name(call.func)
    if name is None or name in _LOADING or (full or "").startswith("builtins."):
        return False
    if not all(is_other(program, part, owner, seen) for part in _handed(program, call)):
        return False
    defined = any(method.name.value == name for method in program.find(cst.FunctionDef))
    return full is not None or (not defined and is_other(program, call.func.value, owner, seen))  # type: ignore[attr-defined]


def _may_make(program: Program, kind: cst.ClassDef, owner: cst.ClassDef) -> bool:
    """Whether calling a class may give an object of another one: it inherits from it, or decides what it makes."""
    if kind is owner or decides_what_it_makes(program, kind):
        return True
    bases = (program.definition(program.variables.get(base.value)) for base in kind.bases)
    return any(_may_make(program, base, owner) for base in bases if isinstance(base, cst.ClassDef))


def decides_what_it_makes(program: Program, kind: cst.ClassDef) -> bool:
    """Whether calling a class may give an object of another one, by a `__new__` or a metaclass of the file."""
    methods = [method.name.value for method in methods_of(kind)]
    if "__new__" in methods or kind.keywords or kind.decorators:
        return True
    bases = [(base.value, program.definition(program.variables.get(base.value))) for base in kind.bases]
    return any(
        decides_what_it_makes(program, base) if isinstance(base, cst.ClassDef) else program.qualified_name(node) is None
        for node, base in bases
    )


def _method_name(func: cst.BaseExpression) -> str | None:
    return func.attr.value if isinstance(func, cst.Attribute) else None


def _handed(program: Program, call: cst.Call) -> list[cst.CSTNode]:
    """The variables and attributes that a call gets, also inside its arguments."""
    parts = [part for arg in call.args for part in walk(arg.value)]
    return [
        part for part in parts
        if isinstance(part, cst.Attribute) or (part in program.variables and not _is_owner_of_attribute(program, part))
    ]  # fmt: skip


def _is_owner_of_attribute(program: Program, node: cst.CSTNode) -> bool:
    parent = program.parent.get(node)
    return isinstance(parent, cst.Attribute) and parent.value is node


def _only_method(program: Program, call: cst.Call) -> cst.FunctionDef | None:
    """The only function of the file with the name of a method that is called."""
    if not isinstance(call.func, cst.Attribute) or program.qualified_name(call.func) is not None:
        return None
    found = [one for one in program.find(cst.FunctionDef) if one.name.value == call.func.attr.value]
    return found[0] if len(found) == 1 else None


def _gives_other(program: Program, function: cst.FunctionDef, owner: cst.ClassDef, seen: _Seen) -> bool:
    body = list(function.body.body)
    if function.decorators or function.asynchronous is not None or suspensions(body):
        return False
    return all(left.value is None or is_other(program, left.value, owner, seen) for left in returns(body))


def _values(program: Program, known: object) -> list[cst.BaseExpression] | None:
    """All that the file gives to a variable, or to attributes of a name; None if that is not known."""
    if not isinstance(known, Variable):
        return _values_of_attribute(program, str(known))
    parameter = program.definition(known)
    if isinstance(parameter, cst.Param):
        return _given_to_constructor(program, parameter)
    values = [value for write in known.writes if (value := program.bound_to(write.node)) is not None]
    return values if values and len(values) == len(known.writes) else None


def _values_of_attribute(program: Program, name: str) -> list[cst.BaseExpression] | None:
    if _sets_by_name(program):
        return None
    if any(scope.kind == "class" and name in scope.variables for scope in program.scopes):
        return None
    values: list[cst.BaseExpression] = []
    for node in program.find(cst.Attribute):
        if node.attr.value != name:
            continue
        parent = program.parent.get(node)
        assign = program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else None
        if isinstance(assign, cst.Assign):
            values.append(assign.value)
        elif _is_target(program, node):
            return None
    return values


def _sets_by_name(program: Program) -> bool:
    """Whether the file sets attributes by other means than `x.name = value`."""
    names = {program.qualified_name(call.func) for call in program.calls}
    if "builtins.setattr" in names or any(node.attr.value == "__dict__" for node in program.find(cst.Attribute)):
        return True
    asked = [call for call in program.calls if program.qualified_name(call.func) == "builtins.vars"]
    return not all(_only_looks(program, call) for call in asked)


def _only_looks(program: Program, call: cst.Call) -> bool:
    """Whether what `vars(x)` gives is shown, handed on or listed, where it stands."""
    parent = program.parent.get(call)
    return isinstance(parent, cst.Arg) or (isinstance(parent, cst.Attribute) and parent.attr.value in _VIEWS)


def _is_target(program: Program, node: cst.CSTNode) -> bool:
    """Whether an attribute is set in another way than by `x.name = value`."""
    parent = program.parent.get(node)
    while isinstance(parent, (cst.BaseElement, cst.Tuple, cst.List)):
        node, parent = parent, program.parent.get(parent)
    if isinstance(parent, (cst.For, cst.CompFor)):
        return parent.target is node
    if isinstance(parent, (cst.AugAssign, cst.AnnAssign)):
        return parent.target is node
    return isinstance(parent, (cst.AssignTarget, cst.AsName, cst.Del))


def _given_to_constructor(program: Program, parameter: cst.Param) -> list[cst.BaseExpression] | None:
    """What the file's calls of a class give to a parameter of its constructor."""
    function = program.enclosing_function(parameter)
    kind = class_of_method(program, function) if function is not None else None
    if function is None or kind is None or function.name.value != "__init__" or parameter in function.params.params[:1]:
        return None
    values: list[cst.BaseExpression] = []
    for seen in program.variables[kind.name].reads:
        call = program.parent.get(seen.node)
        if not isinstance(call, cst.Call) or call.func is not seen.node:
            return None
        bound = matched(function.params, [cst.Arg(function.params.params[0].name), *call.args])
        value = bound.get(parameter, parameter.default) if bound is not None else None
        if value is None:
            return None
        values.append(value)
    return values or None
