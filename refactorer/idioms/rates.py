"""Functions that a scheduler asks for learning rates: when it is made, and at each of its steps.

They may be asked at another moment if they only compute a number, of their argument and of variables that are the same.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.idioms.shared_settings import computes

Function = cst.Lambda | cst.FunctionDef

_KEYWORDS = ("lr_lambda", "scale_fn")
_SECOND = ("LambdaLR", "MultiplicativeLR")
_BUILTINS = {f"builtins.{name}" for name in ("abs", "float", "int", "len", "max", "min", "pow", "round", "sum")}
_NUMPY = {f"numpy.{name}" for name in ("ceil", "clip", "cos", "exp", "floor", "log", "power", "sqrt")}
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


def only_computes(program: Program, function: Function) -> bool:
    """Whether a function does no more than to compute a number."""
    if isinstance(function, cst.FunctionDef) and (function.decorators or function.asynchronous is not None):
        return False
    parameters = function.params
    every = (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
    if any(param.default is not None for param in every):
        return False
    lines = function.body.body if isinstance(function.body, cst.BaseSuite) else [function.body]
    return all(_computes(program, part) for part in walk(*lines))


def is_of_library(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression is a constant or a function of `math`, or a function of NumPy that computes a number."""
    name = program.qualified_name(node) or ""
    return name.startswith("math.") or name in _NUMPY


def _computes(program: Program, part: cst.CSTNode) -> bool:
    if isinstance(part, cst.Call):
        return program.qualified_name(part.func) in _BUILTINS or is_of_library(program, part.func)
    if isinstance(part, cst.Attribute) and computes(program, part.attr.value):
        return False
    if isinstance(part, (cst.AssignTarget, cst.AugAssign)) and not isinstance(part.target, cst.Name):
        return False
    return isinstance(part, _PARTS)
