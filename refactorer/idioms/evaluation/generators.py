"""Evaluations over batches that a call makes: `val_dataloader` is a generator, begun anew for each evaluation.

    def evaluate(model, loader):                       def val_dataloader(self):
        header = "Test:"                                   header = "Test:"
        with torch.no_grad():                              yield from self.meters.log_every(val_loader, header)
            for x, y in meters.log_every(loader, header):

The call may print, draw, or fetch the first batch. A generator runs it where the script does: when the loop asks for
its first batch, with gradients (`@torch.enable_grad()`) where the loop has them. Where the loop is left early, the
generator ends as it does there, but not what it goes through, if somebody holds it: `yield from` would end that too.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.gradients import guard_with_gradients
from refactorer.idioms.evaluation.made_batches import OF_A_CALL
from refactorer.idioms.evaluation.parts import Evaluation
from refactorer.idioms.evaluation.several_sets import name_of_batch
from refactorer.outline.control import loop_jumps
from refactorer.outline.outline import Outline

_PLAIN = (cst.BaseNumber, cst.BaseString)


def generator_obstacle(outline: Outline, found: Evaluation, source: cst.BaseExpression) -> str | None:
    """Why no generator of the module may make the batches that a call makes for an evaluation."""
    # a StopIteration that leaves a generator becomes another error
    fetches = any(isinstance(node, cst.Name) and node.value in ("next", "__next__") for node in walk(source))
    guarded = found.silent or guard_with_gradients(outline) is not None
    return OF_A_CALL if fetches or not guarded else None


def generator(
    outline: Outline, found: Evaluation, before: Sequence[cst.CSTNode]
) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """The lines in front of the loop, and those of the generator: it takes the names that nothing else needs."""
    iterable = found.source(outline).iterable
    assert iterable is not None
    lines = list(before)
    taken: list[cst.CSTNode] = []
    while lines and _is_only_for(outline, lines[-1], [iterable, *taken]):
        taken.insert(0, lines.pop())
    if any(isinstance(jump, cst.Break) for jump in loop_jumps(found.loop.body.body)):
        return lines, [*taken, _one_by_one(outline, iterable)]
    fetched = cst.Yield(cst.From(iterable), whitespace_after_yield=cst.SimpleWhitespace(" "))
    return lines, [*taken, cst.SimpleStatementLine([cst.Expr(fetched)])]


def _one_by_one(outline: Outline, iterable: cst.BaseExpression) -> cst.For:
    """`for batch in iterable: yield batch`"""
    name = name_of_batch(outline, iterable, iterable)
    loop = cst.parse_statement(f"for {name} in batches:\n    yield {name}")
    assert isinstance(loop, cst.For)
    return loop.with_changes(iter=iterable)


def _is_only_for(outline: Outline, line: cst.CSTNode, users: Sequence[cst.CSTNode]) -> bool:
    """Whether a line gives a plain value to a name that only some code of the generator reads."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or not isinstance(small.value, _PLAIN):
        return False
    names = [name for target in small.targets for name in names_in(target.target)]
    own = {id(node) for part in (line, *users) for node in walk(part)}
    used = [seen.node for name in names for seen in outline.program.variables[name].occurrences]
    return bool(names) and len(names) == len(small.targets) and all(id(node) in own for node in used)
