"""Evaluations over several sets of data, one after the other: `val_dataloader` is a generator that goes through them.

    for split in ["train", "val"]:                     def val_dataloader(self):
        losses = torch.zeros(count)                        for split in ["train", "val"]:
        for k in range(count):                                 self.losses = torch.zeros(count)
            x, y = get_batch(split)                            for k in range(count):
            losses[k] = model(x, y).item()                         yield split, k
        out[split] = losses.mean()                             self.out[split] = self.losses.mean()

The generator, which is `test_dataloader` for a test, runs what stands around the loop over the batches of a set where
the script does: between the batches, without gradients like these. What both sides bind is an attribute, so that each
sees what the other has left.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply
from refactorer.emit.visible_names import free_names
from refactorer.outline.batches import BatchSource
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.outline import Outline
from refactorer.outline.training.reach import functions_named

SEVERAL = "it goes through several sets of data"
_MODES = ("train", "eval")
_ENDING = ("next", "__next__", "StopIteration")
_SPECIAL = (
    cst.Import, cst.ImportFrom, cst.FunctionDef, cst.ClassDef, cst.Lambda, cst.NamedExpr, cst.ExceptHandler, cst.Match,
    cst.Global, cst.Nonlocal, cst.Yield, cst.Await,
)  # fmt: skip


def source_of_sets(loop: cst.For, inner: cst.For) -> BatchSource:
    """What a loop over sets, with one over batches in it, goes through: no loader that has a name."""
    return BatchSource(loop, cst.Call(cst.Name("iter"), [cst.Arg(loop.iter)]), inner.target)


def sets_obstacle(program: Program, loop: cst.For, inner: cst.For) -> str | None:
    """Why no generator of the module may go through the sets of data of an evaluation.

    A `break` would leave the batches of one set alone, and a StopIteration that leaves a generator becomes another
    error.
    """
    if inner.orelse is not None or inner.asynchronous is not None or loop.asynchronous is not None:
        return SEVERAL
    if any(isinstance(jump, cst.Break) for jump in loop_jumps(block_lines(inner.body))):
        return f"{SEVERAL}, and leaves one early"
    beside = list(_beside(loop, inner))
    run = [*beside, *(node for called in functions_named(program, beside) for node in walk(called.body))]
    if any(isinstance(node, cst.Name) and node.value in _ENDING for node in run):
        return f"{SEVERAL}, and fetches something itself"
    if any(isinstance(node, cst.Attribute) and node.attr.value in _MODES for node in run):
        return f"{SEVERAL}, and switches modes in between"
    if any(isinstance(node, _SPECIAL) for node in beside):
        return f"{SEVERAL}, and binds a name in a special way"
    return None


def _beside(loop: cst.For, inner: cst.For) -> Iterator[cst.CSTNode]:
    """All of a loop over sets but what it does with each batch."""
    for line in block_lines(loop.body):
        yield from walk(line) if line is not inner else ()
    yield from walk(inner.iter)
    yield from walk(loop.iter)


def generator_of_sets(outline: Outline, loop: cst.For, inner: cst.For) -> tuple[list[cst.CSTNode], BatchSource]:
    """The lines of the generator, and what it yields: the batch, with what the loop over the sets has bound for it."""
    variables, again = ([outline.program.variables[name] for name in names_in(one.target)] for one in (loop, inner))
    used = {variable for _, variable in outline.program.used([inner.body])}
    own = [variable for variable in variables if variable in used and variable not in again]
    source = source_of_sets(loop, inner)
    if not own:
        line: cst.CSTNode = _statement(cst.Yield(cst.From(inner.iter), whitespace_after_yield=_SPACE))
    else:
        bound = [outline.new_name(variable, "write") for variable in own]
        source.target = cst.Tuple([cst.Element(part) for part in (*bound, _bracketed(inner.target))])
        name = _batch(outline, inner)
        given = cst.Tuple([cst.Element(part) for part in (*map(outline.new_name, own), *name[1:])], lpar=[], rpar=[])
        fetched = _statement(cst.Yield(given, whitespace_after_yield=_SPACE))
        line = cst.For(name[0], inner.iter, cst.IndentedBlock([fetched]))
    line = with_comments(line, comments_of(inner))
    return [apply(loop, {inner: line})], source


_SPACE = cst.SimpleWhitespace(" ")


def _statement(value: cst.BaseExpression) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Expr(value)])


def _bracketed(target: cst.BaseExpression) -> cst.BaseExpression:
    brackets = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}
    return target.with_changes(**brackets) if isinstance(target, cst.Tuple) and not target.lpar else target


def _batch(outline: Outline, inner: cst.For) -> tuple[cst.Name, cst.Name]:
    """The name of a batch in the generator, to bind it and to yield it: the script's own, if it has one."""
    variable = outline.program.variables.get(inner.target)
    if variable is not None and isinstance(inner.target, cst.Name):
        return outline.new_name(variable, "write"), outline.new_name(variable)
    name = name_of_batch(outline, inner.iter, inner)
    return cst.Name(name), cst.Name(name)


def name_of_batch(outline: Outline, iterable: cst.BaseExpression, code: cst.CSTNode) -> str:
    """A name for a batch of what a generator goes through, that nothing in some code has."""
    used = {*free_names(iterable), *(variable.name for _, variable in outline.uses(code))}
    return next(name for name in ("batch", "one_batch", "next_batch") if name not in used)
