"""Evaluations in a progress bar's `with` block: the block is opened, for the conversion only.

    with tqdm(loader) as bar:    becomes    bar = tqdm(loader)
        for x, y in bar:                    for x, y in bar:
            ...                                 ...
                                            bar.close()

What a bar draws is all that can tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.evaluation.copies import candidates, renewed
from refactorer.idioms.evaluation.parts import is_no_grad
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import loop_jumps, returns, suspensions
from refactorer.outline.training.site import Site, makes_bar


def with_opened_bars(program: Program, site: Site) -> Iterator[tuple[cst.Module, dict[str, cst.FunctionDef]]]:
    """Files in which evaluations have their bars outside of a `with`, and what the functions in them are made of."""
    opened: dict[cst.CSTNode, Edit] = {}
    for function in program.find(cst.FunctionDef):
        bars = [block for block in _blocks(program, function) if _is_bar(program, block)]
        if bars:
            opened[function] = apply(function, {block: _lines(block) for block in bars})
    for calls in candidates(program, site, opened.keys()) if opened else ():
        yield renewed(program, calls, opened)


def _blocks(program: Program, function: cst.FunctionDef) -> Iterator[cst.With]:
    """The `with` blocks of a function, and those within one that switches gradients off."""
    for line in block_lines(function.body):
        if isinstance(line, cst.With):
            yield line
            if len(line.items) == 1 and is_no_grad(program, line.items[0].item):
                yield from (part for part in block_lines(line.body) if isinstance(part, cst.With))


def _is_bar(program: Program, block: cst.With) -> bool:
    """Whether a block is a progress bar with a loop over it, and nothing leaves it."""
    item = block.items[0]
    name = item.asname.name if item.asname is not None else None
    if len(block.items) > 1 or not isinstance(name, cst.Name):
        return False
    if not isinstance(item.item, cst.Call) or not makes_bar(program, item.item):
        return False
    lines = block_lines(block.body)
    left = loop_jumps(lines) or returns(lines) or suspensions(lines)
    bar = program.variables.get(name)
    over = [line for line in lines if isinstance(line, cst.For) and any(v is bar for _, v in program.used([line.iter]))]
    return len(over) == 1 and not left


def _lines(block: cst.With) -> list[cst.CSTNode]:
    asname = block.items[0].asname
    assert asname is not None and isinstance(asname.name, cst.Name)
    made = cst.Assign([cst.AssignTarget(asname.name)], block.items[0].item)
    close = cst.Call(cst.Attribute(cst.Name(asname.name.value), cst.Name("close")))
    first = cst.SimpleStatementLine([made], leading_lines=block.leading_lines)
    return [first, *block_lines(block.body), cst.SimpleStatementLine([cst.Expr(close)])]
