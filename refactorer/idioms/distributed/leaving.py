"""Blocks that use the model in front of the training and leave the script: `if args.evaluate: validate(model); return`.

All processes enter them, or none. No Trainer ever trains there, so they wrap the model themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.emit.edits import Edit
from refactorer.idioms.distributed.branches import branches
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
    if _chosen(outline, found) is None:
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
    made, value = found.wrappings[0].line, _chosen(outline, found)
    small = made.body[0].with_changes(value=value)
    line: cst.BaseStatement = cst.SimpleStatementLine([small])
    if asked is not None:
        line = cst.If(asked, cst.IndentedBlock([line]))
    first = block_lines(block)[0]
    return {first: [line, first]}


def _chosen(outline: Outline, found: Wrapper) -> cst.BaseExpression | None:
    """What wraps the model, by a condition if two lines of an `if` do; None if new code cannot say it."""
    program, first = outline.program, found.wrappings[0]
    if first.made is not None or len(found.wrappings) > 2:
        return None
    if len(found.wrappings) == 1:
        return first.call
    second = found.wrappings[1]
    choice = next(branches(program, first.line))[0]
    other = choice.orelse.body if isinstance(choice.orelse, cst.Else) else None
    if first.line not in choice.body.body or other is None or second.line not in other.body:
        return None
    if not is_settled(outline, choice.test, choice):
        return None
    return cst.IfExp(choice.test, _on_one_line(first.call), _on_one_line(second.call))


def _on_one_line(call: cst.Call) -> cst.Call:
    """A call without its line breaks; comments in it stay with the line that they stand in."""
    if not call.args:
        return call
    *rest, last = call.args
    args = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in rest]
    space = cst.SimpleWhitespace("")
    plain = [arg.with_changes(whitespace_after_arg=space) for arg in (*args, last)]
    plain[-1] = plain[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return call.with_changes(args=plain, whitespace_before_args=space)


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
    stores += [node for node in program.find(cst.Attribute) if node.attr.value in held and _is_stored(program, node)]
    own = {program.parent[call].targets[0].target for call in calls}  # type: ignore[attr-defined]
    return not any(first < program.order[node] <= last for node in stores if node in program.order and node not in own)


def _is_stored(program: Program, node: cst.Attribute) -> bool:
    return isinstance(program.parent.get(node), (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Element, cst.Del))
