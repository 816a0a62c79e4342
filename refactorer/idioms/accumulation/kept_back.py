"""`no_sync()` of a wrapped model, written as a flag for the conversion only: the Trainer then knows what it is for.

    if (i + 1) % n != 0:                             becomes    model.require_backward_grad_sync = (i + 1) % n == 0
        with model.no_sync():                                   loss = criterion(model(x), y)
            loss = criterion(model(x), y)                       loss.backward()
            loss.backward()                                     if (i + 1) % n == 0:
    else:                                                           optimizer.step()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

What counts is the flag when the model is called: a block around `backward()` alone keeps no gradients back, and the
flag is True.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst
from libcst import matchers

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.accumulation.contexts import METHOD, Context, find_context
from refactorer.idioms.accumulation.named_conditions import is_pure
from refactorer.idioms.accumulation.opposites import opposite
from refactorer.idioms.shapes import method_name, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import with_comments

FLAG = "require_backward_grad_sync"


@dataclass(frozen=True)
class _KeptBack:
    """A statement with `no_sync()`, the lines that it comes to, and what it stands for: `averages` is the condition."""

    statement: cst.CSTNode
    model: cst.BaseExpression
    averages: cst.BaseExpression
    lines: Sequence[cst.CSTNode]
    others: Sequence[cst.CSTNode] = ()
    gone: Sequence[cst.CSTNode] = ()


def with_flags(program: Program) -> str | None:
    """The text of a file with a flag in the place of each `no_sync()`; None if it has none, or one of another form."""
    edits: dict[cst.CSTNode, Edit] = {}
    for node in program.find(cst.Attribute):
        if node.attr.value != METHOD:
            continue
        found = _in_branches(program, node) or _in_block(program, find_context(program, node))
        lines = _rewritten(program, found) if found is not None else None
        if found is None or lines is None:
            return None
        edits[found.statement] = lines
        edits |= dict.fromkeys(found.gone)
    return apply(program.module, edits).code if edits else None


def _in_branches(program: Program, node: cst.Attribute) -> _KeptBack | None:
    """`if counts: with model.no_sync(): ...` with an `else` that begins with the same lines."""
    call = program.parent[node]
    item = program.parent[call]
    block = program.parent[item]
    if not isinstance(call, cst.Call) or call.args or not isinstance(item, cst.WithItem) or item.asname is not None:
        return None
    branch = program.parent[program.parent[block]]
    if not isinstance(block, cst.With) or len(block.items) != 1 or block_lines(program.parent[block]) != [block]:  # type: ignore[arg-type]
        return None
    first = branch if isinstance(branch, cst.If) else program.parent[branch]
    if not isinstance(first, cst.If) or not isinstance(first.orelse, cst.Else):
        return None
    if isinstance(program.parent[first], cst.If) or not isinstance(branch, (cst.If, cst.Else)):
        return None
    averages = first.test if isinstance(branch, cst.Else) else opposite(first.test)
    lines, own = block_lines((first if branch is not first else first.orelse).body), block_lines(block.body)
    if _code(lines[: len(own)]) != _code(own):
        return None
    return _KeptBack(first, node.value, averages, lines[: len(own)], lines[len(own) :])


def _in_block(program: Program, found: Context | None) -> _KeptBack | None:
    """`with context:` where the context is `model.no_sync()` or nothing, as a condition says."""
    if found is None:
        return None
    lines = block_lines(found.block.body)
    items = [item for item in found.block.items if item is not found.item]
    if items:
        last = items[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        lines = [found.block.with_changes(items=[*items[:-1], last], leading_lines=[])]
    if found.entered is not None:
        lines = [line for line in lines if line is not found.entered]
    averages = opposite(found.test) if found.holds else found.test
    return _KeptBack(found.block, found.model, averages, lines, gone=found.made)


def _rewritten(program: Program, found: _KeptBack) -> list[cst.CSTNode] | None:
    """The lines without `no_sync()`; None where it is not known what the condition, or the block, is about."""
    if not _is_asked_again(program, found):
        return None
    whole = _calls(program, found)
    if not whole and not all(method_name(only_call(line)) == "backward" for line in found.lines):
        return None
    target = cst.AssignTarget(cst.Attribute(found.model, cst.Name(FLAG)))
    flag = cst.Assign([target], found.averages if whole else cst.Name("True"))
    lines = [cst.SimpleStatementLine([flag]), *found.lines]
    if found.others:
        lines.append(cst.If(found.averages, cst.IndentedBlock(found.others)))  # type: ignore[arg-type]
    staying = {id(comment) for line in lines for comment in matchers.findall(line, matchers.Comment())}
    statements = (*found.gone, found.statement)
    comments = [comment for line in statements for comment in matchers.findall(line, matchers.Comment())]
    lost = [cst.EmptyLine(comment=comment) for comment in comments if id(comment) not in staying]  # type: ignore[arg-type]
    return [with_comments(lines[0], lost), *lines[1:]]


def _is_asked_again(program: Program, found: _KeptBack) -> bool:
    """Whether the condition has no effects, and shows the same behind the lines."""
    if not is_pure(program, found.averages):
        return False
    asked = {part.value for part in walk(found.averages) if isinstance(part, cst.Name)}
    bound = {v.name for node, v in program.used(found.lines) if program.access(node) != "read"}
    return not asked & bound


def _calls(program: Program, found: _KeptBack) -> bool:
    """Whether the lines call the model, or hand it to a function."""
    model = _code([cst.Expr(found.model)])
    places = [node.func for line in found.lines for node in walk(line) if isinstance(node, cst.Call)]
    places += [node.value for line in found.lines for node in walk(line) if isinstance(node, cst.Arg)]
    return any(_code([cst.Expr(place)]) == model for place in places)


def _code(lines: Sequence[cst.CSTNode]) -> str:
    """What some lines say, whatever their comments and their layout."""
    body = [cst.SimpleStatementLine([line]) if isinstance(line, cst.Expr) else line for line in lines]
    return ast.dump(ast.parse(cst.Module(body).code))  # type: ignore[arg-type]
