"""Blocks that use the model in front of the training and leave the script: `if args.evaluate: validate(model); return`.

All processes enter them, or none. No Trainer ever trains there, so they wrap the model themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.emit.edits import Edit
from refactorer.idioms.distributed.branches import are_exclusive, branches
from refactorer.idioms.distributed.everywhere import Everywhere
from refactorer.idioms.distributed.settled import is_settled
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import may_reach_end
from refactorer.outline.outline import Outline

_EXITS = ("sys.exit", "builtins.exit", "builtins.quit")


def blocks_that_leave(outline: Outline, found: Wrapper) -> list[cst.IndentedBlock]:
    """The blocks with the model between wrapper and training that leave, and can wrap it as the script did."""
    program = outline.program
    if found.wrappings[0].made is not None or (len(found.wrappings) > 1 and _choice(outline, found) is None):
        return []
    names = (found.entry.model, *found.others)
    return [
        branch.body for branch in program.find(cst.If)
        if isinstance(branch.body, cst.IndentedBlock) and program.scope_of(branch) is found.entry.scope
        and program.last[found.place] < program.order[branch] < program.order[found.entry.training]
        and program.parent[branch] is program.parent[found.place] and _leaves(program, branch.body)
        and any(outline.mentions(variable, branch.body) for variable in names)
        and Everywhere(outline).is_same(branch.test) and _keeps_meaning(program, found, branch)
    ]  # fmt: skip


def stands_in(program: Program, node: cst.CSTNode, blocks: Iterable[cst.CSTNode]) -> bool:
    """Whether a node stands in one of some blocks."""
    return node in program.order and any(program.contains(block, node) for block in blocks)


def wrapped_in(
    outline: Outline, block: cst.IndentedBlock, found: Wrapper, asked: cst.BaseExpression | None
) -> dict[cst.CSTNode, Edit]:
    """The edit that wraps the model at the beginning of a block, if need be where the script wants it to be."""
    line: cst.BaseStatement = _plain(found.wrappings[0].line)
    choice = _choice(outline, found)
    if choice is not None:
        other = cst.Else(cst.IndentedBlock([_plain(found.wrappings[1].line)]))
        line = cst.If(choice.test, cst.IndentedBlock([line]), other)
    if asked is not None:
        line = cst.If(asked, cst.IndentedBlock([line]))
    first = block_lines(block)[0]
    return {first: [line, first]}


def _plain(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    return line.with_changes(leading_lines=[])


def _choice(outline: Outline, found: Wrapper) -> cst.If | None:
    """The `if` that has one of two wrappers in each of its branches, and that may be asked again."""
    if len(found.wrappings) != 2:
        return None
    one, two = (made.line for made in found.wrappings)
    choice = next(branches(outline.program, one), (None, True))[0]
    if choice is None or not isinstance(choice.orelse, cst.Else):
        return None
    beside = one in choice.body.body and two in choice.orelse.body.body
    return choice if beside and is_settled(outline, choice.test, choice) else None


def _leaves(program: Program, block: cst.IndentedBlock) -> bool:
    if not may_reach_end(block):
        return True
    last = block.body[-1]
    small = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else None
    return isinstance(small, cst.Expr) and isinstance(small.value, cst.Call) and (
        program.qualified_name(small.value.func) in _EXITS
    )  # fmt: skip


def _keeps_meaning(program: Program, found: Wrapper, branch: cst.If) -> bool:
    """Whether nothing that the wrappers are made of is bound anew in front of a block."""
    calls = [made.call for made in found.wrappings]
    first, last = min(program.last[made.line] for made in found.wrappings), program.last[branch.test]
    names = {variable for _, variable in program.used(calls)}
    stores = [seen.node for variable in names for seen in variable.writes]
    held = {node.attr.value for call in calls for node in program.find(cst.Attribute, call)}
    stores += [node for node in program.find(cst.Attribute) if node.attr.value in held and is_stored(program, node)]
    own = {program.parent[call].targets[0].target for call in calls}  # type: ignore[attr-defined]
    between = [node for node in stores if node in program.order and first < program.order[node] <= last]
    return all(
        node in own or all(are_exclusive(program, made.line, node) for made in found.wrappings) for node in between
    )
