"""Whether code may set attributes of some names, of whatever object, or variables by way of their module.

What a constructor sets of the object that it makes does not count: nobody had that object before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import libcst as cst

from refactorer.analysis.parsed_arguments import fills_settings, is_stored, only_looks
from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_self
from refactorer.outline.may_run import MayRun

_SETTERS = ("builtins.setattr", "builtins.delattr")
_RUNNING = ("builtins.exec", "builtins.eval")
_ANYTHING = (*_SETTERS, *_RUNNING, "builtins.globals")
_MODULES = (
    "__main__", "sys.modules", "sys._getframe", "inspect.currentframe", "inspect.stack", "gc.get_objects",
    "gc.get_referrers",
)  # fmt: skip
_IMPORTING = ("importlib.import_module", "builtins.__import__")
_FILLING = ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__", "__ior__")
_DICTIONARIES = ("__globals__", "f_globals")
_SETTING_METHODS = ("__setattr__", "__delattr__")


def may_set(running: MayRun, stored: set[str]) -> bool:
    """Whether some lines, or what may run with them, may set an attribute of one of some names or all variables."""
    program, run = running.program, (*running.lines, *running.bodies)
    return may_set_variables(running) or any(_sets(program, node, stored) for node in walk(*run))


def may_set_variables(running: MayRun) -> bool:
    """Whether some lines, or what may run with them, may set variables of the file without naming them."""
    parts = (*running.lines, *running.bodies, *running.values)
    return any(_names_everything(running.program, node) for node in walk(*parts))


def may_bind(running: MayRun, names: set[str]) -> bool:
    """Whether some lines, or what may run with them, may bind variables of some names without naming them."""
    program, parts = running.program, [*walk(*running.lines, *running.bodies, *running.values)]
    if not any(_names_everything(program, node) for node in parts):
        return False
    return any(_stores(program, node, names) or _gives_everything(program, node) for node in parts)


def _stores(program: Program, node: cst.CSTNode, names: set[str]) -> bool:
    """Whether a node sets an attribute or an item of one of some names, or one whose name is not known."""
    if isinstance(node, cst.Attribute):
        return node.attr.value in names and is_stored(program, node)
    if isinstance(node, cst.Subscript):
        texts = [part.value for part in walk(*node.slice) if isinstance(part, cst.SimpleString)]
        return is_stored(program, node) and (not texts or any(text.strip("\"'") in names for text in texts))
    if not isinstance(node, cst.Call):
        return isinstance(node, cst.AugAssign) and isinstance(node.operator, cst.BitOrAssign)
    if program.qualified_name(node.func) in _SETTERS:
        return _may_mean(node.args[1:2], names)
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _FILLING:
        keywords = [arg.keyword.value for arg in node.args if arg.keyword is not None]
        return len(keywords) < len(node.args) or not names.isdisjoint(keywords)
    return program.qualified_name(node.func) in _RUNNING


def _gives_everything(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node hands what has all variables to code of another file."""
    call = program.parent.get(program.parent[node]) if isinstance(program.parent.get(node), cst.Arg) else None
    if not isinstance(call, cst.Call) or program.function(call.func) is not None:
        return False
    variable = program.variables.get(node)
    bound = [program.bound_to(seen.node) for seen in variable.writes] if variable is not None else []
    held = any(_names_everything(program, part) for value in bound if value is not None for part in walk(value))
    known = (program.qualified_name(call.func) or "").startswith(("builtins.", *_IMPORTING))
    return not known and (held or any(_names_everything(program, part) for part in walk(node)))


@lru_cache(maxsize=4)
def sets_variables_unseen(program: Program) -> bool:
    """Whether any code of the file may bind variables of the file without naming them."""
    nodes = program.find((cst.Call, cst.Attribute, cst.Name))
    running = any(program.qualified_name(call.func) in _RUNNING for call in program.calls)
    return running or any(_names_everything(program, node) for node in nodes)


def _names_everything(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is the dictionary of all variables, their module, or leads to all objects."""
    if isinstance(node, cst.Call):
        name = program.qualified_name(node.func)
        if name in _IMPORTING:
            return any(_is_own_name(arg.value) for arg in node.args)
        return name == "builtins.globals" and not only_looks(program, node)
    if isinstance(node, cst.Attribute) and node.attr.value in _DICTIONARIES:
        return not only_looks(program, node)
    asked = isinstance(program.parent.get(node), cst.ComparisonTarget)  # `if "matplotlib" in sys.modules:`
    return isinstance(node, (cst.Name, cst.Attribute)) and not asked and program.qualified_name(node) in _MODULES


def _is_own_name(value: cst.BaseExpression) -> bool:
    """Whether an expression is the name of the module of the file."""
    if isinstance(value, cst.SimpleString):
        return value.raw_value == "__main__"
    return isinstance(value, cst.Name) and value.value == "__name__"


def _sets(program: Program, node: cst.CSTNode, stored: set[str]) -> bool:
    """Whether a node sets an attribute of one of some names, or may set any."""
    if isinstance(node, cst.Attribute):
        return _sets_attribute(program, node, stored)
    if isinstance(node, cst.Name):
        return node in program.variables and _is_handed_setter(program, node)
    if not isinstance(node, cst.Call):
        return False
    if fills_settings(node):
        return True
    name = program.qualified_name(node.func)
    if name in _SETTERS:
        return not _is_new(program, node.args[0].value) and _may_mean(node.args[1:2], stored)
    if name == "builtins.vars" and node.args:
        return not only_looks(program, node)
    return name in _RUNNING


def _sets_attribute(program: Program, node: cst.Attribute, stored: set[str]) -> bool:
    name, own = node.attr.value, _is_new(program, node.value)
    if name == "__dict__":
        return is_stored(program, node) or not (own or only_looks(program, node))
    if name in _SETTING_METHODS:
        call = program.parent.get(node)
        return not isinstance(call, cst.Call) or _may_mean(call.args, stored)
    return name in stored and not own and is_stored(program, node)


def _may_mean(args: Sequence[cst.Arg], stored: set[str]) -> bool:
    """Whether one of some arguments may be one of some names, and none surely is another."""
    texts = [arg.value for arg in args if isinstance(arg.value, cst.SimpleString)]
    return not texts or any(text.raw_value in stored for text in texts)


def _is_handed_setter(program: Program, node: cst.Name) -> bool:
    """Whether a function that can set everything is more than called."""
    call = program.parent.get(node)
    called = isinstance(call, cst.Call) and call.func is node
    return not called and program.qualified_name(node) in _ANYTHING


def _is_new(program: Program, node: cst.BaseExpression) -> bool:
    """Whether an expression is the object that a constructor is making."""
    function = program.enclosing_function(node)
    own = class_of_self(program, program.variables.get(node)) is not None
    return own and function is not None and function.name.value == "__init__"
