"""Blocks that use the model in front of the training and leave the script: `if args.evaluate: validate(model); return`.

All processes enter them, or none. No Trainer ever trains there, so they wrap the model themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.emit.edits import Edit
from refactorer.idioms.distributed.everywhere import Everywhere
from refactorer.idioms.distributed.wrapper import Wrapper, Wrapping
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import may_reach_end
from refactorer.outline.outline import Outline

_EXITS = ("sys.exit", "builtins.exit", "builtins.quit")


def blocks_that_leave(outline: Outline, found: Wrapper) -> list[cst.IndentedBlock]:
    """The blocks with the model between wrapper and training that leave, and can wrap it as the script did."""
    program, made = outline.program, found.wrappings[0]
    if len(found.wrappings) > 1 or made.made is not None:
        return []
    names = (found.entry.model, *found.others)
    return [
        branch.body for branch in program.find(cst.If)
        if isinstance(branch.body, cst.IndentedBlock) and program.scope_of(branch) is found.entry.scope
        and program.last[found.place] < program.order[branch] < program.order[found.entry.training]
        and program.parent[branch] is program.parent[found.place] and _leaves(program, branch.body)
        and any(outline.mentions(variable, branch.body) for variable in names)
        and Everywhere(outline).is_same(branch.test) and _keeps_meaning(program, made, branch)
    ]  # fmt: skip


def stands_in(program: Program, node: cst.CSTNode, blocks: Iterable[cst.CSTNode]) -> bool:
    """Whether a node stands in one of some blocks."""
    return node in program.order and any(program.contains(block, node) for block in blocks)


def wrapped_in(block: cst.IndentedBlock, made: Wrapping, asked: cst.BaseExpression | None) -> dict[cst.CSTNode, Edit]:
    """The edit that wraps the model at the beginning of a block, if need be where the script wants it to be."""
    line: cst.BaseStatement = made.line.with_changes(leading_lines=[])
    if asked is not None:
        line = cst.If(asked, cst.IndentedBlock([line]))
    first = block_lines(block)[0]
    return {first: [line, first]}


def _leaves(program: Program, block: cst.IndentedBlock) -> bool:
    if not may_reach_end(block):
        return True
    last = block.body[-1]
    small = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and (
        program.qualified_name(small.value.func) in _EXITS
    )  # fmt: skip


def _keeps_meaning(program: Program, made: Wrapping, branch: cst.If) -> bool:
    """Whether nothing that the wrapper is made of is bound anew in front of a block."""
    first, last = program.last[made.line], program.last[branch.test]
    stores = [seen.node for _, variable in program.used([made.call]) for seen in variable.writes]
    held = {node.attr.value for node in program.find(cst.Attribute, made.call)}
    stores += [node for node in program.find(cst.Attribute) if node.attr.value in held and _is_stored(program, node)]
    return not any(first < program.order[node] <= last for node in stores if node in program.order)


def _is_stored(program: Program, node: cst.Attribute) -> bool:
    return isinstance(program.parent.get(node), (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Element, cst.Del))
