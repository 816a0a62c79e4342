"""Copies of functions for what is known of a parameter, and whether such a copy computes gradients."""

from __future__ import annotations

import symtable
from collections.abc import Mapping, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.blocks import block_lines
from refactorer.outline.functions.arguments import matched
from refactorer.outline.training.known_values import Value, constant
from refactorer.outline.training.specialise import CannotSpecialise, specialise, specialised

Known = Mapping[Variable, Value]


def body_for(
    program: Program, function: cst.FunctionDef, known: Known, calls: Sequence[cst.Call] = ()
) -> list[cst.CSTNode]:
    """The body of a function for known values of parameters, and of variables that follow from them.

    Raises:
        CannotSpecialise: it is used in a way whose meaning is not worked out.
    """
    lines = block_lines(function.body)
    try:
        found, gone = _with_derived(program, function, known)
        return specialise(program, lines, found, calls, gone)
    except CannotSpecialise:
        return specialise(program, lines, known, calls)


def _with_derived(program: Program, function: cst.FunctionDef, known: Known) -> tuple[Known, list[cst.CSTNode]]:
    """Also `is_train = optimizer is not None`, which is a constant then; and the lines that are not needed any more."""
    found = dict(known)
    gone: list[cst.CSTNode] = []
    for line in program.find(cst.SimpleStatementLine, function):
        target = assigned(line)
        variable = program.variables.get(target) if target is not None else None
        if variable is None or len(variable.writes) != 1 or variable.owner is not program.scope[function]:
            continue
        value = line.body[0].value  # type: ignore[attr-defined]
        if any(other in found for _, other in program.used([value])) and is_set_first(program, variable, line):
            new = constant(specialised(program, value, found))
            if new is not None:
                found[variable] = new
                gone.append(line)
    return found, gone


def is_set_first(program: Program, variable: Variable, line: cst.CSTNode) -> bool:
    """Whether a line surely runs before all that reads the variable that it sets."""
    block, place = program.parent[line], program.order[line]
    return all(program.order[seen.node] > place and program.contains(block, seen.node) for seen in variable.reads)


def assigned(line: cst.CSTNode) -> cst.CSTNode | None:
    """The name that a line sets, if it does nothing else."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    target: cst.CSTNode | None = None
    if isinstance(small, cst.AnnAssign) and small.value is not None:
        target = small.target
    elif isinstance(small, cst.Assign) and len(small.targets) == 1:
        target = small.targets[0].target
    return target if isinstance(target, cst.Name) else None


def learns(program: Program, function: cst.FunctionDef, known: Known, depth: int = 3) -> bool:
    """Whether a function seems to compute gradients for known values of its parameters."""
    try:
        body = body_for(program, function, known)
    except CannotSpecialise:
        body = block_lines(function.body)
    return computes_gradients(program, body, depth)


def computes_gradients(program: Program, lines: Sequence[cst.CSTNode], depth: int = 3) -> bool:
    """Whether some statements, or functions of the file that they call, seem to compute gradients."""
    named: dict[str, list[cst.FunctionDef]] = {}
    for other in program.find(cst.FunctionDef):
        named.setdefault(other.name.value, []).append(other)
    for call in (node for node in walk(*lines) if isinstance(node, cst.Call)):
        func = call.func
        if isinstance(func, cst.Attribute) and func.attr.value == "backward":
            return True
        name = func.value if isinstance(func, cst.Name) else ""
        if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name) and func.value.value == "self":
            name = func.attr.value
        functions = named.get(name, []) if depth else []
        if len(functions) == 1 and learns(program, functions[0], _constants(program, functions[0], call), depth - 1):
            return True
    return False


def _constants(program: Program, function: cst.FunctionDef, call: cst.Call) -> Known:
    """The parameters that a call gives constants to."""
    args = list(call.args)
    if isinstance(call.func, cst.Attribute):
        args.insert(0, cst.Arg(call.func.value))
    bound = matched(function.params, args) or {}
    found: dict[Variable, Value] = {}
    for parameter in (*function.params.params, *function.params.kwonly_params):
        value = bound.get(parameter, parameter.default)
        new = constant(value) if value is not None else None
        if new is not None and len(program.variables[parameter.name].writes) == 1:
            found[program.variables[parameter.name]] = new
    return found


def keeps_its_names(before: cst.FunctionDef, after: cst.FunctionDef) -> bool:
    """Whether no name of a copy means a global that belonged to the function: the line that set it may be gone.

    A function that cannot be compiled alone, such as one with a `nonlocal` of another around it, is not divided.
    """
    try:
        return _globals(after) <= _globals(before)
    except SyntaxError:
        return False


def _globals(function: cst.FunctionDef) -> set[tuple[str, str]]:
    """The names that a function, and each one in it, takes from the file."""
    code = cst.Module([]).code_for_node(function.with_changes(leading_lines=[], name=cst.Name("function")))
    waiting = [("", table) for table in symtable.symtable(code, "<function>", "exec").get_children()]
    found: set[tuple[str, str]] = set()
    while waiting:
        path, table = waiting.pop()
        here = f"{path}.{table.get_name()}"
        found |= {(here, symbol.get_name()) for symbol in table.get_symbols() if symbol.is_global()}
        waiting += [(here, inner) for inner in table.get_children()]
    return found
