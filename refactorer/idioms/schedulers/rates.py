"""Functions that a scheduler asks for learning rates: when it is made, and at each of its steps.

They may be asked at another moment if they only compute a number, of their argument and of variables that are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.functions.arguments import every_parameter
from refactorer.outline.objects.torch_names import names_scheduler
from refactorer.outline.worked_out import computes, only_looks_up

Function = cst.Lambda | cst.FunctionDef

_KEYWORDS = ("lr_lambda", "scale_fn")
_SECOND = ("LambdaLR", "MultiplicativeLR")
_BUILTINS = {f"builtins.{name}" for name in ("abs", "float", "int", "len", "max", "min", "pow", "round", "sum")}
_NUMPY = {f"numpy.{name}" for name in ("ceil", "clip", "cos", "exp", "floor", "log", "power", "sqrt")}
_ARITHMETIC = "add sub mul truediv floordiv mod pow"
_COMPARING = "eq ne lt le gt ge neg pos abs round bool int float index len"
_OPERATORS = {f"__{side}{name}__" for name in _ARITHMETIC.split() for side in ("", "r")} | {
    f"__{name}__" for name in _COMPARING.split()
}
_PARTS = (
    cst.Name, cst.Attribute, cst.BaseNumber, cst.BinaryOperation, cst.BaseBinaryOp, cst.BooleanOperation,
    cst.BaseBooleanOp, cst.UnaryOperation, cst.BaseUnaryOp, cst.Comparison, cst.ComparisonTarget, cst.BaseCompOp,
    cst.IfExp, cst.Arg, cst.Call, cst.Tuple, cst.List, cst.Element, cst.SimpleStatementLine, cst.SimpleStatementSuite,
    cst.IndentedBlock, cst.If, cst.Else, cst.Return, cst.Assign, cst.AssignTarget, cst.AugAssign, cst.BaseAugOp,
    cst.SimpleWhitespace,
)  # fmt: skip


def is_for_rates(program: Program, made: cst.Call, arg: cst.Arg) -> bool:
    """Whether an argument of a call is the function, or the list of functions, that a scheduler asks."""
    if arg.keyword is not None:
        return arg.keyword.value in _KEYWORDS
    second = (program.qualified_name(made.func) or "").rsplit(".", 1)[-1] in _SECOND
    return second and made.args.index(arg) == 1


def functions_asked(program: Program, made: cst.Call) -> list[Function | None]:
    """The functions that a scheduler is given for its rates; None for each that is out of sight."""
    values: list[cst.BaseExpression] = []
    for arg in made.args:
        if is_for_rates(program, made, arg):
            several = isinstance(arg.value, (cst.List, cst.Tuple))
            values += [part.value for part in arg.value.elements] if several else [arg.value]  # type: ignore[attr-defined]
    return [function_of(program, value) for value in values]


def function_of(program: Program, value: cst.CSTNode) -> Function | None:
    """The function that an expression surely is: a lambda, or the only one of that name."""
    if isinstance(value, cst.Lambda):
        return value
    variable = program.variables.get(value)
    found = program.definition(variable)
    if not isinstance(found, cst.FunctionDef):
        found = program.assigned_value(variable)
    return found if isinstance(found, (cst.Lambda, cst.FunctionDef)) else None


def functions_called(program: Program, scheduler: Variable) -> list[Function | None]:
    """All functions of the script that a step of a scheduler may call; None for each that is out of sight."""
    found: list[Function | None] = []
    for node in walk(*_makings(program, scheduler, frozenset())):
        function = function_of(program, node)
        found += [function] if function is not None else []
        found += functions_asked(program, node) if isinstance(node, cst.Call) else []
    attributes = (program.parent.get(seen.node) for seen in scheduler.occurrences)
    found += [None for part in attributes if isinstance(part, cst.Attribute) and is_stored(program, part)]
    return list(dict.fromkeys(found))


def _makings(program: Program, scheduler: Variable, seen: frozenset[Variable]) -> Iterator[cst.CSTNode]:
    """The statements that make a scheduler, and those that make the schedulers that it is handed."""
    for write in scheduler.writes:
        line = program.statement(write.node)
        yield line
        handed = {variable for _, variable in program.used([line])} - seen - {scheduler}
        for variable in handed:
            value = program.assigned_value(variable)
            made = isinstance(value, cst.Call) and names_scheduler(program.qualified_name(value.func))
            if made or isinstance(value, (cst.List, cst.Tuple)):
                yield from _makings(program, variable, seen | {scheduler})


def with_called(program: Program, function: Function) -> list[Function]:
    """A function, and those of the script that it calls, that these call, and so on."""
    found = [function]
    for one in found:
        inner = (function_of(program, call.func) for call in walk(one.body) if isinstance(call, cst.Call))
        found += [called for called in dict.fromkeys(inner) if called is not None and called not in found]
    return found


def only_computes(program: Program, function: Function) -> bool:
    """Whether a function, with those that it calls, does no more than to compute a number."""
    own = (one for one in program.find(cst.FunctionDef) if one.name.value in _OPERATORS)
    if not all(only_looks_up(program, operator) for operator in own):
        return False
    return all(_only_computes(program, one) for one in with_called(program, function))


def _only_computes(program: Program, function: Function) -> bool:
    if isinstance(function, cst.FunctionDef) and (function.decorators or function.asynchronous is not None):
        return False
    defaults = [parameter.default for parameter in every_parameter(function.params)]
    if any(default is not None and not isinstance(default, cst.BaseNumber) for default in defaults):
        return False
    lines = function.body.body if isinstance(function.body, cst.BaseSuite) else [function.body]
    return all(_computes(program, part) for part in walk(*lines))


def is_of_library(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression is a constant or a function of `math`, or a function of NumPy that computes a number."""
    name = program.qualified_name(node) or ""
    return name.startswith("math.") or name in _NUMPY


def _computes(program: Program, part: cst.CSTNode) -> bool:
    if isinstance(part, cst.Call):
        known = program.qualified_name(part.func) in _BUILTINS or is_of_library(program, part.func)
        return known or function_of(program, part.func) is not None
    if isinstance(part, cst.Attribute) and computes(program, part.attr.value):
        return False
    if isinstance(part, (cst.AssignTarget, cst.AugAssign)) and not isinstance(part.target, cst.Name):
        return False
    return isinstance(part, _PARTS)
