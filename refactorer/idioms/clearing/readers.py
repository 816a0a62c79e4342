"""Where the file reads gradients, and which of these places see the same when the Trainer clears and steps.

A place may look at them between `backward()` and `step()` and behind it, also in functions that only these lines call,
and outside the training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import children
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of

_NAMES = ("grad", "_grad")
_LOOKING = ("builtins.getattr", "builtins.setattr", "builtins.delattr", "operator.attrgetter")


def reads_of_gradients(program: Program) -> list[cst.CSTNode]:
    """Every `x.grad` of a file, and the text in every `getattr(x, "grad")`."""
    named = [node for node in program.find(cst.SimpleString) if node.raw_value in _NAMES and _is_given(program, node)]
    return [*named, *(
        node for node in program.find(cst.Attribute)
        if node.attr.value in _NAMES and program.qualified_name(node) != "torch.autograd.grad"
    )]  # fmt: skip


def _is_given(program: Program, node: cst.CSTNode) -> bool:
    """Whether a text is an argument of a call that looks for an attribute."""
    call = program.parent.get(program.parent[node])
    return isinstance(call, cst.Call) and (program.qualified_name(call.func) or "") in _LOOKING


def seen_alike(outline: Outline, lines: Sequence[cst.CSTNode], beside: bool) -> list[cst.CSTNode]:
    """The reads of gradients that only these lines run, and with `beside` also lines of the driver around the loop.

    Functions count where all that the file does with them is to call them on such lines, or in such functions.
    """
    places = [part for line in lines for part in parts_in_file(outline.program, line)]
    return [node for node in reads_of_gradients(outline.program) if _is_alike(outline, node, places, beside, ())]


def parts_in_file(program: Program, line: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A line, or the parts of the file that it was made of where it is a copy (with other comments, say)."""
    if line in program.order:
        yield line
    else:
        for part in children(line):
            yield from parts_in_file(program, part)


def _is_alike(
    outline: Outline, node: cst.CSTNode, places: list[cst.CSTNode], beside: bool, seen: tuple[cst.FunctionDef, ...]
) -> bool:  # fmt: skip
    program, loop = outline.program, outline.site.epoch_loop
    if any(program.contains(place, node) for place in places):
        return True
    later = any(isinstance(outer, (cst.Lambda, cst.ClassDef)) for outer in program.ancestors(node))
    if later or program.contains(loop, node):
        return False
    function = program.enclosing_function(node)
    if function is None or function is program.enclosing_function(loop):
        return beside
    calls = _calls_only(program, function)
    if not calls:
        return beside and not uses_of(program, function)
    return function in seen or all(_is_alike(outline, call, places, beside, (*seen, function)) for call in calls)


def _calls_only(program: Program, function: cst.FunctionDef) -> list[cst.CSTNode]:
    """The calls of a function by its name; none if it has other uses, or other names."""
    if len(program.variables[function.name].writes) != 1 or function.decorators:
        return []
    uses = uses_of(program, function)
    parents = [program.parent.get(use) for use in uses]
    plain = all(isinstance(call, cst.Call) and call.func is use for call, use in zip(parents, uses))
    return uses if plain else []
