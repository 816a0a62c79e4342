"""Code of the file that may run between the making of an optimizer and the training, and sets what it is made of.

Whoever runs it: `m = Meter()`, a property, `with timer:`, a decorator, a function by another name.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.configure.between import between
from refactorer.idioms.known.holders import holder_of
from refactorer.idioms.known.looking import leaves_function
from refactorer.outline.classes import class_of_self
from refactorer.outline.may_run import MayRun
from refactorer.outline.outline import Outline
from refactorer.outline.setting import may_set

_STATEMENTS = (
    cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.FunctionDef, cst.ClassDef, cst.With, cst.If, cst.For,
    cst.While,
)  # fmt: skip
_OF_TENSORS = ("data", "grad", "requires_grad", "training")


def lines_between(outline: Outline, line: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What runs directly between a line and the training; of functions that are defined there, their headers."""
    loop, around = outline.site.epoch_loop, between(outline, line)
    for part in outline.program.find(_STATEMENTS):
        if around.runs(part) and not leaves_function(outline, part):
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
    shown = any(variable in watched for _, variable in outline.uses(*lines))
    if shown and any(_sets_what_it_holds(program, node) for node in walk(*running.bodies)):
        return True
    return may_set(running, stored)


def _sets_what_it_holds(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node sets an attribute of something that a method's object has, or a function is given."""
    if not isinstance(node, cst.Attribute) or node.attr.value in _OF_TENSORS or not is_stored(program, node):
        return False
    variable = program.variables.get(holder_of(program, node))
    own = isinstance(node.value, cst.Name) and class_of_self(program, variable) is not None
    bound = [program.parent.get(seen.node) for seen in variable.writes] if variable is not None else []
    return not own and any(isinstance(made, cst.Param) for made in bound)
