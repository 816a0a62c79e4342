"""Bars that the script moves on itself: `with tqdm(total=n) as bar:` around the batches, and `bar.update()` in each.

The Trainer's bar moves on behind each batch, so the lines that do it go. It counts batches, whatever the script does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.progress.bars import Bar, Obstacle, is_bar, is_closing, is_written_on, looks_of
from refactorer.idioms.progress.effects import is_simple
from refactorer.idioms.progress.taking import described, rename, said, switch_on, without
from refactorer.idioms.shapes import method_line
from refactorer.outline.outline import EPOCH_END, EPOCH_START, STEP, Outline


@dataclass
class _Updated:
    """A bar without anything to iterate over, and the lines that move it on."""

    bar: Bar
    updates: list[cst.CSTNode] = field(default_factory=list)


def apply(outline: Outline) -> None:
    """Hands the bar that the step moves on to the Trainer."""
    found = _find(outline)
    bar = said(outline, found.bar if isinstance(found, _Updated) else found)
    if bar is None or not isinstance(found, _Updated):
        return
    switch_on(outline, bar)
    rename(outline, bar)
    hooks = outline.hooks
    hooks[EPOCH_END] = without(outline, hooks[EPOCH_END], bar.closing, STEP)
    hooks[STEP] = without(outline, hooks[STEP], found.updates, STEP)
    hooks[EPOCH_START] = described(outline, bar, hooks[EPOCH_START], STEP)


def _find(outline: Outline) -> _Updated | Obstacle | None:
    """The only bar that is made in front of the batches with nothing to iterate over."""
    made = [(line, call) for line in outline.hooks[EPOCH_START] if (call := _bar_made_in(outline, line)) is not None]
    if len(made) != 1:
        return None
    line, call = made[0]
    bar = looks_of(outline.program, call)
    if isinstance(bar, Obstacle):
        return bar
    bar.line, bar.variable = line, outline.program.variables[line.body[0].targets[0].target]  # type: ignore[attr-defined]
    return _with_uses(outline, _Updated(bar), bar.variable)


def _bar_made_in(outline: Outline, line: cst.CSTNode) -> cst.Call | None:
    """The call in `bar = tqdm(total=n)`."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if (
        not isinstance(small, cst.Assign)
        or len(small.targets) != 1
        or small.targets[0].target not in outline.program.variables
    ):
        return None
    call = small.value
    if not isinstance(call, cst.Call) or not is_bar(outline.program, call):
        return None
    given = [arg.keyword.value if arg.keyword is not None else "iterable" for arg in call.args]
    return call if "total" in given and "iterable" not in given else None


def _with_uses(outline: Outline, found: _Updated, variable: Variable) -> _Updated | Obstacle:
    """Finds everything that is done with the bar, which has to be all that the Trainer's bar can do too."""
    bar, step, behind = found.bar, outline.hooks[STEP], outline.hooks[EPOCH_END]
    places = [*outline.hooks[EPOCH_START], *step, *behind]
    nodes = [node for node in walk(*places) if outline.program.variables.get(node) is variable]
    if {id(node) for node in nodes} != {id(seen.node) for seen in variable.occurrences}:
        return Obstacle(bar.call, "it is used elsewhere too")
    bar.closing = [line for line in behind if any(is_closing(line, node) for node in nodes)]
    found.updates = [line for line in step if _moves_on(outline, line, variable)]
    if not found.updates:
        return Obstacle(bar.call, "it is not moved on once for each batch")
    gone = {id(node) for node in walk(*found.updates, *bar.closing)}
    for node in nodes:
        if id(node) not in gone and outline.program.access(node) == "read" and not is_written_on(outline.program, node):
            return Obstacle(node if node in outline.program.order else bar.call, "it is used in other ways")
    bar.uses = list(nodes)
    return found


def _moves_on(outline: Outline, line: cst.CSTNode, variable: Variable) -> bool:
    """Whether a line is `bar.update(n)`, and works out nothing else."""
    call = method_line(outline, line, variable, "update")
    return call is not None and all(not arg.star and is_simple(outline.program, arg.value) for arg in call.args)
