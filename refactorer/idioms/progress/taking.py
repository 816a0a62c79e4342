"""Handing a bar to the Trainer: what becomes of the lines that make it, and of the names that mean it."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.progress.bars import Bar, Obstacle, bar_around
from refactorer.idioms.progress.parameters import Entered, lent_to
from refactorer.idioms.progress.switches import switch_obstacle
from refactorer.idioms.shapes import negated
from refactorer.outline.batches import BatchSource
from refactorer.outline.comments import comments_inside, comments_of, with_comments
from refactorer.outline.outline import Outline

CODE = "N113"
SETTING = "enable_progress_bar"


def find(
    outline: Outline, source: BatchSource, before: Sequence[cst.CSTNode], behind: Sequence[cst.CSTNode]
) -> Bar | None:
    """The bar around what a loop iterates over, if the Trainer can draw it; otherwise a note says why not."""
    if not outline.shows_bars:
        return None
    return said(outline, bar_around(outline, source, before, behind))


def said(outline: Outline, found: Bar | Obstacle | None) -> Bar | None:
    """The bar, if the Trainer can draw it; otherwise a note says why not."""
    if isinstance(found, Bar):
        reason = switch_obstacle(outline, found, outline.settings.get(SETTING))
        found = Obstacle(found.call, reason) if reason is not None else found
    if isinstance(found, Obstacle):
        outline.note(CODE, found.node, f"the progress bar stays with the script: {found.reason}",
                     "nothing to do; the script draws it as before")  # fmt: skip
        return None
    return found


def switch_on(outline: Outline, bar: Bar) -> None:
    """Asks the Trainer for a bar, under the conditions of the script."""
    if bar.disabled is None:
        outline.settings.setdefault(SETTING, cst.Name("True"))
    elif not _is_true(bar.disabled):
        outline.settings.setdefault(SETTING, negated(bar.disabled))


def take(
    outline: Outline, bar: Bar, before: Sequence[cst.CSTNode], step: str, entered: Entered | None = None
) -> list[cst.CSTNode]:
    """Lets the Trainer draw a bar; returns the lines in front of the loop, in which it is described and not made.

    `entered` are the function that the lines stand in, if any, and its call.
    """
    switch_on(outline, bar)
    before = _bound_to_loader(outline, bar, before, entered)
    rename(outline, bar)
    return described(outline, bar, before, step)


def described(outline: Outline, bar: Bar, before: Sequence[cst.CSTNode], step: str) -> list[cst.CSTNode]:
    """The lines in front of the loop, with the description of the bar in place of the line that makes it."""
    text = _description(bar)
    outline.above.setdefault(step, []).extend(comments_inside(bar.call, bar.inner))
    if bar.line is None:
        return [*before, *text]
    at = list(before).index(bar.line)
    line = bar.line
    assert isinstance(line, cst.SimpleStatementLine)
    if text:
        new: list[cst.CSTNode] = [
            text[0].with_changes(leading_lines=line.leading_lines, trailing_whitespace=line.trailing_whitespace)
        ]
        return [*before[:at], *new, *before[at + 1 :]]
    return without(outline, before, [line], step)


def _bound_to_loader(
    outline: Outline, bar: Bar, before: Sequence[cst.CSTNode], entered: Entered | None
) -> Sequence[cst.CSTNode]:
    """`loader = tqdm(loader)`: without the bar, the parameter is what the caller gives it."""
    given = lent_to(outline, bar, *entered) if entered is not None else None
    if given is None or bar.variable is None:
        return before
    parameter, outline.bindings.alias[bar.variable] = given
    return [line for line in before if not _assigns(line, parameter)]


def _assigns(line: cst.CSTNode, name: cst.Name) -> bool:
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and line.body else None
    return isinstance(small, cst.Assign) and small.targets[0].target is name


def without(
    outline: Outline, lines: Sequence[cst.CSTNode], dropped: Sequence[cst.CSTNode], step: str
) -> list[cst.CSTNode]:
    """Lines without some of them, whose comments go to the next one, or above the step."""
    left: list[cst.CSTNode] = []
    orphans: list[cst.EmptyLine] = []
    for line in lines:
        if line in dropped:
            orphans += comments_of(line)
        else:
            left.append(with_comments(line, orphans) if orphans else line)
            orphans = []
    outline.above.setdefault(step, []).extend(orphans)
    return left


def rename(outline: Outline, bar: Bar) -> None:
    """Gives the names that mean the bar a variable of their own, which stands for the Trainer's."""
    program, raw = outline.program, bar.variable
    if raw is None:
        return
    shown = _split(outline, raw, bar.uses)
    outline.bindings.expression[shown] = cst.parse_expression("self.progress_bar")
    if bar.measured:
        measured, loader = _split(outline, raw, bar.measured), outline.variable(bar.inner)
        if loader is not None:
            outline.bindings.alias[measured] = loader
        else:
            outline.bindings.expression[measured] = bar.inner
    program.summaries.clear()


def _split(outline: Outline, raw: Variable, nodes: Sequence[cst.CSTNode]) -> Variable:
    chosen = {id(node) for node in nodes}
    new = Variable(raw.name, raw.owner, [seen for seen in raw.occurrences if id(seen.node) in chosen])
    raw.occurrences[:] = [seen for seen in raw.occurrences if id(seen.node) not in chosen]
    for node in nodes:
        outline.program.variables[node] = new
    return new


def _description(bar: Bar) -> list[cst.CSTNode]:
    if bar.description is None:
        return []
    func = cst.parse_expression("self.progress_bar.set_description")
    return [cst.SimpleStatementLine([cst.Expr(cst.Call(func, [cst.Arg(bar.description)]))])]


def _is_true(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value == "True"
