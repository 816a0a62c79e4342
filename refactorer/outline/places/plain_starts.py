"""Lines such as `best = 0` in front of the training, which may stand in the constructor as well."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import binds_only_names, names_bound_by
from refactorer.outline.outline import Outline
from refactorer.outline.places.accumulators import assigned_pairs
from refactorer.outline.places.liveness import Liveness


def plain_start(lives: Liveness, variable: Variable) -> cst.SimpleStatementLine | None:
    """The line `x = 0` or `x = y = 0` in front of the training that can move into the constructor."""
    program, loop = lives.program, lives.site.epoch_loop
    outside = [seen for seen in variable.writes if not lives.is_inside(seen.node)]
    before = [seen for seen in outside if seen.order < program.order[loop]]
    if len(before) != 1:
        return None
    line = program.statement(before[0].node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or not gives_plain_values(small):
        return None
    if program.parent[line] is not program.parent[loop] or program.order[line] < lives.outline.reflection:
        return None
    between = [s for s in variable.occurrences if not lives.is_inside(s.node) and 0 <= s.order < program.last[loop]]
    return line if between == before and isinstance(line, cst.SimpleStatementLine) else None


def without(
    outline: Outline, line: cst.SimpleStatementLine, gone: Collection[Variable]
) -> cst.SimpleStatementLine | None:  # fmt: skip
    """The line without the variables in `gone`: `a = 0` for `a, n = 0, 0`; None if it binds no others."""
    small = line.body[0]
    assert isinstance(small, cst.Assign)
    kept = [pair for pair in assigned_pairs(small) if outline.variable(pair[0]) not in gone]
    if len(kept) == len(names_bound_by(small)):
        return line
    if not kept:
        return None
    names, values = zip(*kept, strict=True)
    target, value = (_joined(part) for part in (names, values))
    assign = small.with_changes(targets=[small.targets[0].with_changes(target=target)], value=value)
    return line.with_changes(body=[assign])


def _joined(parts: Sequence[cst.BaseExpression]) -> cst.BaseExpression:
    """The only part, or a tuple of them without parentheses."""
    return parts[0] if len(parts) == 1 else cst.Tuple([cst.Element(part) for part in parts], lpar=(), rpar=())


def gives_plain_values(assign: cst.Assign) -> bool:
    """Whether an assignment binds names, each to a plain value of its own: `x = 0`, `x = y = 0`, `x, y = 0, []`."""
    pairs = assigned_pairs(assign)
    return binds_only_names(assign) and is_plain(assign.value) and len(pairs) == len(names_bound_by(assign)) > 0


def is_plain(node: cst.CSTNode) -> bool:
    """A literal that can be written anywhere: numbers, strings, None, empty containers, float('inf')."""
    if isinstance(node, cst.Call):
        text = cst.Module([]).code_for_node(node)
        return text.replace('"', "'") in ("float('inf')", "float('-inf')", "float('Inf')", "-float('inf')")
    if isinstance(node, cst.UnaryOperation):
        return is_plain(node.expression)
    if isinstance(node, cst.Name):
        return node.value in ("None", "True", "False")
    if isinstance(node, (cst.List, cst.Tuple)):
        return all(is_plain(element.value) for element in node.elements)
    return isinstance(node, (cst.Integer, cst.Float, cst.SimpleString)) or (
        isinstance(node, cst.Dict) and not node.elements
    )
