"""Code of the file that may run between the making of an optimizer and the training, and sets what it is made of.

Whoever runs it: `m = Meter()`, a property, `with timer:`, a decorator, a function by another name.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored, only_looks
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.looking import leaves_function
from refactorer.outline.classes import class_of_self
from refactorer.outline.may_run import MayRun
from refactorer.outline.outline import Outline

_STATEMENTS = (
    cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.FunctionDef, cst.ClassDef, cst.With, cst.If, cst.For,
    cst.While,
)  # fmt: skip
_SETTERS = ("builtins.setattr", "builtins.delattr")
_ANYTHING = ("builtins.exec", "builtins.eval", "builtins.globals")
_MODULES = (
    "__main__", "sys.modules", "sys._getframe", "inspect.currentframe", "inspect.stack", "gc.get_objects",
    "gc.get_referrers",
)  # fmt: skip
_SETTING_METHODS = ("__setattr__", "__delattr__")


def lines_between(outline: Outline, line: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What runs directly between a line and the training; of functions that are defined there, their headers."""
    program, loop = outline.program, outline.site.epoch_loop
    around = program.enclosing_function(loop)
    for part in program.find(_STATEMENTS):
        between = program.last[line] < program.order[part] < program.order[loop]
        if between and program.enclosing_function(part) is around and not leaves_function(outline, part):
            yield from _at_once(part)
    if isinstance(loop, cst.For):
        yield loop.iter


def _at_once(part: cst.CSTNode) -> list[cst.CSTNode]:
    """What a statement runs by itself, without the statements inside."""
    if isinstance(part, cst.FunctionDef):
        return [*part.decorators, part.params]
    if isinstance(part, cst.ClassDef):
        return [*part.decorators, *part.bases, *part.keywords]
    if isinstance(part, cst.With):
        return list(part.items)
    if isinstance(part, cst.For):
        return [part.target, part.iter]
    return [part.test] if isinstance(part, (cst.If, cst.While)) else [part]


def sets_meanwhile(outline: Outline, line: cst.CSTNode, watched: set[Variable], stored: set[str]) -> bool:
    """Whether code between `line` and the training may set one of some attributes, or name something watched elsewhere.

    `watched` are names for the models; the lines themselves are looked at elsewhere for them.
    """
    program = outline.program
    lines = list(lines_between(outline, line))
    running = MayRun(program, lines, later=(outline.site.epoch_loop, *outline.consumed))
    for node, variable in outline.uses(*running.bodies):
        if variable in watched and not isinstance(program.parent.get(node), (cst.Comparison, cst.ComparisonTarget)):
            return True
    if any(_names_everything(program, node) for node in walk(*lines, *running.bodies, *running.values)):
        return True
    return any(_sets(program, node, stored) for node in walk(*lines, *running.bodies))


def _names_everything(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is the dictionary of all variables, their module, or leads to all objects."""
    if isinstance(node, cst.Call):
        return program.qualified_name(node.func) == "builtins.globals" and not only_looks(program, node)
    if not isinstance(node, (cst.Name, cst.Attribute)) or (
        isinstance(node, cst.Name) and node not in program.variables
    ):
        return False
    return program.qualified_name(node) in _MODULES


def _sets(program: Program, node: cst.CSTNode, stored: set[str]) -> bool:
    """Whether a node sets an attribute of one of some names, or may set any."""
    if isinstance(node, cst.Attribute):
        return _sets_attribute(program, node, stored)
    if isinstance(node, cst.Name):
        return node in program.variables and _is_handed_setter(program, node)
    if not isinstance(node, cst.Call):
        return False
    name = program.qualified_name(node.func)
    if name in _SETTERS:
        return not _is_new(program, node.args[0].value) and _may_mean(node.args[1:2], stored)
    if name == "builtins.vars" and node.args:
        return not only_looks(program, node)
    return name in _ANYTHING[:2]


def _sets_attribute(program: Program, node: cst.Attribute, stored: set[str]) -> bool:
    name, own = node.attr.value, _is_new(program, node.value)
    if name == "__dict__":
        return is_stored(program, node) or not (own or only_looks(program, node))
    if name in _SETTING_METHODS:
        call = program.parent.get(node)
        return not isinstance(call, cst.Call) or _may_mean(call.args, stored)
    return name in stored and not own and is_stored(program, node)


def _may_mean(args: object, stored: set[str]) -> bool:
    """Whether one of some arguments may be one of some names, and none surely is another."""
    texts = [arg.value for arg in args if isinstance(arg.value, cst.SimpleString)]  # type: ignore[attr-defined]
    return not texts or any(text.raw_value in stored for text in texts)


def _is_handed_setter(program: Program, node: cst.Name) -> bool:
    """Whether a function that can set everything is more than called."""
    call = program.parent.get(node)
    called = isinstance(call, cst.Call) and call.func is node
    return not called and program.qualified_name(node) in (*_SETTERS, *_ANYTHING)


def _is_new(program: Program, node: cst.BaseExpression) -> bool:
    """Whether an expression is the object that a constructor is making."""
    function = program.enclosing_function(node)
    own = class_of_self(program, program.variables.get(node)) is not None
    return own and function is not None and function.name.value == "__init__"
