"""Evaluations that stay beside one that has become a loop of the Trainer: the reader learns why.

if args.evaluate:
    validate(val_loader, model)  # validate() stays for this call
    return
trainer.fit(module, train_loader, val_loader)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.idioms.evaluation.overlooked import seems_to_evaluate, uncalled, why_stays
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import holds_converted, uses_of


def remaining(outline: Outline, roles: Roles, known: Sequence[cst.CSTNode]) -> Iterator[tuple[cst.CSTNode, str]]:
    """The loops of a file that evaluate its first training and stay, but for `known` ones, and why they do."""
    if holds_converted(outline.program):
        return
    moved = [source.loop for source in (outline.evaluation, outline.test) if source is not None]
    passed = [*moved, *known, *outline.consumed]
    for loop in outline.program.find(cst.For):
        if any(outline.program.contains(part, loop) or outline.program.contains(loop, part) for part in passed):
            continue
        if seems_to_evaluate(outline, roles, loop) and uncalled(outline.program, loop) is None:
            reason = why_stays(outline, roles, loop)
            if reason is not None:
                yield loop, _beside(outline, loop) or reason
                passed.append(loop)


def _beside(outline: Outline, loop: cst.For) -> str | None:
    """Why a loop stays that the Trainer's would do for: where the script evaluates once more."""
    program, site = outline.program, outline.site
    function = program.enclosing_function(loop)
    inline = function is None or function is site.driver.node or function in site.functions
    places = [loop] if inline or function is None else uses_of(program, function)
    name = "it runs" if inline or function is None else f"{function.name.value}() is called"
    inside = (site.epoch_loop, *site.functions)
    if any(program.contains(part, place) for part in inside for place in places):
        return "the Trainer runs another one of each epoch" if outline.evaluation is not None else None
    around = program.enclosing_function(site.epoch_loop)
    near = [place for place in places if program.enclosing_function(place) is around]
    if any(program.order[place] < program.order[site.epoch_loop] for place in near):
        return f"{name} in front of the training"
    if near and outline.test is not None:
        return "the Trainer runs another one behind the training"
    return f"{name} behind the training" if near else None
