"""`if rank == 0:` in the hooks, where `rank` is surely the number of the process in the group of the Trainer."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.distributed.handed import given
from refactorer.idioms.distributed.processes import GROUP_MAKERS
from refactorer.outline.functions.shapes_of_values import tuple_element
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of

_GET_RANK = ("torch.distributed.get_rank", "torch.distributed.distributed_c10d.get_rank")


def ask_trainer(outline: Outline) -> None:
    """The hooks ask the Trainer whether they run in the first process, wherever they ask for its number."""
    found = _rank_of_group(outline.program)
    made = outline.bindings.canonical(found) if found is not None else None
    for hook, body in list(outline.hooks.items()):
        edits: dict[cst.CSTNode, Edit] = {}
        for node in walk(*body):
            answer = _answer(outline, node, made)
            if answer is not None:
                edits[node] = answer
        if edits:
            outline.edit(hook, edits)


def _answer(outline: Outline, node: cst.CSTNode, made: Variable | None) -> cst.BaseExpression | None:
    """What the Trainer says instead of `rank == 0`, `0 == rank`, `rank != 0` or `not rank`."""
    asked, unequal = _asked(node)
    if asked is None or not _is_rank(outline, asked, made):
        return None
    first = cst.parse_expression("self.trainer.is_global_zero")
    assert isinstance(node, (cst.Comparison, cst.UnaryOperation))
    answer = cst.UnaryOperation(cst.Not(), first) if unequal else first
    return answer.with_changes(lpar=node.lpar, rpar=node.rpar)


def _asked(node: cst.CSTNode) -> tuple[cst.BaseExpression | None, bool]:
    """The number that is compared with zero, and whether it is asked to be another one."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        return node.expression, False
    if not isinstance(node, cst.Comparison) or len(node.comparisons) != 1:
        return None, False
    target = node.comparisons[0]
    sides = (node.left, target.comparator)
    numbers = [side for side in sides if not (isinstance(side, cst.Integer) and side.evaluated_value == 0)]
    if len(numbers) != 1 or not isinstance(target.operator, (cst.Equal, cst.NotEqual)):
        return None, False
    return numbers[0], isinstance(target.operator, cst.NotEqual)


def _is_rank(outline: Outline, node: cst.BaseExpression, made: Variable | None) -> bool:
    if isinstance(node, cst.Name):
        return _holds_rank(outline.program, outline.variable(node), made)
    return _asks_group(outline.program, node)


def _holds_rank(program: Program, variable: Variable | None, made: Variable | None) -> bool:
    if variable is None or len(variable.writes) != 1:
        return False
    value = program.assigned_value(variable) or tuple_element(program, variable.writes[0].node)
    inner = program.variables.get(value) if isinstance(value, cst.Name) else None
    if inner is not None and inner is not variable and inner.owner is not variable.owner:
        return _holds_rank(program, inner, made)  # what a function of the file returns
    return variable is made or (value is not None and _asks_group(program, value))


def _asks_group(program: Program, node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and not node.args and program.qualified_name(node.func) in _GET_RANK


def _rank_of_group(program: Program) -> Variable | None:
    """The variable whose value is the number of the process in the only group that the file makes."""
    calls = [call for call in program.calls if program.qualified_name(call.func) in GROUP_MAKERS]
    ranks = [arg.value for call in calls for arg in call.args if arg.keyword and arg.keyword.value == "rank"]
    if len(calls) != 1 or len(ranks) != 1:
        return None
    variable = program.variables.get(ranks[0])
    parameter = program.definition(variable)
    function = program.enclosing_function(parameter) if isinstance(parameter, cst.Param) else None
    uses = uses_of(program, function) if function is not None else []
    call = program.parent.get(uses[0]) if len(uses) == 1 else None
    if not isinstance(parameter, cst.Param) or function is None or not isinstance(call, cst.Call):
        return variable
    handed = (given(program, function, call) or {}).get(parameter) if call.func is uses[0] else None
    outer = program.variables.get(handed) if handed is not None else None
    return outer if outer is not None and variable is not None and len(variable.writes) == 1 else variable
