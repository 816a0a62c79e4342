"""Methods that evaluate: `self.evaluate(loader)`, called by another method of the same class.

    def train(self):
        for epoch in range(10):
            ...
            self.evaluate(self.val_loader)  # for the conversion: evaluate_0_(self, self.val_loader)

or on an object that the class itself has made (`trainer = Trainer(args)`). Such a method can stand outside its class as
a function, since its body sees no more names than that of a function does, if it asks for neither its own class nor the
one above.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.said import may_say
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.parts import is_no_grad
from refactorer.outline.blocks import is_docstring
from refactorer.outline.classes import class_of_method, is_private, methods_of
from refactorer.outline.functions.other_objects import decides_what_it_makes

_BY_NAME = ("builtins.getattr", "builtins.hasattr")
_LISTING = ("builtins.dir", "inspect.getmembers")


def called_function(program: Program, call: cst.Call) -> cst.FunctionDef | None:
    """The function of the file that a call surely runs: one that is named, or a method of an object that is known."""
    return program.function(call.func) or _own_method(program, call)


def is_method(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function stands in a class."""
    return class_of_method(program, function) is not None


def with_receiver(program: Program, call: cst.Call, name: cst.Name) -> cst.Call:
    """The call of the same function outside of its class: the object becomes its first argument."""
    if program.function(call.func) is not None:
        return call.with_changes(func=name)
    assert isinstance(call.func, cst.Attribute)
    return call.with_changes(func=name, args=[cst.Arg(call.func.value), *call.args])


def at_top(program: Program, function: cst.FunctionDef, copy: cst.FunctionDef) -> cst.FunctionDef:
    """A copy of a function as it stands at the top of a file: a docstring is less deep there than in a class."""
    first = copy.body.body[0]
    text = first.body[0].value if is_docstring(first) else None  # type: ignore[union-attr]
    if not is_method(program, function) or not isinstance(text, cst.SimpleString):
        return copy
    indent = program.module.default_indent
    moved = [line.removeprefix(indent) for line in text.value.split("\n")]
    return copy.with_deep_changes(text, value="\n".join(moved))


def is_needless(program: Program, function: cst.FunctionDef) -> bool:
    """Whether nobody asks for a method that the file no longer calls: other files may, unless this one is a script."""
    owner = class_of_method(program, function)
    name = function.name.value
    named = any(name in string.value for string in program.find(cst.SimpleString))
    inherits = owner is not None and any(program.qualified_name(b.value) != "builtins.object" for b in owner.bases)
    if owner is None or inherits or named or _may_ask_for(program, name):
        return owner is None
    made = program.scope[program.module].lookup(owner.name.value)
    uses = [program.parent.get(seen.node) for seen in made.reads] if made is not None else []
    return name.startswith("_") or any(isinstance(call, cst.Call) for call in uses)


def _may_ask_for(program: Program, name: str) -> bool:
    """Whether the file lists attributes, or looks one up by a text that may be this name."""
    for call in program.calls:
        full = program.qualified_name(call.func)
        if full in _LISTING:
            return True
        if full in _BY_NAME and (len(call.args) < 2 or may_say(program, call.args[1].value, name)):
            return True
    return False


def _own_method(program: Program, call: cst.Call) -> cst.FunctionDef | None:
    """The method that a call means if the objects of its class have no other one by that name."""
    owner = _class_of_object(program, call)
    if owner is None or program.parent[owner] is not program.module or not isinstance(call.func, cst.Attribute):
        return None
    name = call.func.attr.value
    found = [method for method in methods_of(owner) if method.name.value == name]
    if len(found) != 1 or not _can_stand_alone(program, found[0]) or _may_be_another(program, owner, found[0]):
        return None
    return found[0]


def _class_of_object(program: Program, call: cst.Call) -> cst.ClassDef | None:
    """The class whose method is called on the caller's own object, or on one that this class itself has made."""
    caller = program.enclosing_function(call)
    receiver = program.variables.get(call.func.value) if isinstance(call.func, cst.Attribute) else None
    if receiver is None:
        return None
    if caller is not None and class_of_method(program, caller) is not None and _object_of(program, caller) is receiver:
        return class_of_method(program, caller)
    made = program.assigned_value(receiver)
    kind = program.definition(program.variables.get(made.func)) if isinstance(made, cst.Call) else None
    return kind if isinstance(kind, cst.ClassDef) and not decides_what_it_makes(program, kind) else None


def _object_of(program: Program, method: cst.FunctionDef) -> Variable | None:
    """The variable that holds the object of a method, if nothing else is ever bound to it."""
    params = [*method.params.posonly_params, *method.params.params]
    quiet = all(is_no_grad(program, decorator.decorator) for decorator in method.decorators)
    variable = program.variables[params[0].name] if params and params[0].default is None else None
    return variable if variable is not None and quiet and len(variable.writes) == 1 else None


def _can_stand_alone(program: Program, method: cst.FunctionDef) -> bool:
    """Whether the body of a method means the same outside of its class."""
    if _object_of(program, method) is None:
        return False
    names = {node.value for node in walk(method) if isinstance(node, cst.Name)}
    return not names & {"super", "__class__"} and not any(is_private(name) for name in names)


def _may_be_another(program: Program, owner: cst.ClassDef, method: cst.FunctionDef) -> bool:
    """Whether the file has anything else that objects of a class may answer a name with."""
    name = method.name.value
    inherits = any(
        program.definition(variable) is owner
        for other in program.find(cst.ClassDef)
        for _, variable in program.used([base.value for base in other.bases])
    )
    variable = program.scope[owner].variables.get(name)
    bound = variable is None or len(variable.writes) != 1
    looks_up = any(method.name.value == "__getattribute__" for method in methods_of(owner))
    uses = ((node, program.parent.get(node)) for node in program.find(cst.Attribute) if node.attr.value == name)
    handed = any(not isinstance(call, cst.Call) or call.func is not node for node, call in uses)
    named = any(string.raw_value == name for string in program.find(cst.SimpleString))
    named = named or _may_be_set(program, owner)
    return bool(inherits or handed or bound or looks_up or named or owner.decorators or owner.keywords)


def _may_be_set(program: Program, owner: cst.ClassDef) -> bool:
    """Whether anything may set an attribute of an object of a class by a name that is not written out."""
    for call in program.calls:
        name = call.args[1].value if len(call.args) > 1 else None
        by_name = program.qualified_name(call.func) == "builtins.setattr" and not isinstance(name, cst.SimpleString)
        if by_name and _may_be_of(program, call.args[0].value if call.args else None, owner):
            return True
    held = (node.value for node in program.find(cst.Attribute) if node.attr.value == "__dict__")
    return any(_may_be_of(program, node, owner) for node in held)


def _may_be_of(program: Program, node: cst.BaseExpression | None, owner: cst.ClassDef) -> bool:
    """Whether an expression may be an object of a class: not if something else makes it, or it is another's `self`."""
    variable = program.variables.get(node) if isinstance(node, cst.Name) else None
    definition = program.definition(variable)
    method = program.enclosing_function(definition) if isinstance(definition, cst.Param) else None
    around = class_of_method(program, method) if method is not None else None
    if method is not None and around is not None and _object_of(program, method) is variable:
        return around is owner
    made = program.assigned_value(variable)
    if not isinstance(made, cst.Call):
        return True
    if isinstance(made.func, cst.Attribute) and made.func.attr.value == "parse_args":
        return False
    known = program.definition(program.variables.get(made.func))
    return known is owner or not (isinstance(known, cst.ClassDef) or program.qualified_name(made.func) is not None)
