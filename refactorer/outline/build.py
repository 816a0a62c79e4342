"""Building the literal outline of a site: which statements each hook runs."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.batches import batch_source
from refactorer.outline.blocks import block_lines, is_docstring, separated
from refactorer.outline.comments import comment_lines, comments_inside, comments_of, footer_of, with_comments
from refactorer.outline.contents import check_contents
from refactorer.outline.control import loop_jumps
from refactorer.outline.inline import Bindings, enter
from refactorer.outline.outline import EPOCH_END, EPOCH_START, EPOCHS, STEP, TRAIN_DATA, Outline
from refactorer.outline.result_of_call import returned_statement
from refactorer.outline.site import Site


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
    body = block_lines(site.epoch_loop.body)
    if site.function is None or site.call is None:
        at = body.index(site.wrapper or site.batch_loop)
        before: list[cst.CSTNode] = body[:at]
        result: list[cst.CSTNode] = []
        closing: list[cst.EmptyLine] = []
        after: list[cst.CSTNode] = body[at + 1 :]
    else:
        line = program.statement(site.call)
        at = body.index(line)
        entered = enter(program, site.function, site.call, bindings, site.epoch_loop)
        inner = list(entered.statements)
        where = inner.index(site.wrapper or site.batch_loop)
        result = returned_statement(program, line, site.call, entered.value)
        closing = entered.closing
        if result and closing:
            result, closing = [with_comments(result[0], closing), *result[1:]], []
        before = [*body[:at], *inner[:where]]
        after = [*inner[where + 1 :], *result, *body[at + 1 :]]
    step = list(separated(block_lines(site.batch_loop.body)))
    hooks = {EPOCH_START: before, STEP: step, EPOCH_END: after}
    outline = Outline(program, site, bindings, hooks, batch_source(program, site))
    _keep_comments(outline, after, result)
    outline.footers.setdefault(EPOCH_END if after else STEP, [])[:0] = closing
    if site.function is not None:
        outline.consumed.append(site.function)
        _move_docstring(outline, EPOCH_START, STEP)
    _open_bar(outline)
    return outline


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


def _keep_comments(outline: Outline, after: list[cst.CSTNode], result: list[cst.CSTNode]) -> None:
    """Comments on what disappears (loops, the call, the function) go above the step or to the end of a hook."""
    site = outline.site
    above: list[cst.EmptyLine] = []
    last = EPOCH_END if after else STEP
    footer = [*footer_of(site.epoch_loop)]
    if site.function is not None and site.call is not None:
        if not result:
            above += comments_of(outline.program.statement(site.call))
        kept = comments_of(site.function)
        top = outline.program.parent[site.function] is outline.program.module
        above += kept[len(comment_lines(site.function.leading_lines)) :] if top else kept
        footer = [*footer_of(site.function), *footer]
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
    for line in outline.hooks[hook]:
        if is_docstring(line):
            outline.docstrings[to] = line
            outline.hooks[hook].remove(line)
            return
