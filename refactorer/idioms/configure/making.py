"""The statement that makes an optimizer or a scheduler: one line, or an `if` that chooses between optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children
from refactorer.idioms.schedulers.rates import Function, functions_asked, with_called
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.objects.torch_names import names_optimizer
from refactorer.outline.outline import Outline

_ASKING = (
    cst.Attribute, cst.Comparison, cst.ComparisonTarget, cst.BooleanOperation, cst.UnaryOperation, cst.Tuple, cst.List,
    cst.Element,
)  # fmt: skip
_OPERATORS = (cst.BaseCompOp, cst.BaseBooleanOp, cst.Not)


@dataclass(frozen=True)
class Making:
    """The calls of which one makes an object, and the conditions that choose between them, all in one statement.

    `functions` are those that the object asks for learning rates, as far as they are known, and that these call.
    """

    line: cst.CSTNode
    calls: tuple[cst.Call, ...]
    tests: tuple[cst.BaseExpression, ...] = ()
    functions: tuple[Function, ...] = ()

    @property
    def always(self) -> bool:
        """Whether one of the calls is made in any case."""
        return len(self.calls) > len(self.tests)

    @property
    def whole(self) -> cst.CSTNode:
        """All that is evaluated to make the object."""
        return self.line if self.tests else self.calls[0]

    @property
    def parts(self) -> tuple[cst.CSTNode, ...]:
        """All that runs when the object is made."""
        return (self.whole, *self.functions)


def making_of(program: Program, variable: Variable) -> Making | None:
    """How a variable is made; None where that is not known."""
    value = program.assigned_value(variable)
    if isinstance(value, cst.Call):
        asked = (function for function in functions_asked(program, value) if function is not None)
        functions = [called for function in asked for called in with_called(program, function)]
        return Making(program.statement(value), (value,), functions=tuple(dict.fromkeys(functions)))
    if not variable.writes:
        return None
    line = program.parent.get(program.parent[program.statement(variable.writes[0].node)])
    tests: list[cst.BaseExpression] = []
    calls: list[cst.Call] = []
    branch = line
    while isinstance(branch, (cst.If, cst.Else)):
        call = _only_call(program, branch.body, variable)
        if call is None:
            return None
        calls.append(call)
        tests += [branch.test] if isinstance(branch, cst.If) else []
        branch = branch.orelse if isinstance(branch, cst.If) else None
    only = isinstance(line, cst.If) and len(calls) == len(variable.writes)
    return Making(line, tuple(calls), tuple(tests)) if only and line is not None else None


def _only_call(program: Program, block: cst.BaseSuite, variable: Variable) -> cst.Call | None:
    """The call of an optimizer's class by which the one line of a branch binds a variable."""
    lines = list(block.body)
    line = lines[0] if len(lines) == 1 else None
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1 or not isinstance(small.value, cst.Call):
        return None
    same = program.variables.get(small.targets[0].target) is variable
    return small.value if same and names_optimizer(program.qualified_name(small.value.func)) else None


def asks_settings(outline: Outline, roles: Roles, making: Making) -> bool:
    """Whether the conditions only compare settings of the script with values that are written out."""
    return all(_asks_settings(outline, roles, test) for test in making.tests)


def _asks_settings(outline: Outline, roles: Roles, node: cst.CSTNode) -> bool:
    if is_constant(node) or isinstance(node, _OPERATORS):
        return True
    if isinstance(node, cst.Name):
        variable = outline.variable(node)
        if variable is None or variable.owner is None or variable in roles.models:
            return False
        return all(seen.node not in outline.program.imports for seen in variable.writes)
    if isinstance(node, cst.Attribute):
        return _asks_settings(outline, roles, node.value)
    return isinstance(node, _ASKING) and all(_asks_settings(outline, roles, child) for child in children(node))


def statements_of(program: Program, variables: tuple[Variable, ...]) -> Iterator[cst.CSTNode]:
    """The statements that make some optimizers and schedulers."""
    for variable in variables:
        making = making_of(program, variable)
        yield making.line if making is not None else program.statement(variable.writes[0].node)


def reads(outline: Outline, line: cst.CSTNode, parts: Iterable[cst.CSTNode]) -> list[Variable]:
    """The variables that decide what some code makes, those that its line binds aside."""
    used = dict.fromkeys(variable for _, variable in outline.uses(*parts))
    return [v for v in used if not any(outline.program.contains(line, seen.node) for seen in v.writes)]
