"""Progress bars: one that the script draws over the batches becomes the Trainer's, with the same texts on it.

Sound when nothing but the bar knows of it: what it iterates over is looked at in the same place, and its other
arguments and what is written on it are evaluated as often as before.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.progress import by_hand, in_front
from refactorer.idioms.progress.bars import is_bar, source_in
from refactorer.idioms.progress.taking import CODE, SETTING, find, take, without
from refactorer.outline.outline import EPOCH_END, EPOCH_START, STEP, Outline

__all__ = ["CODE", "SETTING", "apply", "find", "take", "without"]


def apply(outline: Outline) -> None:
    """Hands the bars around the batches of the training, and around its epochs, to the Trainer.

    Where the training goes on drawing one itself, the Trainer draws none, not around evaluations either.
    """
    outline.shows_bars = True
    if outline.site.form != "epochs":
        in_front.apply(outline)
    else:
        _around_batches(outline)
        by_hand.apply(outline)
        outline.shows_bars = not _draws_itself(outline)
        if outline.shows_bars:
            in_front.over_epochs(outline)


def _around_batches(outline: Outline) -> None:
    before, behind = outline.hooks[EPOCH_START], outline.hooks[EPOCH_END]
    bar = find(outline, outline.train, before, behind)
    if bar is not None:
        outline.train = source_in(outline.program, outline.train, bar)
        outline.hooks[EPOCH_END] = without(outline, behind, bar.closing, STEP)
        entered = [(entrance.function, entrance.call) for entrance in outline.site.entrances[-1:]]
        outline.hooks[EPOCH_START] = take(outline, bar, before, STEP, *entered)


def _draws_itself(outline: Outline) -> bool:
    """Whether a bar is left in front of the batches, or around them."""
    places = [*outline.hooks[EPOCH_START], *outline.hooks[STEP]]
    places += [outline.train.iterable] if outline.train.iterable is not None else []
    return any(isinstance(node, cst.Call) and is_bar(outline.program, node) for node in walk(*places))
