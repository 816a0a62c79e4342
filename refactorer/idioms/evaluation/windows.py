"""Evaluations that fetch their batches by themselves: their loops go through the places where these begin.

    for i in range(0, data.size(0) - 1, bptt):        for i in range(len(data)):
        x, y = get_batch(data, i)                         x, y = data[i]

The Trainer iterates over the range, and the step fetches. The range is made in front of the code that stands in front
of the loop, so that code may not change what the range is made of: by a name, a method, or from out of sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method
from refactorer.outline.functions.arguments import matched
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import only_looks_up

CHANGED = "its windows may change right in front of it"
_SIZES = ("size", "shape", "dim", "numel", "nelement")
_MODES = ("train", "eval")
_NUMBERS = ("len", "min", "max", "int", "float", "print", "range", "round", "abs")
_BUILTINS = tuple(f"builtins.{name}" for name in _NUMBERS)
_KNOWN = (*_BUILTINS, "builtins.list", "builtins.dict", "builtins.str")
_ROUNDING = ("math.ceil", "math.floor", "numpy.ceil", "numpy.floor")
_LIBRARIES = ("torch.", "math.", "time.", "numpy.", "datetime.")
_PARTS = (
    cst.Name, cst.Integer, cst.Attribute, cst.Subscript, cst.SubscriptElement, cst.Index, cst.BinaryOperation,
    cst.BaseBinaryOp, cst.UnaryOperation, cst.BaseUnaryOp, cst.Call, cst.Arg,
)  # fmt: skip
_DEPTH = 4
_CHANGING = ("append", "extend", "insert", "pop", "remove", "clear", "update", "add", "setdefault", "popitem")
_READING = (cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.ComparisonTarget, cst.Subscript)


def is_windows(program: Program, iterable: cst.BaseExpression) -> bool:
    """Whether something to iterate over is a range that is made of numbers and sizes."""
    counts = isinstance(iterable, cst.Call) and program.qualified_name(iterable.func) == "builtins.range"
    if not counts or any(arg.star or arg.keyword for arg in iterable.args):  # type: ignore[attr-defined]
        return False
    return all(_is_number(program, arg.value) for arg in iterable.args)  # type: ignore[attr-defined]


def goes_through_data(program: Program, loop: cst.For, counted: cst.BaseExpression, place: cst.CSTNode | None) -> bool:
    """Whether a loop over a range goes through data: in steps, or by the place that it fetches from in each round."""
    if not isinstance(counted, cst.Call) or not is_windows(program, counted):
        return False
    if len(counted.args) == 3:
        return True
    code = cst.Module([]).code_for_node
    name = place.value if isinstance(place, cst.Name) else None
    measured = {code(part) for arg in counted.args for part in walk(arg) if isinstance(part, (cst.Name, cst.Attribute))}
    items = [part for part in walk(loop.body) if isinstance(part, cst.Subscript)]
    return any((_is_item(part, name) and code(part.value) in measured) or _is_window(part, name) for part in items)


def fetches_batches(program: Program, loop: cst.For) -> bool:
    """Whether a loop that counts has a call named for batches make one in each round: `x, y = get_batch("val")`."""
    if not is_windows(program, loop.iter):
        return False
    small = [line.body[0] for line in loop.body.body if isinstance(line, cst.SimpleStatementLine)]
    calls = [one.value for one in small if isinstance(one, cst.Assign) and isinstance(one.value, cst.Call)]
    names = [call.func.attr if isinstance(call.func, cst.Attribute) else call.func for call in calls]
    return any(isinstance(name, cst.Name) and "batch" in name.value.lower() for name in names)


def _is_item(node: cst.Subscript, name: str | None) -> bool:
    """Whether a subscript is a name alone: `data[i]`."""
    index = node.slice[0].slice if len(node.slice) == 1 else None
    return isinstance(index, cst.Index) and isinstance(index.value, cst.Name) and index.value.value == name


def _is_window(node: cst.Subscript, name: str | None) -> bool:
    """Whether a subscript begins at a multiple of a name: `data[i * size : (i + 1) * size]`."""
    first = node.slice[0].slice
    lower = first.lower if isinstance(first, cst.Slice) else None
    if not isinstance(lower, cst.BinaryOperation) or not isinstance(lower.operator, cst.Multiply):
        return False
    return any(isinstance(part, cst.Name) and part.value == name for part in (lower.left, lower.right))


def _is_number(program: Program, node: cst.BaseExpression) -> bool:
    """Whether an expression is computed from numbers, attributes and sizes alone."""
    parts = [part for part in walk(node) if isinstance(part, (cst.BaseExpression, cst.Arg))]
    calls = [part for part in parts if isinstance(part, cst.Call)]
    known = (*_BUILTINS, *_ROUNDING)
    sized = all(_is_size(call) or program.qualified_name(call.func) in known for call in calls)
    return sized and all(isinstance(part, _PARTS) for part in parts)


def _is_size(call: cst.Call) -> bool:
    return isinstance(call.func, cst.Attribute) and call.func.attr.value in _SIZES


def may_change(
    outline: Outline, iterable: cst.BaseExpression, lines: Iterable[cst.CSTNode], function: cst.FunctionDef | None
) -> bool:
    """Whether lines that run when a range has been made already may change what it is made of.

    `function` evaluates. That a name of it is bound anew is asked elsewhere.
    """
    used = {variable for _, variable in outline.uses(iterable) if variable.owner is not None}
    program = outline.program
    run = list(_reached(program, lines))
    if any(not _only_reads(outline, node) for node, variable in outline.uses(*run) if variable in used):
        return True
    if any(program.qualified_name(call.func) == "builtins.setattr" for call in program.calls):
        return True
    if _has_names_for_attributes(program) or _runs_own_code(program, iterable):
        return True
    known = (outline.site.driver.node, *outline.site.functions, function)
    unknown = any(not _is_known(outline, node) for node in walk(*run) if isinstance(node, cst.Call))
    return unknown and any(_is_given_away(outline, variable, known) for variable in _sized(outline, iterable))


def _has_names_for_attributes(program: Program) -> bool:
    """Whether the attributes of an object may be set as items of a dictionary: `settings = vars(args)`."""
    held = [node for node in program.find(cst.Attribute) if node.attr.value == "__dict__"]
    shown = [call for call in program.calls if program.qualified_name(call.func) == "builtins.vars"]
    parents = [program.parent.get(node) for node in (*held, *shown)]
    named = (cst.Assign, cst.AnnAssign, cst.NamedExpr, cst.Return, cst.Element, cst.DictElement, cst.Subscript)
    return any(
        isinstance(parent, named) or (isinstance(parent, cst.Attribute) and parent.attr.value in _CHANGING)
        for parent in parents
    )


def _runs_own_code(program: Program, iterable: cst.BaseExpression) -> bool:
    """Whether numbers of a range may come from methods of the file that do more than to look something up.

    What they print or draw would come in front of the code that stands in front of the loop.
    """
    names = {"__getattr__", "__getattribute__"}
    for node in walk(iterable):
        names |= {node.attr.value} if isinstance(node, cst.Attribute) else set()
        names |= {"__getitem__"} if isinstance(node, cst.Subscript) else set()
        names |= {"__len__"} if isinstance(node, cst.Name) and program.qualified_name(node) == "builtins.len" else set()
    functions = (function for function in program.find(cst.FunctionDef) if function.name.value in names)
    own = (function for function in functions if class_of_method(program, function) is not None)
    return any(not only_looks_up(program, function) for function in own)


def _reached(program: Program, lines: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The lines, and the functions and classes of the file that they mention, and those that these mention."""
    pending, seen = list(lines), set[cst.CSTNode]()
    while pending:
        code = pending.pop()
        yield code
        inner = (program.definition(variable) for _, variable in program.used([code]))
        found = {node for node in inner if isinstance(node, (cst.FunctionDef, cst.ClassDef))} - seen
        seen |= found
        pending += found


