"""Conditions with names that optimizers step under, spelled out for the conversion only: the Trainer counts batches.

update = (i + 1) % n == 0              becomes    if (i + 1) % n == 0:
...                                                   optimizer.step()
if update:
    optimizer.step()
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.idioms.shapes import method_name, only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of
from refactorer.outline.worked_out import computes

_TESTS = (cst.If, cst.IfExp)
_PURE = (
    cst.Name, cst.Attribute, cst.Integer, cst.Comparison, cst.ComparisonTarget, cst.BooleanOperation,
    cst.BinaryOperation, cst.UnaryOperation, cst.Call, cst.Arg, cst.BaseCompOp, cst.BaseBooleanOp, cst.BaseBinaryOp,
    cst.BaseUnaryOp,
)  # fmt: skip


def is_pure(program: Program, test: cst.BaseExpression) -> bool:
    """Whether a condition is made of numbers and lengths, so that it may be asked a second time."""
    parts = list(walk(test))
    lengths = all(program.qualified_name(part.func) == "builtins.len" for part in parts if isinstance(part, cst.Call))
    computed = any(isinstance(part, cst.Attribute) and computes(program, part.attr.value) for part in parts)
    return lengths and not computed and all(isinstance(part, _PURE) for part in parts)


def spelled_out(program: Program) -> str | None:
    """The text of a file without names for such conditions; None if it has none."""
    edits: dict[cst.CSTNode, Edit] = {}
    for line in program.find(cst.SimpleStatementLine):
        small = line.body[0] if len(line.body) == 1 else None
        if isinstance(small, cst.Assign) and len(small.targets) == 1 and _counts(small.value):
            variable = program.variables.get(small.targets[0].target)
            if variable is not None and _is_spelled_out(program, line, small.value, variable):
                edits |= {seen.node: _in_brackets(program, seen.node, small.value) for seen in variable.reads}
                edits[line] = Removed(comments_of(line))
    return apply(program.module, edits).code if edits else None


def _counts(value: cst.BaseExpression) -> bool:
    """Whether a value is a condition that divides something and looks at what remains."""
    tests = (cst.Comparison, cst.BooleanOperation, cst.UnaryOperation)
    return isinstance(value, tests) and any(isinstance(part, cst.Modulo) for part in walk(value))


def _is_spelled_out(program: Program, line: cst.CSTNode, value: cst.BaseExpression, variable: Variable) -> bool:
    """Whether a name means its condition wherever it is read, and an optimizer steps under it."""
    loop = program.parent[program.parent[line]]
    if not isinstance(loop, cst.For) or len(variable.writes) != 1 or not is_pure(program, value):
        return False
    reads = [seen.node for seen in variable.reads]
    later = all(
        node in program.order and program.contains(loop, node) and program.order[node] > program.order[line]
        and program.enclosing_function(node) is program.enclosing_function(line)
        for node in reads
    )  # fmt: skip
    if not later or not all(_is_asked(program, node) for node in reads):
        return False
    asked = {used for _, used in program.used([value])}
    bound = {used for node, used in program.used([loop.body]) if program.access(node) != "read"}
    return not asked & bound and any(_steps(program.parent[node], node) for node in reads)


def _is_asked(program: Program, node: cst.CSTNode) -> bool:
    """Whether a name is a condition, or a part of one."""
    outer = program.parent[node]
    while isinstance(outer, (cst.BooleanOperation, cst.UnaryOperation)):
        node, outer = outer, program.parent[outer]
    return isinstance(outer, _TESTS) and outer.test is node


def _steps(branch: cst.CSTNode, test: cst.CSTNode) -> bool:
    """Whether something steps under a condition."""
    if not isinstance(branch, cst.If) or branch.test is not test:
        return False
    return any(method_name(only_call(line)) == "step" for line in block_lines(branch.body))


def _in_brackets(program: Program, place: cst.CSTNode, value: cst.BaseExpression) -> cst.BaseExpression:
    """A copy of the condition for a place."""
    copied = value.deep_clone()
    if isinstance(program.parent[place], cst.If) or copied.lpar:
        return copied
    return copied.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
