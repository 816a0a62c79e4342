"""Bars that the driver makes: over the only loop of a training, and over the epochs of others."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.walk import holds
from refactorer.idioms.progress.bars import Bar, Obstacle, bar_around, made_in_header, source_in
from refactorer.idioms.progress.taking import rename, said, switch_on
from refactorer.outline.batches import source_over
from refactorer.outline.comments import comments_inside
from refactorer.outline.outline import STEP, Outline


def apply(outline: Outline) -> None:
    """Hands the bar over the only loop to the Trainer, which draws one over the epochs where each is a single step."""
    loop, whole = outline.site.epoch_loop, outline.site.form == "whole"
    if whole and not isinstance(loop, cst.For):
        return
    parent = outline.program.parent[outline.site.epoch_loop]
    block: Sequence[cst.CSTNode] = parent.body if isinstance(parent, (cst.Module, cst.IndentedBlock)) else ()
    at = block.index(outline.site.epoch_loop) if block else 0
    before, behind = block[:at], block[at + 1 :]
    source = source_over(outline.program, loop, loop.iter) if whole else outline.train  # type: ignore[arg-type, union-attr]
    found = bar_around(outline, source, before, behind)
    if isinstance(found, Bar) and _is_used_in_driver(outline, found):
        found = Obstacle(found.call, "it is used outside the loop too")
    bar = said(outline, found)
    if bar is None:
        return
    switch_on(outline, bar)
    if whole:
        outline.counted = bar.inner
    else:
        outline.train = source_in(outline.program, source, bar)
    rename(outline, bar)
    if bar.line is not None:
        outline.driver_edits.update(dict.fromkeys([bar.line, *bar.closing]))
        outline.above.setdefault(STEP, []).extend(comments_inside(bar.call, None))


def _is_used_in_driver(outline: Outline, bar: Bar) -> bool:
    own = (outline.site.epoch_loop, *([bar.line] if bar.line is not None else []), *bar.closing)
    return not all(holds(own, node) for node in (*bar.uses, *bar.measured))


def over_epochs(outline: Outline) -> None:
    """Counts the epochs of `for epoch in tqdm(range(n))` without the bar."""
    loop = outline.site.epoch_loop
    call = loop.iter if isinstance(loop, cst.For) else None
    bar = said(outline, made_in_header(outline.program, call)) if isinstance(call, cst.Call) else None
    if bar is not None:
        switch_on(outline, bar)
        outline.counted = bar.inner
