"""Progress bars of tqdm around what a loop iterates over: where they are made, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import holds, walk
from refactorer.idioms.progress.effects import ITERATORS, is_place, is_quiet, is_simple
from refactorer.idioms.shapes import only_call
from refactorer.outline.batches import BatchSource, source_over
from refactorer.outline.outline import Outline

_MODULES = ("tqdm", "tqdm.auto", "tqdm.autonotebook", "tqdm.notebook", "tqdm.std", "tqdm._tqdm")
_BARS = {f"{module}.{name}" for module in _MODULES for name in ("tqdm", "tqdm_notebook")}
_RANGES = {f"{module}.{name}" for module in _MODULES for name in ("trange", "tnrange")}
_LOOKS = {
    "total", "leave", "ncols", "mininterval", "maxinterval", "miniters", "ascii", "unit", "unit_scale", "dynamic_ncols",
    "smoothing", "bar_format", "initial", "position", "postfix", "unit_divisor", "nrows", "colour", "delay",
}  # fmt: skip
_STREAMS = ("sys.stdout", "sys.stderr")
NOTHING = cst.Name("None")
_WRITING = {"set_description", "set_description_str", "set_postfix", "set_postfix_str", "refresh"}


@dataclass(frozen=True)
class Obstacle:
    """Why a bar stays with the script."""

    node: cst.CSTNode
    reason: str


@dataclass
class Bar:
    """A bar that the Trainer can draw: `inner` is what it iterates over.

    `line` binds `variable` to it; both are None for a bar that is made in the header of the loop. `uses` are the names
    that mean the bar, `measured` those in `len(bar)`, `closing` the lines that close it.
    """

    call: cst.Call
    inner: cst.BaseExpression
    description: cst.BaseExpression | None = None
    disabled: cst.BaseExpression | None = None
    line: cst.CSTNode | None = None
    variable: Variable | None = None
    uses: list[cst.CSTNode] = field(default_factory=list)
    measured: list[cst.CSTNode] = field(default_factory=list)
    closing: list[cst.CSTNode] = field(default_factory=list)


def source_in(program: Program, source: BatchSource, bar: Bar | None) -> BatchSource:
    """What a loop iterates over without the bar around it."""
    if bar is None:
        return source
    if source.index is not None or source.target is None:
        return replace(source, iterable=bar.inner)
    assert isinstance(source.loop, cst.For)
    return source_over(program, source.loop, bar.inner)


def without_enumerate(program: Program, node: cst.BaseExpression) -> cst.BaseExpression:
    """What is counted."""
    if isinstance(node, cst.Call) and node.args and program.qualified_name(node.func) == "builtins.enumerate":
        return node.args[0].value
    return node


def bar_around(
    outline: Outline, source: BatchSource, before: Sequence[cst.CSTNode], behind: Sequence[cst.CSTNode]
) -> Bar | Obstacle | None:
    """The bar around what a loop iterates over, which stands between other statements of the same block."""
    iterable = source.iterable
    if isinstance(iterable, cst.Call):
        return made_in_header(outline.program, iterable)
    if not isinstance(iterable, cst.Name):
        return None
    at = next((i for i in reversed(range(len(before))) if _binds(outline, before[i], iterable)), None)
    if at is None:
        return None
    line = before[at]
    call = line.body[0].value  # type: ignore[attr-defined]
    if not isinstance(call, cst.Call) or not is_bar(outline.program, call):
        return None
    found = _taken_apart(outline.program, call)
    if isinstance(found, Obstacle):
        return found
    text = found.description
    if at + 1 == len(before) and text is not None and not is_simple(outline.program, text):
        return Obstacle(call, "its description is more than a text")
    if at + 1 < len(before) and _moves(outline, found.inner, before[at + 1 :]):
        return Obstacle(call, "something between the bar and its loop may change what it iterates over")
    found.line, found.variable = line, outline.program.variables[iterable]
    return _with_uses(outline, found, source, [*before], [*behind])


def is_bar(program: Program, node: cst.CSTNode | None) -> bool:
    """Whether a call makes a progress bar."""
    name = program.qualified_name(node.func) if isinstance(node, cst.Call) else None
    return name in _BARS or name in _RANGES


def _binds(outline: Outline, line: cst.CSTNode, name: cst.Name) -> bool:
    """Whether a line is `name = ...`."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return False
    variables = outline.program.variables
    return variables.get(small.targets[0].target) is variables.get(name)