def _only_reads(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a name is only read for a number: its size, an attribute, an operand, something that is printed."""
    program = outline.program
    parent = program.parent.get(node)
    if isinstance(parent, cst.Attribute):
        outer = program.parent.get(parent)
        called = isinstance(outer, cst.Call) and outer.func is parent
        return parent.attr.value in _SIZES if called else not _is_stored(program, parent)
    if isinstance(parent, cst.Arg):
        call = program.parent.get(parent)
        text = isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.func.attr.value == "format"
        return text or (isinstance(call, cst.Call) and program.qualified_name(call.func) in _BUILTINS)
    return isinstance(parent, _READING) and not _is_stored(program, parent)


def _is_stored(program: Program, node: cst.CSTNode) -> bool:
    """Whether an item is set or deleted: `data[0] = x`."""
    return isinstance(program.parent.get(node), (cst.AssignTarget, cst.AugAssign, cst.Del))


def _is_known(outline: Outline, call: cst.Call) -> bool:
    """Whether a call runs no code that may hold the data by another name."""
    full = outline.program.qualified_name(call.func)
    if full is not None:
        return full in _KNOWN or full.startswith(_LIBRARIES)
    named = isinstance(call.func, cst.Attribute) and call.func.attr.value
    return named in ("format", *_SIZES) or (named in _MODES and not call.args)


def _sized(outline: Outline, iterable: cst.BaseExpression) -> set[Variable]:
    """The variables whose sizes a range is made of."""
    sizes = [node for node in walk(iterable) if isinstance(node, (cst.Call, cst.Attribute))]
    asked = [n for n in sizes if isinstance(n, cst.Call) or n.attr.value in _SIZES]
    return {variable for _, variable in outline.uses(*asked) if variable.owner is not None}


def _is_given_away(
    outline: Outline, variable: Variable, known: Sequence[cst.CSTNode | None], lent: int = 0
) -> bool:  # fmt: skip
    """Whether other code than the training and the evaluation may know an object that a variable holds, and change it.

    `known` are the functions of that training and evaluation. A function that is `lent` the object may compute with it,
    if it does not keep it.
    """
    program = outline.program
    for raw in {v for v in program.variables.values() if outline.bindings.canonical(v) is variable} | {variable}:
        for seen in raw.reads:
            parent = program.parent.get(seen.node)
            if isinstance(parent, cst.Arg):
                if not _is_lent(outline, parent, seen.node, lent):
                    return True
            elif isinstance(parent, cst.Attribute):
                own = raw is not variable or lent > 0 or seen.scope.function.node in known
                if _is_changed(program, parent, own):
                    return True
            elif not isinstance(parent, _READING) or _is_stored(program, parent):
                return True
    return False


def _is_changed(program: Program, node: cst.Attribute, own: bool) -> bool:
    """Whether a use of an attribute may change its object; code of its `own` calls methods that change no size."""
    outer, name = program.parent.get(node), node.attr.value
    if not isinstance(outer, cst.Call) or outer.func is not node:
        return _is_stored(program, node)
    return name not in _SIZES and (not own or name in _CHANGING or name.endswith("_"))


def _is_lent(outline: Outline, arg: cst.Arg, node: cst.CSTNode, depth: int) -> bool:
    """Whether a call is only lent an object: it is a function that does not keep it."""
    program = outline.program
    call = program.parent.get(arg)
    if not isinstance(call, cst.Call) or depth == _DEPTH:
        return False
    full = program.qualified_name(call.func)
    if full in _BUILTINS:
        return True
    function = program.function(call.func)
    if function is None:
        return isinstance(call.func, cst.Name) and call.func.value[:1].islower() and not _makes(program, call)
    given = matched(function.params, call.args)
    if given is None:
        return False
    own = [program.variables[param.name] for param, value in given.items() if value is node]
    return all(not _is_given_away(outline, each, (), depth + 1) for each in own)


def _makes(program: Program, call: cst.Call) -> bool:
    return isinstance(program.definition(program.variables.get(call.func)), cst.ClassDef)
