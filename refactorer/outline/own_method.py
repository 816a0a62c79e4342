"""Whether `self.method()` surely runs the method that the class around it defines."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import class_of_method

_BY_NAME = ("builtins.getattr", "builtins.setattr", "builtins.delattr")
_OF_A_CLASS = ("super", "__class__")


def is_own_method(program: Program, call: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether `self.method()` stands in a method of the class that defines it, and nothing may override it."""
    owner = class_of_method(program, function)
    caller = program.enclosing_function(call)
    if caller is None or class_of_method(program, caller) is not owner or function.decorators:
        return False
    receiver = call.func.value  # type: ignore[attr-defined]
    first = caller.params.params[0].name if caller.params.params else None
    same = program.variables.get(receiver) is not None and first is not None and not caller.decorators
    if not same or program.variables[receiver] is not program.variables[first]:  # type: ignore[index]
        return False
    name = function.name.value
    named = {node.name.value: node for node in program.find(cst.FunctionDef) if node is not function}
    return not {name, "__getattribute__"} & named.keys() and not is_asked_by_name(program, name)


def is_asked_by_name(program: Program, name: str) -> bool:
    """Whether a method may be found by a text: that of its name, or any that `getattr` or `setattr` is given."""
    looked = [call.args[1].value for call in program.calls
              if program.qualified_name(call.func) in _BY_NAME and len(call.args) > 1]  # fmt: skip
    texts = [*program.find(cst.SimpleString), *(text for text in looked if not isinstance(text, cst.SimpleString))]
    return any(not isinstance(text, cst.SimpleString) or text.raw_value == name for text in texts)


def names_its_class(program: Program, function: cst.FunctionDef) -> bool:
    """Whether the body of a method means something else outside its class: `super()`, `__class__`."""
    return any(name.value in _OF_A_CLASS for name in program.find(cst.Name, function.body))
