"""`if stop: break` as the first line of an epoch: asked in front of the training, and behind every epoch.

A Trainer asks whether to stop behind an epoch. `for epoch in epochs: if stop: break; ...` does the same as
`for epoch in epochs: ...; if stop: break` under `if not stop:`, where the condition only reads what is there in front
of the loop, too, and may be asked once more. A setting that nothing changes is asked in front alone.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.flow import NOTHING, flow_of
from refactorer.analysis.parsed_arguments import is_only_read, is_setting
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply
from refactorer.idioms.asked_again import may_be_asked_again
from refactorer.idioms.progress.effects import is_simple
from refactorer.idioms.shapes import negated
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps
from refactorer.outline.site import Site


def tested_behind(program: Program, site: Site) -> cst.Module | None:
    """The file with the condition asked in front of the loop over the epochs and behind each; None if it cannot be."""
    loop = site.epoch_loop
    first, *rest = block_lines(loop.body)
    if site.form != "epochs" or not isinstance(loop, cst.For) or not _only_leaves(first) or not rest:
        return None
    assert isinstance(first, cst.If)
    if not _is_plain(program, loop, rest) or not _may_stand_in_front(program, loop, first.test):
        return None
    return apply(program.module, {loop: _guarded(program, loop, first, rest)})


def _guarded(program: Program, loop: cst.For, first: cst.If, rest: list[cst.CSTNode]) -> cst.If:
    """The loop under the condition that the first epoch is not left; `rest` are the other lines of an epoch."""
    settled = _is_settled(program, first.test)
    about, above = comments_of(first), list(loop.leading_lines)
    inside = [*comments_of(block_lines(first.body)[0]), *footer_of(first)]
    if settled:
        above += [*about, *inside]
    elif isinstance(rest[0], cst.If) and not rest[0].leading_lines:
        rest[0] = with_comments(rest[0], about)  # the comment is about both
        about = []
    if not settled:
        rest.append(first.deep_clone().with_changes(leading_lines=about))
    inner = loop.with_changes(body=loop.body.with_changes(body=rest), leading_lines=[])
    return cst.If(negated(first.test).deep_clone(), cst.IndentedBlock([inner]), leading_lines=above)


def _only_leaves(line: cst.CSTNode) -> bool:
    """Whether a line is `if condition: break`."""
    if not isinstance(line, cst.If) or line.orelse is not None:
        return False
    lines = block_lines(line.body)
    small = lines[0].body if len(lines) == 1 and isinstance(lines[0], cst.SimpleStatementLine) else ()
    return len(small) == 1 and isinstance(small[0], cst.Break)


def _is_plain(program: Program, loop: cst.For, rest: list[cst.CSTNode]) -> bool:
    """Whether every other epoch that ends reaches its last line, and it cannot be seen which one was begun last."""
    counted = isinstance(loop.iter, cst.Call) and program.qualified_name(loop.iter.func) == "builtins.range"
    variable = program.variables.get(loop.target)
    if loop.orelse is not None or not counted or variable is None:
        return False
    if any(isinstance(jump, cst.Continue) for jump in loop_jumps(rest)):
        return False
    return all(program.contains(loop, seen.node) for seen in variable.occurrences)


def _may_stand_in_front(program: Program, loop: cst.For, test: cst.BaseExpression) -> bool:
    """Whether a condition only reads variables that have a value even if there is no epoch."""
    if not is_simple(program, test) or not may_be_asked_again(program, test):
        return False
    own = program.variables[loop.target]
    bound = _surely_bound(program, loop)
    return all(variable is not own and variable in bound and _stays(variable) for _, variable in program.used([test]))


def _stays(variable: Variable) -> bool:
    return all(seen.access != "delete" for seen in variable.occurrences)


def _is_settled(program: Program, test: cst.BaseExpression) -> bool:
    """Whether a condition asks for settings alone, which are assigned nowhere, not even by code out of sight."""
    asked = [part for part in walk(test) if isinstance(part, cst.Attribute)]
    known = {part.value for part in asked if is_setting(program, part) and is_only_read(program, part)}
    return bool(asked) and all(part.value in known for part in asked) and {n for n, _ in program.used([test])} <= known


def _surely_bound(program: Program, loop: cst.For) -> frozenset[Variable]:
    """The variables that have a value whenever the loop is reached."""
    total, node = NOTHING, program.parent[loop]
    inner: cst.CSTNode = loop
    while True:
        if isinstance(node, (cst.IndentedBlock, cst.Module)):
            lines = list(node.body)
            total = flow_of(program, lines[: lines.index(inner)]).then(total)  # type: ignore[arg-type]
        if isinstance(node, cst.FunctionDef):
            given = (part for part in program.variables if isinstance(program.parent.get(part), cst.Param))
            parameters = frozenset(program.variables[part] for part in given if program.contains(node.params, part))
            return total.sure | parameters | flow_of(program, program.module.body).sure
        if isinstance(node, cst.Module):
            return total.sure
        inner, node = node, program.parent[node]