def made_in_header(program: Program, call: cst.Call) -> Bar | Obstacle | None:
    """The bar that a call makes in the header of a loop."""
    if not is_bar(program, call):
        return None
    found = _taken_apart(program, call)
    text = found.description if isinstance(found, Bar) else None
    if text is not None and not is_simple(program, text):
        return Obstacle(call, "its description is more than a text")
    return found


def _taken_apart(program: Program, call: cst.Call) -> Bar | Obstacle:
    """What is iterated over, and the arguments that matter; the others only change the looks."""
    if program.qualified_name(call.func) in _RANGES:
        return _range(program, call)
    bar = looks_of(program, call)
    if isinstance(bar, Obstacle):
        return bar
    if bar.inner is NOTHING:
        return Obstacle(call, "it is updated by hand")
    if not _iterates_once(program, call, bar.inner):
        return Obstacle(call, "tqdm.auto asks a loader for one iterator more, which draws a random number")
    return bar


def looks_of(program: Program, call: cst.Call) -> Bar | Obstacle:
    """The bar that a call makes, with `NOTHING` to iterate over where the script moves it on itself."""
    bar = Bar(call, NOTHING)
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else ("iterable", "desc", "total")[min(index, 2)]
        if arg.star or (arg.keyword is None and index > 2):
            return Obstacle(arg, "its arguments are not all known")
        if name == "iterable":
            bar.inner = arg.value
        else:
            reason = _argument(program, bar, name, arg.value)
            if reason is not None:
                return Obstacle(arg, reason)
    return bar


def _iterates_once(program: Program, call: cst.Call, inner: cst.BaseExpression) -> bool:
    """Whether nobody can tell that the bars of tqdm.auto, which serve coroutines too, call `iter()` when made."""
    if not (program.qualified_name(call.func) or "").startswith("tqdm.auto."):
        return True
    return isinstance(inner, cst.Call) and program.qualified_name(inner.func) in ITERATORS


def _range(program: Program, call: cst.Call) -> Bar | Obstacle:
    """`trange(n)` is `tqdm(range(n))`."""
    if any("range" in scope.variables for scope in program.scopes):
        return Obstacle(call, "the script has a range of its own")
    numbers = [arg for arg in call.args if arg.keyword is None and not arg.star]
    bar = Bar(call, cst.Call(_builtin_range(program), [cst.Arg(arg.value) for arg in numbers]))
    for arg in call.args:
        if arg in numbers:
            continue
        named = arg.keyword is not None
        reason = _argument(program, bar, arg.keyword.value, arg.value) if named else "its arguments are not all known"  # type: ignore[union-attr]
        if reason is not None:
            return Obstacle(arg, reason)
    return bar


def _builtin_range(program: Program) -> cst.Name:
    node = cst.Name("range")
    variable = program.variables[node] = program.unbound.setdefault("range", Variable("range", None))
    variable.occurrences.append(Occurrence(node, "range", "read", program.scope[program.module], -1, None))
    return node


def _argument(program: Program, bar: Bar, name: str, value: cst.BaseExpression) -> str | None:
    """Takes note of an argument; what keeps the bar, in words."""
    if name == "desc":
        bar.description = value
        return None
    if name == "disable":
        if isinstance(value, cst.Name) and value.value == "None":
            return "it is shown at a terminal only"
        bar.disabled = None if isinstance(value, cst.Name) and value.value == "False" else value
        return None
    if name == "file":
        return None if program.qualified_name(value) in _STREAMS else "it is written to a file of the script"
    if name not in _LOOKS:
        return f"it has an argument {name} that the Trainer does not know"
    return None if is_simple(program, value) else f"its argument {name} calls something"


def _moves(outline: Outline, inner: cst.BaseExpression, between: Sequence[cst.CSTNode]) -> bool:
    """Whether it may matter that something is looked at behind some statements instead of in front of them."""
    written = {v for n, v in outline.uses(*between) if outline.is_write(n)}
    used = {v for _, v in outline.uses(inner)}
    if used & written or not is_simple(outline.program, inner, makes=True):
        return True
    calm = all(is_quiet(outline.program, line) for line in between)
    elsewhere = any(seen.scope.function is not v.owner and v.owner is not None for v in used for seen in v.writes)
    return not calm and (elsewhere or not (isinstance(inner, cst.Name) or _is_count(outline.program, inner)))


