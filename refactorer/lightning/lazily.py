"""Batches fetched as a loop fetches them: by a generator of the module, which Lightning asks anew in every epoch.

Lightning asks a generator for nothing before the first batch is wanted, and a number of batches (any number) keeps it
from fetching one ahead. But it cannot know which batch is the last one: there is no validation behind it, and no step
of a scheduler for the epoch.
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.emit.lightning_lines import LAZY
from refactorer.idioms.configure import Configuration
from refactorer.outline.outline import TRAIN_DATA, Outline

_STOP = m.Expr(m.Call(m.Attribute(m.Name("self"), m.Name("stop_epoch"))))
_BATCH = "batch"
_IN_LIST = "[{}]  # Lightning would leave out a batch that is None"


def apply(outline: Outline, configuration: Configuration, in_lists: bool) -> None:
    """Writes `train_dataloader` as a generator, if Lightning need not know which batch is the last one.

    `in_lists` says that each batch is handed out in a list, and taken out of it by the step: it may be None.
    """
    if outline.site.form == "whole" or not _may_end_anywhere(outline, configuration):
        return
    in_lists = in_lists and outline.train.target is not None
    outline.hooks[TRAIN_DATA] = _batches(outline, _leave(outline), _IN_LIST if in_lists else "")
    if outline.train.target is not None and in_lists:
        outline.train.target = cst.List([cst.Element(outline.train.target)])
    for name, value in LAZY.items():
        outline.settings[name] = cst.parse_expression(value)


def _may_end_anywhere(outline: Outline, configuration: Configuration) -> bool:
    """Whether nothing of the Trainer's depends on the last batch of an epoch."""
    by_epoch = [variable for variable in configuration.stepped if variable not in configuration.each_batch]
    return outline.evaluation is None and not outline.accumulates and not by_epoch


def _batches(outline: Outline, left: str | None, in_list: str) -> list[cst.CSTNode]:
    """The loop over the batches, with nothing in it but a `yield` and the `break` of the script."""
    iterable = outline.train.iterable
    if iterable is not None and left is None and not in_list:
        return [cst.SimpleStatementLine([cst.Expr(cst.Yield(cst.From(iterable)))])]
    if iterable is None:
        (loop,) = outline.hooks[TRAIN_DATA]
        assert isinstance(loop, cst.While)
        loop = loop.with_changes(body=cst.IndentedBlock([cst.parse_statement("yield ()")]))  # None would be left out
    else:
        batch = _free_name(iterable)
        parsed = cst.parse_statement(f"for {batch} in _:\n    yield {in_list.format(batch) or batch}\n")
        assert isinstance(parsed, cst.For)
        loop = parsed.with_changes(iter=iterable)
    if left is None:
        return [loop]
    leave = cst.parse_statement(f"if self.{left}:\n    break\n")
    loop = loop.with_changes(body=loop.body.with_changes(body=[*loop.body.body, leave]))
    return [cst.parse_statement(f"self.{left} = False"), loop]


def _free_name(iterable: cst.CSTNode) -> str:
    name, taken = _BATCH, {node.value for node in walk(iterable) if isinstance(node, cst.Name)}
    while name in taken:
        name += "_"
    return name


def _leave(outline: Outline) -> str | None:
    """The attribute that hooks set to leave the loop over the batches; None where none of them does."""
    found = {
        hook: [node for node in walk(*lines) if isinstance(node, cst.Expr) and m.matches(node, _STOP)]
        for hook, lines in outline.hooks.items()
    }
    if not any(found.values()):
        return None
    name = outline.free_attribute("is_left")
    target = cst.AssignTarget(cst.parse_expression(f"self.{name}"))  # type: ignore[arg-type]
    for hook, stops in found.items():
        edits: dict[cst.CSTNode, Edit] = {
            node: cst.Assign([target.deep_clone()], cst.Name("True"), semicolon=node.semicolon) for node in stops
        }
        outline.edit(hook, edits)
    return name
