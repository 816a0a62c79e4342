"""A function that evaluates and ends with an `if` that returns in each branch: a copy of it returns once, behind it.

if regression:                               becomes, for error = validate(...),
    print(errors)                                if regression:
    return errors.avg                                print(errors)
else:                                                error = errors.avg
    print(scores)                                else:
    return scores.avg                                print(scores)
                                                     error = scores.avg
                                                 return error
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of
from refactorer.outline.control import returns, suspensions
from refactorer.outline.functions.result_of_call import does_something


def with_one_return(
    program: Program, function: cst.FunctionDef, call: cst.Call, body: Sequence[cst.CSTNode]
) -> list[cst.CSTNode] | None:
    """The body of a function for one call, with one `return` at its end; None if it cannot be put like that.

    Where the caller does nothing with what is returned, nothing is.
    """
    last = body[-1] if body else None
    if not isinstance(last, cst.If) or returns(body[:-1]) or suspensions(body):
        return None
    wanted = not isinstance(program.parent.get(call), cst.Expr)
    name = _name_of_result(program, function, call) if wanted else None
    joined = _joined(program, last, name)
    if joined is None:
        return None
    end = [cst.SimpleStatementLine([cst.Return(cst.Name(name))])] if name is not None else []
    return [*body[:-1], joined, *end]


def _name_of_result(program: Program, function: cst.FunctionDef, call: cst.Call) -> str:
    """The name that the caller gives to what the function returns, or one that the function does not know."""
    assign = program.parent.get(call)
    target = assign.targets[0].target if isinstance(assign, cst.Assign) and len(assign.targets) == 1 else None
    used = {node.value for node in walk(function) if isinstance(node, cst.Name)}
    if isinstance(target, cst.Name) and target.value not in used:
        return target.value
    name = "result"
    while name in used:
        name += "_"
    return name


def _joined(program: Program, branch: cst.If | cst.Else, name: str | None) -> cst.If | cst.Else | None:
    """A branch, and those behind it, with an assignment for each `return`; None if one goes on without."""
    if isinstance(branch, cst.If):
        orelse = _joined(program, branch.orelse, name) if branch.orelse is not None else None
        if orelse is None:
            return None
        branch = branch.with_changes(orelse=orelse)
    *lines, last = block_lines(branch.body)
    end = _without_return(program, last, name)
    if end is None or returns(lines) or not isinstance(branch.body, cst.IndentedBlock) or not (lines or end):
        return None
    return branch.with_changes(body=branch.body.with_changes(body=[*lines, *end]))


def _without_return(program: Program, line: cst.CSTNode, name: str | None) -> list[cst.CSTNode] | None:
    """The last line of a branch with an assignment in the place of its `return`; None if it does not return."""
    if isinstance(line, cst.If):
        joined = _joined(program, line, name)
        return [joined] if joined is not None else None
    left = line.body[-1] if isinstance(line, cst.SimpleStatementLine) else None
    if isinstance(left, cst.Raise):
        return [line]
    if not isinstance(line, cst.SimpleStatementLine) or not isinstance(left, cst.Return):
        return None
    value = left.value if left.value is not None else cst.Name("None")
    small: list[cst.BaseSmallStatement] = []
    if name is not None:
        small = [cst.Assign([cst.AssignTarget(cst.Name(name))], value)]
    elif does_something(program, value):
        small = [cst.Expr(value)]
    elif comments_of(line):
        return None
    kept = [*line.body[:-1], *small]
    return [line.with_changes(body=kept)] if kept else []
