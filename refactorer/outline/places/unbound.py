"""Variables that are unbound on purpose: `except UnboundLocalError:` for an iterator that the first step makes.

    try:
        batch = next(batches)
    except StopIteration:
        batches = iter(loader)
        batch = next(batches)
    except UnboundLocalError:
        batches = iter(loader)
        batch = next(batches)

An attribute that is not set raises another error. So `batches = None` stands in front of the loop, and the `try` begins
with `if batches is None: raise UnboundLocalError`, which is the same: nothing runs in front of the first read of the
variable, which no other code sees and nothing else sets to None, and nobody looks at the error.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.outline.blocks import block_lines
from refactorer.outline.training.anchors import backward_calls, loops_around

CAUGHT = "the training catches NameError, so a variable may be unbound on purpose"

_ERRORS = ("builtins.UnboundLocalError", "builtins.NameError")
_MAKERS = {"builtins.iter", "builtins.enumerate", "builtins.zip"}


def catches(program: Program, handler: cst.ExceptHandler) -> bool:
    """Whether a handler is for variables that are unbound."""
    return _error(program, handler) is not None


def surely_bound(program: Program, handler: cst.CSTNode, loop: cst.CSTNode) -> bool:
    """Whether all variables that a `try` reads are bound in front of a loop around it, so that no handler is for them.

    Functions of the file may read other variables of the training.
    """
    tried = program.parent[handler]
    assert isinstance(tried, cst.Try)
    used = program.used([tried.body])
    own = any(_may_be_function(program, node, variable) for node, variable in used)
    return not own and all(_is_bound(program, node, variable, loop) for node, variable in used)


def _may_be_function(program: Program, node: cst.CSTNode, variable: Variable) -> bool:
    if program.qualified_name(node) is not None and variable.owner is None:
        return False
    call = program.parent.get(node)
    called = isinstance(call, cst.Call) and call.func is node and not _is_imported(program, variable)
    lambdas = any(program.find(cst.Lambda, program.statement(seen.node)) for seen in variable.writes)
    return called or lambdas or isinstance(program.definition(variable), (cst.FunctionDef, cst.ClassDef))


def _is_imported(program: Program, variable: Variable) -> bool:
    lines = [program.statement(seen.node) for seen in variable.writes]
    return bool(lines) and all(program.find(cst.Import, line) or program.find(cst.ImportFrom, line) for line in lines)


def _is_bound(program: Program, node: cst.CSTNode, variable: Variable, loop: cst.CSTNode) -> bool:
    if variable.owner is None or all(seen.node is not node for seen in variable.reads):
        return True
    if any(seen.access == "delete" for seen in variable.occurrences):
        return False
    lines = [program.statement(seen.node) for seen in variable.writes]
    if any(isinstance(line, cst.For) and program.contains(line.body, node) for line in lines):
        return True  # the variable of a loop around
    return any(
        program.order.get(line, -1) < program.order[loop] and program.contains(program.parent[line], loop)
        for line in lines
        if isinstance(line, (cst.SimpleStatementLine, cst.FunctionDef, cst.ClassDef))
    )


def asked_for(program: Program) -> str | None:
    """The text of a file that asks whether such variables are None; None if it has none, or not only such ones."""
    edits: dict[cst.CSTNode, Edit] = {}
    starts: dict[cst.CSTNode, list[cst.CSTNode]] = {}
    learning = {loop for call in backward_calls(program) for loop in loops_around(program, call)}
    for handler in program.find(cst.ExceptHandler):
        around = [node for node in program.ancestors(handler) if node in learning]
        if not around or not catches(program, handler):
            continue
        variable = _unbound(program, handler, around[-1])
        if variable is None:
            return None
        tried = program.parent[handler]
        assert isinstance(tried, cst.Try)
        first, error = block_lines(tried.body)[0], _error(program, handler)
        edits[first] = [_line(f"if {variable.name} is None:\n    raise {error}\n"), first]
        lines = starts.setdefault(around[-1], [])
        if variable.name not in {line.body[0].targets[0].target.value for line in lines}:  # type: ignore[attr-defined]
            lines.append(_line(f"{variable.name} = None\n"))
    edits |= {loop: [*lines, loop] for loop, lines in starts.items()}
    return apply(program.module, edits).code if edits else None


def _unbound(program: Program, handler: cst.ExceptHandler, loop: cst.CSTNode) -> Variable | None:
    """The variable that a `try` reads first, if it may be None instead of unbound until the handler makes it."""
    tried = program.parent[handler]
    first = block_lines(tried.body)[0] if isinstance(tried, cst.Try) else None
    variable = _fetched_from(program, first)
    if variable is None or handler.name is not None or not _only_makes(program, handler, variable):
        return None
    inside = all(program.contains(loop, seen.node) for seen in variable.occurrences)
    local = variable.owner is program.scope_of(loop) and variable.owner is not program.scope[program.module]
    if not inside or not local or any(seen.access == "delete" for seen in variable.occurrences):
        return None
    read = all(_is_tried(program, seen.node) for seen in variable.reads)
    made = all(_made_by(program, seen.node) for seen in variable.writes)
    return variable if read and made else None


def _only_makes(program: Program, handler: cst.ExceptHandler, variable: Variable) -> bool:
    """Whether a handler makes the variable first, and then does nothing but to fetch from it."""
    lines = block_lines(handler.body)
    made = lines[0].body[0] if isinstance(lines[0], cst.SimpleStatementLine) else None
    first = isinstance(made, cst.Assign) and program.variables.get(made.targets[0].target) is variable
    rest = [_fetched_from(program, line) for line in lines[1:]]
    return first and len(lines[0].body) == 1 and all(found is variable for found in rest)  # type: ignore[attr-defined]


def _fetched_from(program: Program, line: cst.CSTNode | None) -> Variable | None:
    """`batches` in `x, y = next(batches)`, or `batches.__next__()`, if nothing runs before it is read."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    call = small.value if isinstance(small, cst.Assign) else None
    if not isinstance(call, cst.Call):
        return None
    if program.qualified_name(call.func) == "builtins.next" and len(call.args) == 1 and not call.args[0].star:
        return program.variables.get(call.args[0].value)
    method = isinstance(call.func, cst.Attribute) and call.func.attr.value == "__next__" and not call.args
    return program.variables.get(call.func.value) if method else None  # type: ignore[attr-defined]


def _is_tried(program: Program, node: cst.CSTNode) -> bool:
    tried = next((outer for outer in program.ancestors(node) if isinstance(outer, cst.Try)), None)
    return tried is not None and any(catches(program, handler) for handler in tried.handlers)


def _made_by(program: Program, node: cst.CSTNode) -> bool:
    """Whether a write is that of an iterator, which is never None."""
    line = program.statement(node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    plain = isinstance(small, cst.Assign) and len(small.targets) == 1 and small.targets[0].target is node
    value = small.value if plain else None  # type: ignore[union-attr]
    return isinstance(value, cst.Call) and program.qualified_name(value.func) in _MAKERS


def _error(program: Program, handler: cst.ExceptHandler) -> str | None:
    """The name of the error in the header of a handler for unbound variables."""
    named = {program.qualified_name(part) for part in walk(handler.type)} if handler.type is not None else set()
    return next((error.removeprefix("builtins.") for error in _ERRORS if error in named), None)


def _line(code: str) -> cst.CSTNode:
    return cst.parse_statement(code)
