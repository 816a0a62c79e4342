"""Whether it matters how often, or where, an expression is evaluated that only a progress bar needs."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk

_FUNCTIONS = {f"builtins.{name}" for name in ("len", "int", "str", "float", "min", "max", "round", "range")} | {
    f"{module}.{name}" for module in ("math", "numpy") for name in ("ceil", "floor")
}
ITERATORS = {"builtins.enumerate", "builtins.zip", "builtins.range"}
_CLOCKS = ("time.time", "time.perf_counter", "time.monotonic")
_PARTS = (
    cst.Name, cst.Attribute, cst.BaseNumber, cst.BaseString, cst.BaseFormattedStringContent, cst.BinaryOperation,
    cst.BaseBinaryOp, cst.BooleanOperation, cst.BaseBooleanOp, cst.UnaryOperation, cst.BaseUnaryOp, cst.Comparison,
    cst.ComparisonTarget, cst.BaseCompOp, cst.Subscript, cst.SubscriptElement, cst.Index, cst.Tuple, cst.List, cst.Dict,
    cst.Element, cst.DictElement, cst.IfExp, cst.Arg, cst.Call,
)  # fmt: skip
_SWITCHES = ("train", "eval", "zero_grad")


def is_simple(program: Program, node: cst.CSTNode, makes: bool = False) -> bool:
    """Whether an expression only reads names, numbers and texts; `makes` allows `enumerate` and `zip` too."""
    for part in (node, *walk(node)):
        if not isinstance(part, _PARTS):
            return False
        if isinstance(part, cst.Call):
            name = program.qualified_name(part.func)
            formats = isinstance(part.func, cst.Attribute) and part.func.attr.value == "format"
            if name not in _FUNCTIONS and not formats and not (makes and name in ITERATORS):
                return False
    return True


def is_place(node: cst.BaseExpression) -> bool:
    """A name, or an attribute or item of one."""
    while True:
        if isinstance(node, cst.Attribute):
            node = node.value
        elif isinstance(node, cst.Subscript) and len(node.slice) == 1:
            index = node.slice[0].slice
            if not isinstance(index, cst.Index) or not isinstance(index.value, (cst.SimpleString, cst.Integer)):
                return False
            node = node.value
        else:
            return isinstance(node, cst.Name)


def is_quiet(program: Program, line: cst.CSTNode) -> bool:
    """Whether a line binds names to plain values or the time, or switches the mode of a module, and no more."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if isinstance(small, cst.Assign):
        clock = isinstance(small.value, cst.Call) and program.qualified_name(small.value.func) in _CLOCKS
        plain = (clock and not small.value.args) or is_simple(program, small.value)  # type: ignore[attr-defined]
        return plain and all(isinstance(t.target, cst.Name) for t in small.targets)
    if isinstance(small, cst.AnnAssign):
        return isinstance(small.target, cst.Name) and (small.value is None or is_simple(program, small.value))
    call = small.value if isinstance(small, cst.Expr) else None
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return False
    return call.func.attr.value in _SWITCHES and all(is_simple(program, arg.value) for arg in call.args)
