"""Conditions that show the same from a line on, so that they may be asked again: `args.use_ddp`, `world_size > 1`."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Scope, Variable
from refactorer.analysis.walk import walk
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import loops_around, uses_of

_FORMS = (
    cst.Name, cst.Attribute, cst.Integer, cst.SimpleString, cst.Comparison, cst.ComparisonTarget, cst.UnaryOperation,
    cst.BooleanOperation, cst.BaseCompOp, cst.BaseUnaryOp, cst.BaseBooleanOp,
)  # fmt: skip
_MEDDLERS = ("setattr", "vars", "delattr", "exec", "eval", "globals", "locals")
_VALUES = (cst.Comparison, cst.UnaryOperation, cst.Integer, cst.SimpleString, cst.Attribute)
_MAKERS = (
    "builtins.int", "builtins.bool", "builtins.len", "os.environ.get", "os.getenv", "torch.cuda.is_available",
    "torch.cuda.device_count", "torch.distributed.is_", "torch.distributed.get_",
)  # fmt: skip
_TAKERS = ("builtins.print", "builtins.range", "torch.utils.data.", "torch.manual_seed", "torch.distributed.init_")


def is_settled(outline: Outline, test: cst.BaseExpression, line: cst.CSTNode, scope: Scope | None = None) -> bool:
    """Whether an expression has no effect, and shows the same wherever the driver or a hook asks it behind a line.

    `scope` is that of the line, if it is not the driver but calls it.
    """
    program, scope = outline.program, scope or outline.site.driver
    if not all(isinstance(node, _FORMS) for node in walk(test)):
        return False
    if any(program.qualified_name(call.func) in {f"builtins.{name}" for name in _MEDDLERS} for call in program.calls):
        return False
    for node, variable in outline.uses(test):
        if variable.owner is None and variable.name in ("None", "True", "False"):
            continue
        if not _is_bound_before(outline, variable, line, scope):
            return False
        holder = program.parent[node]
        if isinstance(holder, cst.Attribute):
            if isinstance(program.parent[holder], cst.Attribute) or not _keeps(outline, variable, holder, line, scope):
                return False
        elif not _is_value(outline, variable):
            return False
    return True


def _is_bound_before(outline: Outline, variable: Variable, line: cst.CSTNode, scope: Scope) -> bool:
    """Whether a scope, or the file around it, binds a variable in front of a line, and nobody binds it again."""
    program = outline.program
    top = program.scope[program.module]
    if variable.owner not in (scope, top) or not variable.writes:
        return False
    for seen in variable.writes:
        here = seen.scope.function is variable.owner and seen.node in program.order
        # what the file binds at its end is bound when it calls the function there
        ahead = here and (variable.owner is not scope or program.order[seen.node] < program.order[line])
        if not ahead or isinstance(program.parent.get(seen.node), (cst.ImportAlias, cst.Attribute)):
            return False
    return True


def _is_value(outline: Outline, variable: Variable) -> bool:
    """Whether a name holds a number, a string or a truth value, which nobody can change in place."""
    program = outline.program
    if any(isinstance(program.parent.get(seen.node), (cst.Attribute, cst.Subscript)) for seen in variable.reads):
        return False
    if all(_binds_value(outline, seen) for seen in variable.writes):
        return True
    # out of sight where it comes from, but compared with numbers, and handed to nobody who could change it
    reads = [program.parent.get(seen.node) for seen in variable.reads]
    compared = any(_is_compared(program, seen.node) for seen in variable.reads)
    return compared and all(_is_handed_on(program, read) for read in reads if isinstance(read, cst.Arg))


def _binds_value(outline: Outline, seen: Occurrence) -> bool:
    if isinstance(outline.program.parent.get(seen.node), cst.Param):
        return True
    return _makes_value(outline.program, outline.program.bound_to(seen.node))


def _makes_value(program: Program, value: cst.CSTNode | None) -> bool:
    if isinstance(value, cst.IfExp):
        return _makes_value(program, value.body) and _makes_value(program, value.orelse)
    if isinstance(value, cst.Call):
        return (program.qualified_name(value.func) or "").startswith(_MAKERS)
    if isinstance(value, cst.Name):
        return value.value in ("None", "True", "False")
    return isinstance(value, _VALUES)


def _is_compared(program: Program, node: cst.CSTNode) -> bool:
    outer = program.parent.get(node)
    targets = outer.comparisons if isinstance(outer, cst.Comparison) else ()
    return bool(targets) and all(isinstance(target.comparator, cst.Integer) for target in targets)


def _is_handed_on(program: Program, arg: cst.Arg) -> bool:
    call = program.parent.get(arg)
    name = (program.qualified_name(call.func) or "") if isinstance(call, cst.Call) else ""
    return name.startswith(_TAKERS)


def _keeps(
    outline: Outline, variable: Variable, setting: cst.Attribute, line: cst.CSTNode, scope: Scope
) -> bool:  # fmt: skip
    """Whether nobody sets an attribute of that name behind a line, or hands the object to code out of sight there."""
    program = outline.program
    for node in program.find(cst.Attribute):
        if node.attr.value == setting.attr.value and is_stored(program, node):
            own = program.scope_of(node) is scope and outline.variable(node.value) is variable
            ahead = own and program.order[node] < program.order[line]
            early = _is_set_by_the_file(program, scope.node, node) or _is_set_by_the_caller(program, scope.node, node)
            if not (ahead or early):
                return False
    return all(_only_reads(outline, seen.node) for seen in _reads_behind(outline, variable, line, scope))


def _is_set_by_the_file(program: Program, driver: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether a line of the file itself runs once, in front of all that mentions the driver."""
    if program.enclosing_function(node) is not None or loops_around(program, node):
        return False
    return isinstance(driver, cst.FunctionDef) and all(
        program.order[node] < program.order[use] for use in uses_of(program, driver)
    )


def _is_set_by_the_caller(program: Program, driver: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether a line runs once, in front of the driver: in the function that calls it, which the file itself calls."""
    caller = program.enclosing_function(node)
    if caller is None or not isinstance(driver, cst.FunctionDef) or loops_around(program, node):
        return False
    calls, mentions = uses_of(program, caller), uses_of(program, driver)
    once = len(calls) == 1 and program.enclosing_function(calls[0]) is None and not loops_around(program, calls[0])
    known = once and bool(mentions) and all(program.enclosing_function(use) is caller for use in mentions)
    return known and all(program.order[node] < program.order[use] for use in mentions)


def _reads_behind(outline: Outline, variable: Variable, line: cst.CSTNode, scope: Scope) -> list[Occurrence]:
    """The reads behind a line, and those in functions, under the names of their parameters too."""
    program = outline.program
    same = {raw for raw in program.variables.values() if outline.bindings.canonical(raw) is variable}
    if scope is not outline.site.driver:  # which is handed it, and may hand it on
        every = program.variables.values()
        same |= {raw for raw in every if raw.owner is outline.site.driver and raw.name == variable.name}
    return [
        seen for raw in same for seen in raw.reads
        if seen.node in program.order
        and (program.order[seen.node] > program.order[line] or seen.scope.function is not scope)
    ]  # fmt: skip


def _only_reads(outline: Outline, node: cst.CSTNode) -> bool:
    program = outline.program
    parent = program.parent[node]
    if isinstance(parent, cst.Attribute):
        return parent.attr.value != "__dict__"
    call = program.parent[parent] if isinstance(parent, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return False
    return program.function(call.func) is not None or program.qualified_name(call.func) == "builtins.print"
