"""The start of an epoch and of an evaluation: Lightning has already begun to iterate when these hooks run.

An iterator that begins draws a seed, and starts the workers. So the hooks may only do what no loader can notice:
count, print, switch the mode.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import children
from refactorer.idioms.shapes import only_call
from refactorer.lightning.data import has_workers, is_asked_early, mentions_loader
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found
from refactorer.outline.classes import methods_of
from refactorer.outline.objects.held import held_by
from refactorer.outline.objects.optimizers import is_module_class
from refactorer.outline.outline import EPOCH_START, VALIDATION_START

_BUILTINS = """
print len int float str round bool min max sum abs format range repr list tuple dict set
"""
_CALLS = {f"builtins.{name}" for name in _BUILTINS.split()}
_MODULES = (
    "torch.zeros", "torch.ones", "torch.tensor", "math.", "time.time", "time.perf_counter", "time.monotonic",
    "datetime.", "collections.",
)  # fmt: skip
_METHODS = {
    "train", "eval", "format", "item", "append", "join", "get_last_lr", "items", "keys", "values", "zero_grad", "clear",
    "rjust", "ljust", "upper", "lower", "detach", "cpu", "tolist", "strftime",
}  # fmt: skip
_STATEMENTS = (
    cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.IndentedBlock, cst.If, cst.Else, cst.Expr, cst.Assign,
    cst.AssignTarget, cst.AnnAssign, cst.Annotation, cst.AugAssign, cst.BaseAugOp, cst.Pass, cst.For, cst.Global,
    cst.NameItem, cst.Return,
)  # fmt: skip
_EXPRESSIONS = (
    cst.Name, cst.BaseNumber, cst.BaseString, cst.FormattedStringExpression, cst.BaseFormattedStringContent,
    cst.Attribute, cst.BinaryOperation, cst.BaseBinaryOp, cst.BooleanOperation, cst.BaseBooleanOp, cst.UnaryOperation,
    cst.BaseUnaryOp, cst.Comparison, cst.ComparisonTarget, cst.BaseCompOp, cst.Subscript, cst.SubscriptElement,
    cst.Index, cst.Slice, cst.Tuple, cst.List, cst.Dict, cst.Element, cst.DictElement, cst.IfExp, cst.Arg, cst.Call,
)  # fmt: skip
_Functions = frozenset[cst.FunctionDef]


def find_epoch_start(plan: Plan) -> Found | None:
    """What at the start of an epoch a loader may notice."""
    return _find(plan, EPOCH_START, "an epoch") if is_asked_early(plan) else None


def find_evaluation_start(plan: Plan) -> Found | None:
    """What at the start of an evaluation its loader may notice."""
    return _find(plan, VALIDATION_START, "an evaluation") if plan.outline.evaluation is not None else None


def _find(plan: Plan, hook: str, what: str) -> Found | None:
    lines = plan.lines(hook)
    if lines and has_workers(plan) and plan.program.find(cst.Global):
        return Found(lines[0], f"a global variable may be set at the start of {what}, which workers may see")
    for line in lines:
        if _switches_network(plan, line):
            continue
        loud = _loud(plan.program, line, frozenset())
        if loud is not None:
            return Found(loud, f"more than counting and printing is done at the start of {what}")
        if _stores(line) and mentions_loader(plan, [line]):
            return Found(line, f"a loader is used at the start of {what}")
    return None


def _switches_network(plan: Plan, line: cst.CSTNode) -> bool:
    """Whether a line switches the mode of a network that an object holds: `self.model.train()`."""
    call = only_call(line)
    func = call.func if call is not None and not call.args else None
    if not isinstance(func, cst.Attribute) or func.attr.value not in ("train", "eval"):
        return False
    modules = [made for made in plan.program.find(cst.ClassDef) if is_module_class(plan.program, made)]
    own = any(_methods(made, func.attr.value) for made in modules)
    return not own and held_by(plan.outline, func.value) in plan.homes.networks


def _stores(line: cst.CSTNode) -> bool:
    return isinstance(line, (cst.Attribute, cst.Subscript)) or any(
        isinstance(node, (cst.AssignTarget, cst.AugAssign)) and not isinstance(node.target, (cst.Name, cst.Tuple))
        for node in children(line)
    )


def _loud(program: Program, node: cst.CSTNode, seen: _Functions) -> cst.CSTNode | None:
    """The first part of some code that is not on the list of what no loader can notice."""
    if not isinstance(node, (*_STATEMENTS, *_EXPRESSIONS)):
        return node
    if isinstance(node, cst.Call) and not _is_quiet_call(program, node, seen):
        return node
    if isinstance(node, (cst.AssignTarget, cst.AugAssign)) and not _is_own_place(node.target):
        return node
    for child in children(node):
        found = _loud(program, child, seen)
        if found is not None:
            return found
    return None


def _is_own_place(target: cst.CSTNode) -> bool:
    """A name, an attribute of an object's `self`, an element with a key that is written out (`group["lr"]`)."""
    if isinstance(target, (cst.Tuple, cst.List)):
        return all(_is_own_place(element.value) for element in target.elements)
    if isinstance(target, cst.Attribute):
        return isinstance(target.value, cst.Name) and target.value.value == "self"
    if isinstance(target, cst.Subscript):
        index = target.slice[0].slice
        return isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString)
    return isinstance(target, cst.Name)


def _is_quiet_call(program: Program, call: cst.Call, seen: _Functions) -> bool:
    name = program.qualified_name(call.func) or ""
    if call not in program.order:
        return True  # the number of the epoch, which the conversion works out
    if name in _CALLS or name.startswith(_MODULES):
        return True
    made = program.definition(program.variables.get(call.func))
    if isinstance(made, cst.ClassDef):
        return not made.bases and _are_quiet(program, _methods(made, "__init__"), seen)
    function = program.function(call.func)
    if function is not None:
        return _are_quiet(program, [function], seen)
    if not isinstance(call.func, cst.Attribute) or name:
        return False
    method = call.func.attr.value
    own = [found for kept in program.find(cst.ClassDef) for found in _methods(kept, method)]
    return _are_quiet(program, own, seen) if own else method in _METHODS


def _methods(made: cst.ClassDef, name: str) -> list[cst.FunctionDef]:
    return [method for method in methods_of(made) if method.name.value == name]


def _are_quiet(program: Program, functions: list[cst.FunctionDef], seen: _Functions) -> bool:
    """Whether functions of the file do only what no loader can notice; one that calls itself adds nothing."""
    for function in functions:
        lines = function.body.body
        if function in seen:
            continue
        if function.decorators or any(_loud(program, line, seen | {function}) is not None for line in lines):
            return False
    return True
