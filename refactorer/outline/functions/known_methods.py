"""Whether a call surely runs one method of the file, which may then be entered and taken out of its class."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import only_looks
from refactorer.analysis.program import Program
from refactorer.analysis.said import may_say
from refactorer.emit.reserved import RESERVED
from refactorer.outline.classes import class_of_method, spellings
from refactorer.outline.functions.other_objects import is_other
from refactorer.outline.functions.out_of_sight import stays_in_sight

_LISTING = ("builtins.dir", "inspect.")
_LOOKING_UP = ("operator.attrgetter", "operator.methodcaller")
_HOLDING = ("__dict__", "__getattribute__", "__getattr__")
_BY_NAME = ("builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.hasattr")


def is_own_method(program: Program, call: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether `self.method()` runs this method of the same class, which nothing out of sight needs."""
    return _is_own(program, call, function) and _may_go(program, function)


def is_known_method(program: Program, call: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether `self.method()` or `agent.method()` runs this method, which nothing out of sight needs."""
    owner = class_of_method(program, function)
    made = owner is not None and _is_made_by(program, call, owner)
    return (made or _is_own(program, call, function)) and _may_go(program, function)


def _may_go(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a class does without a method, as far as its bases and all texts of the file tell."""
    owner, name = class_of_method(program, function), function.name.value
    if owner is None or owner.decorators or owner.keywords or function.decorators:
        return False
    if (name.startswith("__") and name.endswith("__")) or program.variables[function.name].reads:
        return False  # which Python calls by itself, or which the body of the class goes on using
    if any((program.qualified_name(call.func) or "").startswith(_LISTING) for call in program.calls):
        return False
    if any(other.name.value == "__getattribute__" for other in program.find(cst.FunctionDef)):
        return False
    known = _stands_alone(program, owner, name) and not is_asked_by_name(program, function)
    return known and stays_in_sight(program, owner)


def _stands_alone(program: Program, owner: cst.ClassDef, name: str) -> bool:
    """Whether a class inherits from classes that call no method of this name."""
    for base in owner.bases:
        own = program.definition(program.variables.get(base.value))
        full = program.qualified_name(base.value)
        if isinstance(own, cst.ClassDef):
            if not _stands_alone(program, own, name):
                return False
        elif full != "builtins.object" and (full != "torch.nn.Module" or name in RESERVED):
            return False
    return True


def _is_made_by(program: Program, call: cst.Call, owner: cst.ClassDef) -> bool:
    """Whether the object of a call is made by this class itself, in the only assignment to its name."""
    receiver = program.variables.get(call.func.value) if isinstance(call.func, cst.Attribute) else None
    made = program.assigned_value(receiver)
    return isinstance(made, cst.Call) and program.definition(program.variables.get(made.func)) is owner


def _is_own(program: Program, call: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether a method calls one of the same object, and no class of the file has another of its name."""
    owner, caller = class_of_method(program, function), program.enclosing_function(call)
    if owner is None or caller is None or class_of_method(program, caller) is not owner or caller.decorators:
        return False
    first = caller.params.params[0].name if caller.params.params else None
    receiver = program.variables.get(call.func.value) if isinstance(call.func, cst.Attribute) else None
    if receiver is None or first is None or receiver is not program.variables[first]:
        return False
    name = function.name.value
    named = (other for other in program.find(cst.FunctionDef) if other.name.value == name)
    kinds = [scope.node for scope in program.scopes if scope.kind == "class" and name in scope.variables]
    return all(other is function for other in named) and kinds == [owner]


def is_asked_by_name(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a method may be found by a text: that of its name, or one that `getattr` or the like may be given."""
    owner, names = class_of_method(program, function), spellings(program, function)
    if owner is None or _looks_up_otherwise(program, owner, names):
        return True
    for call in program.calls:
        if program.qualified_name(call.func) not in _BY_NAME or len(call.args) < 2:
            continue
        if not any(may_say(program, call.args[1].value, name) for name in names):
            continue
        if not is_other(program, call.args[0].value, owner):
            return True
    return False


def _looks_up_otherwise(program: Program, owner: cst.ClassDef, names: tuple[str, ...]) -> bool:
    """Whether the file says one of some names as a text or a keyword, and can look it up without calls of `getattr`."""
    keywords = {arg.keyword.value for call in program.calls for arg in call.args if arg.keyword is not None}
    texts = {text.raw_value for text in program.find(cst.SimpleString)}
    if not any(name in keywords or name in texts for name in names):
        return False
    for node in (*program.find(cst.Name), *program.find(cst.Attribute)):
        full, call = program.qualified_name(node), program.parent.get(node)
        named = full in _BY_NAME and not (isinstance(call, cst.Call) and call.func is node)
        if named or (full or "").startswith(_LOOKING_UP):
            return True
    held = [node.value for node in program.find(cst.Attribute) if node.attr.value in _HOLDING]
    shown = (call for call in program.calls if program.qualified_name(call.func) == "builtins.vars" and call.args)
    held += [call.args[0].value for call in shown if not only_looks(program, call)]
    return not all(is_other(program, node, owner) for node in held)
