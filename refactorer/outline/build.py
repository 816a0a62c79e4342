"""Building the literal outline of a site: which statements each hook runs."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.batches import batch_source
from refactorer.outline.blocks import block_lines, is_docstring, separated
from refactorer.outline.comments import comment_lines, comments_inside, comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.functions.inline import Bindings, Entered, enter
from refactorer.outline.functions.result_of_call import returned_statement, returned_value
from refactorer.outline.outline import EPOCH_END, EPOCH_START, EPOCHS, STEP, TRAIN_DATA, Outline
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.contents import check_contents
from refactorer.outline.training.site import Entrance, Site


def build(program: Program, site: Site) -> Outline:
    """The literal outline of a site.

    Raises:
        Refusal: something in the training cannot be placed.
    """
    outline = _alone(program, site) if site.form != "epochs" else _nested(program, site)
    check_contents(outline)
    _conditions(outline)
    loop = site.epoch_loop
    if loop.orelse is not None and any(isinstance(jump, cst.Break) for jump in loop_jumps(loop.body.body)):
        outline.left_early = outline.free_attribute("left_early")
    return outline


def _alone(program: Program, site: Site) -> Outline:
    """One loop: each iteration is a step."""
    hooks = {STEP: list(separated(block_lines(site.batch_loop.body)))}
    outline = Outline(program, site, Bindings(), hooks, batch_source(program, site))
    outline.footers[STEP] = footer_of(site.batch_loop)
    outline.above[STEP] = _comments_on_iterable(outline)
    return outline


def _nested(program: Program, site: Site) -> Outline:
    """A loop over batches in the loop over the epochs, or in a function that is called there."""
    bindings = Bindings()
    lines = block_lines(site.epoch_loop.body)
    before: list[cst.CSTNode] = []
    after: list[cst.CSTNode] = []
    closing: list[cst.EmptyLine] = []
    unread: list[Entrance] = []
    for entrance, entered in _entered(program, site, bindings):
        line = program.statement(entrance.call)
        if _is_returned(program, entrance):
            before, lines = [*before, *lines], list(entered.statements)
            continue
        result = returned_statement(program, line, entrance.call, entered.value)
        unread += [] if result else [entrance]
        if result:
            result = [with_comments(result[0], entered.closing), *result[1:]]
        else:
            closing[:0] = entered.closing
        earlier, later = _parted(lines, line)
        before, after = [*before, *earlier], [*result, *later, *after]
        lines = list(entered.statements)
    earlier, later = _parted(lines, site.wrapper or site.batch_loop)
    before, after = [*before, *earlier], [*later, *after]
    step = list(separated(block_lines(site.batch_loop.body)))
    hooks = {EPOCH_START: before, STEP: step, EPOCH_END: after}
    outline = Outline(program, site, bindings, hooks, batch_source(program, site))
    _keep_comments(outline, after, unread)
    outline.footers.setdefault(EPOCH_END if after else STEP, [])[:0] = closing
    outline.consumed += site.functions
    if site.entrances:
        _move_docstring(outline, EPOCH_START, STEP)
    _open_bar(outline)
    return outline


def _entered(program: Program, site: Site, bindings: Bindings) -> list[tuple[Entrance, Entered]]:
    """The functions on the way to the batches; what one of them returns is seen through the calls in it."""
    found = [enter(program, e.function, e.call, bindings, site.epoch_loop) for e in site.entrances]
    for index in range(len(found) - 1, 0, -1):
        inner, outer, entrance = found[index], found[index - 1], site.entrances[index]
        if _is_returned(program, entrance):
            value = returned_value(program, program.statement(entrance.call), entrance.call, inner.value)
            found[index - 1] = replace(outer, value=value, closing=[*outer.closing, *inner.closing])
    return list(zip(site.entrances, found))


def _is_returned(program: Program, entrance: Entrance) -> bool:
    """Whether a function is called by `return function(...)`."""
    line = program.statement(entrance.call)
    small = line.body[-1] if isinstance(line, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Return) and program.contains(small, entrance.call)


def _parted(lines: list[cst.CSTNode], at: cst.CSTNode) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """The lines in front of a place, and those behind it.

    Raises:
        PlainerView: the place is what a function returns.
    """
    if at not in lines:
        raise PlainerView(at, "a function returns what the call gives that leads to the batches")
    return lines[: lines.index(at)], lines[lines.index(at) + 1 :]


def _conditions(outline: Outline) -> None:
    """A `while` becomes a generator method: its condition is evaluated when the next batch or epoch is fetched."""
    site = outline.site
    if isinstance(site.batch_loop, cst.While):
        outline.hooks[TRAIN_DATA] = [_yielding(site.batch_loop)]
    if site.form == "epochs" and isinstance(site.epoch_loop, cst.While):
        outline.hooks[EPOCHS] = [_yielding(site.epoch_loop)]


def _open_bar(outline: Outline) -> None:
    """A progress bar around the batches is opened at the start of the epoch and closed behind the last batch."""
    wrapper = outline.site.wrapper
    if wrapper is None:
        return
    item = wrapper.items[0]
    assert item.asname is not None and isinstance(item.asname.name, cst.Name)
    bar = item.asname.name
    lines = block_lines(wrapper.body)
    at = lines.index(outline.site.batch_loop)
    opened = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(bar)], item.item)])
    close = cst.Attribute(outline.new_name(outline.program.variables[bar]), cst.Name("close"))
    closed = cst.SimpleStatementLine([cst.Expr(cst.Call(close))])
    outline.hooks[EPOCH_START] = [*outline.hooks[EPOCH_START], opened, *lines[:at]]
    outline.hooks[EPOCH_END] = [*lines[at + 1 :], closed, *outline.hooks[EPOCH_END]]


def _yielding(loop: cst.While) -> cst.CSTNode:
    line = cst.SimpleStatementLine([cst.Expr(cst.Yield())])
    return cst.While(loop.test, cst.IndentedBlock([line]))


def _keep_comments(outline: Outline, after: list[cst.CSTNode], unread: list[Entrance]) -> None:
    """Comments on what disappears (loops, calls, functions) go above the step or to the end of a hook.

    `unread` are entered by lines of which nothing is left.
    """
    site = outline.site
    above: list[cst.EmptyLine] = []
    last = EPOCH_END if after else STEP
    footer = [*footer_of(site.epoch_loop)]
    for entrance in site.entrances:
        function = entrance.function
        if entrance in unread:
            above += comments_of(outline.program.statement(entrance.call))
        kept = comments_of(function)
        replaced = function is site.functions[-1] and outline.program.parent[function] is outline.program.module
        above += kept[len(comment_lines(function.leading_lines)) :] if replaced else kept  # the others go to the class
        footer = [*footer_of(function), *footer]
    bar = comments_of(site.wrapper) if site.wrapper is not None else []
    outline.above[STEP] = [*above, *bar, *comments_of(site.batch_loop), *_comments_on_iterable(outline)]
    outline.footers.setdefault(STEP, []).extend(footer_of(site.batch_loop))
    if site.wrapper is not None:
        outline.footers[STEP].extend(footer_of(site.wrapper))
    outline.footers.setdefault(last, []).extend(footer)


def _comments_on_iterable(outline: Outline) -> list[cst.EmptyLine]:
    loop = outline.site.batch_loop
    if not isinstance(loop, cst.For) or not isinstance(loop.iter, cst.Call):
        return []
    return comments_inside(loop.iter, loop.iter if outline.site.form == "whole" else outline.train.iterable)


def _move_docstring(outline: Outline, hook: str, to: str) -> None:
    """The docstring of the innermost function says what the step does."""
    found = [line for line in outline.hooks[hook] if is_docstring(line)]
    if found:
        outline.docstrings[to] = found[-1]
        outline.hooks[hook] = [line for line in outline.hooks[hook] if line not in found]
