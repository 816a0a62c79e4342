"""Lines beside an evaluation that do the same with gradients as without, whatever their names stand for.

total = 0                       a plain value
losses = AverageMeter()         counters, made of nothing but plain values
if args.rank == 0:              an answer is yes or no
logger.info(f'{total:.3f}')     what a logger is told is a text already
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.known.looking import is_own_method
from refactorer.outline.objects.optimizers import is_module_class
from refactorer.outline.outline import Outline
from refactorer.outline.places.plain_starts import is_plain

_COUNTERS = ("collections.defaultdict", "collections.OrderedDict", "collections.Counter")
_MODES = ("grad", "inference")
_COMPARING = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__", "__bool__")
_TELLING = ("info", "debug", "warning")
_ASKING = (
    cst.Attribute, cst.Subscript, cst.SubscriptElement, cst.Index, cst.Comparison, cst.ComparisonTarget,
    cst.BooleanOperation, cst.UnaryOperation, cst.BinaryOperation,
)  # fmt: skip


def starts_anew(outline: Outline, line: cst.CSTNode) -> bool:
    """Whether a line only binds names to plain values, or to new counters."""
    parts = line.body if isinstance(line, cst.SimpleStatementLine) else ()
    return bool(parts) and all(
        isinstance(part, cst.Assign)
        and all(names_in(target.target) and _binds_names(target.target) for target in part.targets)
        and (is_plain(part.value) or _is_counter(outline, part.value))
        for part in parts
    )


def is_only_asked(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name only occurs in a condition without calls: `if i % args.print_freq == 0:`."""
    parent = outline.program.parent
    inner, outer = node, parent.get(node)
    while isinstance(outer, _ASKING):
        inner, outer = outer, parent.get(outer)
    if not isinstance(outer, (cst.If, cst.IfExp)) or outer.test is not inner:
        return False
    if compares_itself(outline):
        return False
    return not any(isinstance(part, (cst.Call, cst.NamedExpr)) for part in walk(outer.test))


def compares_itself(outline: Outline) -> bool:
    """Whether a class of the file says what comparisons and conditions make of its objects."""
    return any(is_own_method(outline, name) for name in _COMPARING)


def is_only_told(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name only stands for what is told a text: `logger.info(...)`."""
    method = outline.program.parent.get(node)
    call = outline.program.parent.get(method) if isinstance(method, cst.Attribute) else None
    if not isinstance(call, cst.Call) or call.func is not method or not isinstance(method, cst.Attribute):
        return False
    told = method.value is node and method.attr.value in _TELLING and not is_own_method(outline, method.attr.value)
    return told and all(_is_text(arg.value) for arg in call.args)


def _is_text(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        return node.func.attr.value == "format" and isinstance(node.func.value, cst.BaseString)
    formatted = isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Modulo)
    return isinstance(node, cst.BaseString) or (formatted and isinstance(node.left, cst.BaseString))  # type: ignore[attr-defined]


def _binds_names(target: cst.BaseExpression) -> bool:
    elements = [element.value for element in target.elements] if isinstance(target, cst.Tuple) else [target]
    return all(isinstance(element, cst.Name) for element in elements)


def _is_counter(outline: Outline, value: cst.BaseExpression) -> bool:
    """Whether a value is a new object of a class that counts: one of Python's, or a meter."""
    program = outline.program
    if not isinstance(value, cst.Call) or not all(not arg.star and _is_start(outline, arg.value) for arg in value.args):
        return False
    name = program.qualified_name(value.func)
    if name is not None:
        return name in _COUNTERS or (name.endswith("Meter") and not name.startswith("torch."))
    own = program.definition(program.variables.get(value.func))
    if not isinstance(own, cst.ClassDef) or own.bases or own.decorators or is_module_class(program, own):
        return False
    written = [seen for _, used in program.used([own.body]) for seen in used.writes]
    known = all(program.imports.get(seen.node) is not None or _is_in(program, own, seen) for seen in written)
    return known and not any(word in cst.Module([]).code_for_node(own) for word in _MODES)


def _is_in(program: Program, own: cst.ClassDef, seen: Occurrence) -> bool:
    return seen.node in program.order and program.contains(own, seen.node)


def _is_start(outline: Outline, node: cst.BaseExpression) -> bool:
    """Whether an argument is a plain value, or a type as in `defaultdict(float)`."""
    return is_plain(node) or (outline.program.qualified_name(node) or "").startswith("builtins.")
