"""Code of the script that a step of a scheduler runs: functions like those that a `LambdaLR` is given.

Lines may change places with the step if the functions only work out a number, of values that the lines leave alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.plain import is_plain
from refactorer.outline.outline import Outline

Function = cst.FunctionDef | cst.Lambda
_BUILTINS = "abs bool float int len list max min pow range round sum tuple"
_NUMBERS = {f"builtins.{name}" for name in _BUILTINS.split()}
_LIBRARIES = ("math.", "numpy.")
_ASKING = ("LambdaLR", "MultiplicativeLR")
_DOING = (
    cst.Global, cst.Nonlocal, cst.Del, cst.Raise, cst.Assert, cst.Import, cst.ImportFrom, cst.Yield, cst.Await,
    cst.With, cst.Try, cst.ClassDef,
)  # fmt: skip


def may_meet(outline: Outline, scheduler: Variable, lines: Sequence[cst.CSTNode]) -> bool:
    """Whether a step of a scheduler and some lines may notice which of them comes first."""
    program = outline.program
    makers = [program.statement(seen.node) for seen in scheduler.writes]
    functions = [found for node in walk(*makers) if (found := _function(program, node)) is not None]
    if any(_asks_something_else(outline, node) for node in walk(*makers)):
        return True
    if not all(_only_computes(program, function, ()) for function in functions):
        return True
    read = {variable for function in functions for variable in _read_by(outline, function, ())}
    return any(variable in read and _may_change(outline, node) for node, variable in outline.uses(*lines))


def _asks_something_else(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a scheduler is given an object to call that may be more than a function."""
    program = outline.program
    if not isinstance(node, cst.Call) or not (program.qualified_name(node.func) or "").endswith(_ASKING):
        return False
    given = [(name, used) for name, used in outline.uses(*node.args[1:]) if _function(program, name) is None]
    return any(isinstance(program.definition(used), cst.ClassDef) or not is_plain(outline, used) for _, used in given)


def _function(program: Program, node: cst.CSTNode) -> Function | None:
    """A `lambda`, or the function of the file that a name means."""
    if isinstance(node, cst.Lambda):
        return node
    value = program.assigned_value(program.variables.get(node)) if isinstance(node, cst.Name) else None
    return value if isinstance(value, cst.Lambda) else program.function(node)


def _only_computes(program: Program, function: Function, around: tuple[Function, ...]) -> bool:
    """Whether a function changes, draws and prints nothing; one that calls itself adds nothing."""
    return function in around or not any(_does(program, node, (*around, function)) for node in walk(function.body))


def _does(program: Program, node: cst.CSTNode, around: tuple[Function, ...]) -> bool:
    if isinstance(node, cst.Call):
        function = _function(program, node.func)
        if function is not None:
            return not _only_computes(program, function, around)
        name = program.qualified_name(node.func) or ""
        return name not in _NUMBERS and (not name.startswith(_LIBRARIES) or name.startswith("numpy.random."))
    if isinstance(node, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)):
        return not names_in(node.target)
    return isinstance(node, _DOING)


def _read_by(outline: Outline, function: Function, around: tuple[Function, ...]) -> set[Variable]:
    """The variables that a function and those it calls mention."""
    found = {variable for _, variable in outline.uses(function.body)}
    for node in walk(function.body):
        called = _function(outline.program, node)
        if called is not None and called not in around:
            found |= _read_by(outline, called, (*around, function))
    return found


def _may_change(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name is bound here, or what it means may be changed: not by `print(args.lr)`."""
    program = outline.program
    part, parent = node, program.parent.get(node)
    while isinstance(parent, (cst.Attribute, cst.Subscript)) and parent.value is part:
        part, parent = parent, program.parent.get(parent)
    if isinstance(parent, cst.Arg):
        call = program.parent.get(parent)
        return not (isinstance(call, cst.Call) and (program.qualified_name(call.func) or "").startswith("builtins."))
    if isinstance(parent, cst.Call):
        return part is not node
    return program.access(node) != "read" or isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign))
