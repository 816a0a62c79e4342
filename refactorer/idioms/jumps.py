"""`break` and `continue` of a loop become a return from the hook that runs its body."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.walk import children
from refactorer.emit.edits import Edit
from refactorer.outline.blocks import one_line_each
from refactorer.outline.control import loop_jumps


def leave_step(
    statements: Sequence[cst.CSTNode],
    value: cst.BaseExpression | None,
    is_end: bool,
    verb: str = "stop_epoch",
    mark: str | None = None,
) -> dict[cst.CSTNode, Edit]:
    """Edits for the body of a step: `continue` returns, `break` also stops the loop by `verb`; `value` is returned.

    `is_end` says that the statements are the end of the step, so that nothing need be jumped over behind the last;
    `mark` is the attribute that records a `break`.
    """
    last = _last_jumps(statements) if is_end else []
    return {
        jump: _break(verb, value, jump in last, mark) if isinstance(jump, cst.Break) else [cst.Return(value)]
        for jump in loop_jumps(statements)
    }


def leave_epoch(statements: Sequence[cst.CSTNode], mark: str | None, skips: bool = False) -> dict[cst.CSTNode, Edit]:
    """Edits for a hook of an epoch: `continue` returns, `break` also ends the training, and sets `mark`.

    `skips` says that the batches are yet to come: then `continue` skips them, and all that follows in the epoch.
    """
    last = _last_jumps(statements)
    edits: dict[cst.CSTNode, Edit] = {}
    for jump in loop_jumps(statements):
        if isinstance(jump, cst.Break):
            edits[jump] = _break("stop_training", None, jump in last, mark)
        else:
            edits[jump] = _stop("skip_epoch", None, jump in last) if skips else [cst.Return()]
    return edits


def _last_jumps(statements: Sequence[cst.CSTNode]) -> list[cst.CSTNode]:
    """The jumps that stand where the code ends anyway: last in a body, or in the branches of a last `if`."""
    if not statements:
        return []
    last = statements[-1]
    if isinstance(last, cst.SimpleStatementLine):
        return [last.body[-1]]
    if not isinstance(last, (cst.If, cst.Else)):
        return [last]
    found = _last_jumps(list(last.body.body))
    return found + (_last_jumps([last.orelse]) if isinstance(last, cst.If) and last.orelse is not None else [])


def _break(verb: str, value: cst.BaseExpression | None, last: bool, mark: str | None) -> list[cst.CSTNode]:
    stop = _stop(verb, value, last)
    if mark is not None:
        target = cst.Attribute(cst.Name("self"), cst.Name(mark))
        stop.insert(0, cst.Assign([cst.AssignTarget(target)], cst.Name("True")))
    return stop


def _stop(verb: str, value: cst.BaseExpression | None, last: bool) -> list[cst.CSTNode]:
    """The call of a verb of the module, and the return from the hook where that does not end anyway."""
    stop = cst.Expr(cst.parse_expression(f"self.{verb}()"))
    return [stop] if last else [stop, cst.Return(value)]


def on_lines(statements: Sequence[cst.CSTNode], edits: dict[cst.CSTNode, Edit]) -> dict[cst.CSTNode, Edit]:
    """Turns edits of jumps into edits of their lines, so that each new statement stands on its own line."""
    result: dict[cst.CSTNode, Edit] = {}
    pending = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, cst.SimpleStatementLine):
            small = next((s for s in node.body if s in edits), None)
            if small is not None:
                result[node] = _split(node, small, edits[small])
        elif isinstance(node, cst.SimpleStatementSuite):
            small = next((s for s in node.body if s in edits), None)
            if small is not None:
                line = cst.SimpleStatementLine(node.body, trailing_whitespace=node.trailing_whitespace)
                result[node] = cst.IndentedBlock(_split(line, small, edits[small]))  # type: ignore[arg-type]
        else:
            pending.extend(children(node))
    return result


def _split(line: cst.SimpleStatementLine, small: cst.CSTNode, replacement: Edit) -> list[cst.CSTNode]:
    assert isinstance(replacement, list)
    before = [s for s in line.body if s is not small]
    return one_line_each([*before, *replacement], line)