def _is_count(program: Program, node: cst.BaseExpression) -> bool:
    """A `range` of numbers and names."""
    is_range = isinstance(node, cst.Call) and program.qualified_name(node.func) == "builtins.range"
    return is_range and not any(isinstance(part, (cst.Attribute, cst.Subscript)) for part in walk(node))


def _with_uses(
    outline: Outline, bar: Bar, source: BatchSource, before: list[cst.CSTNode], behind: list[cst.CSTNode]
) -> Bar | Obstacle:
    """Finds everything that is done with a bar that has a name."""
    variable, header = bar.variable, source.iterable
    assert variable is not None and header is not None and bar.line is not None
    every = [*before, source.loop, *behind]
    binding = [i for i, line in enumerate(every) if line is not source.loop and _binds(outline, line, header)]  # type: ignore[arg-type]
    nodes = [[n for n in walk(line) if outline.program.variables.get(n) is variable] for line in every]
    nodes[len(before)] = [n for n in nodes[len(before)] if n is not header]
    seen = {id(n) for group in nodes for n in group} | {id(header)}
    outside = [o.node for o in variable.occurrences if id(o.node) not in seen]
    if outside and not all(_is_in_header(outline, n, source) for n in outside):
        return Obstacle(bar.call, "it is used elsewhere too")
    if any(outline.program.access(n) != "read" and i not in binding for i, group in enumerate(nodes) for n in group):
        return Obstacle(bar.call, "its name is bound in other ways too")
    first = every.index(bar.line)
    last = next((i for i in binding if i > first), len(every))
    if last == len(every) and any(nodes[i] for i in range(min(binding))):
        return Obstacle(bar.call, "it is used again in the next epoch")
    own = [n for n in nodes[first] if outline.program.access(n) != "read"]  # what it is made of is looked at before
    own += [n for i in range(first + 1, last) for n in nodes[i]]
    if last < len(every):
        own += [n for n in nodes[last] if outline.program.access(n) == "read"]
    for node in own:
        reason = None if outline.program.access(node) != "read" else _use(outline, bar, node, behind)
        if reason is not None:
            return Obstacle(node if node in outline.program.order else bar.call, reason)
    bar.uses += [n for n in own if n not in bar.measured] + [header]
    return bar


def _is_in_header(outline: Outline, node: cst.CSTNode, source: BatchSource) -> bool:
    return isinstance(source.loop, cst.For) and holds([source.loop.iter], node)


def _use(outline: Outline, bar: Bar, node: cst.CSTNode, behind: Sequence[cst.CSTNode]) -> str | None:
    """Takes note of one use of the bar; what keeps it, in words."""
    program = outline.program
    closing = next((line for line in behind if is_closing(line, node)), None)
    if closing is not None:
        bar.closing.append(closing)
        return None
    parent = program.parent.get(node)
    call = program.parent.get(parent) if parent is not None else None
    if isinstance(parent, cst.Arg) and isinstance(call, cst.Call):
        measures = program.qualified_name(call.func) == "builtins.len" and len(call.args) == 1
        if measures and is_place(bar.inner):
            bar.measured.append(node)
            return None
        return "it is handed on"
    if not isinstance(parent, cst.Attribute) or parent.value is not node:
        return "it is used in other ways"
    return None if is_written_on(program, node) else f"its {parent.attr.value} is used"


def is_written_on(program: Program, node: cst.CSTNode) -> bool:
    """Whether a use of a bar is `bar.set_postfix(...)` or the like, on its own: the Trainer's bar does that too."""
    attribute = program.parent.get(node)
    if not isinstance(attribute, cst.Attribute) or attribute.value is not node:
        return False
    outer = program.parent.get(attribute)
    if attribute.attr.value == "desc":
        return isinstance(outer, cst.AssignTarget)
    called = isinstance(outer, cst.Call) and outer.func is attribute and isinstance(program.parent.get(outer), cst.Expr)
    return called and attribute.attr.value in _WRITING


def is_closing(line: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether a line is `bar.close()`, for the name of a bar in it."""
    call = only_call(line)
    func = call.func if call is not None and not call.args else None
    return isinstance(func, cst.Attribute) and func.value is node and func.attr.value == "close"
