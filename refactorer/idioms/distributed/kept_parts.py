"""Parts of the model that have names of their own: nobody may look at them between the wrapper and the training.

The script's wrapper shared the parameters at once, the Trainer's shares them when it begins to fit.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.distributed.handed import given
from refactorer.idioms.distributed.leaving import blocks_that_leave, stands_in
from refactorer.idioms.distributed.uses import is_entered
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.outline import Outline

_FILLERS = ("append", "extend", "insert", "add", "update", "setdefault")
_NUMBERS = tuple(f"builtins.{name}" for name in ("sum", "len", "int", "float", "str", "print", "isinstance"))
_LINES = (cst.SimpleStatementLine, cst.For)


def looked_at_before(outline: Outline, found: Wrapper) -> cst.CSTNode | None:
    """A use of a part of the model between its wrapper and the training that is more than to make the optimizer."""
    program, entry = outline.program, found.entry
    lines = [line for kind in _LINES for line in program.find(kind) if program.scope_of(line) is entry.scope]
    lines = sorted((line for line in lines if line in program.order), key=lambda line: program.order[line])
    own = {found.model, entry.model, *found.others, *(outline.variable(made.wrapped) for made in found.wrappings)}
    parts: set[Variable] = set()
    leaving = blocks_that_leave(outline, found)
    for line in lines:
        if program.order[line] >= program.order[entry.training] or program.contains(line, entry.training):
            break
        behind = program.order[line] > program.order[found.place] and not program.contains(found.place, line)
        named = [node for node, variable in _uses(outline, line) if variable in parts]
        if behind and named and not (_only_keeps(program, line) or stands_in(program, line, leaving)):
            return named[0]
        if named or (not behind and any(variable in own for _, variable in _uses(outline, line))):
            parts |= set(_kept_by(outline, line)) - own
    return _read_elsewhere(outline, found, parts) or _looked_at_by_driver(outline, found, parts)


def _read_elsewhere(outline: Outline, found: Wrapper, parts: set[Variable]) -> cst.CSTNode | None:
    """A read of a part in a function that is not the training: it may be called at any time."""
    reads = [seen for variable in parts for seen in variable.reads if seen.scope.function is not found.entry.scope]
    reads.sort(key=lambda seen: seen.order)
    return next((seen.node for seen in reads if not is_entered(outline, seen.node)), None)


def _looked_at_by_driver(outline: Outline, found: Wrapper, parts: set[Variable]) -> cst.CSTNode | None:
    """A use of a part that the function of the training is handed, in front of the loop there."""
    program, driver, call = outline.program, outline.site.driver.node, found.entry.training
    if found.entry.whole is None or not isinstance(driver, cst.FunctionDef) or not isinstance(call, cst.Call):
        return None
    handed = given(program, driver, call) or {}
    known = {
        program.variables[parameter.name] for parameter, value in handed.items()
        if any(variable in parts for _, variable in outline.uses(value))
    }  # fmt: skip
    reads = sorted((seen.node for variable in known for seen in variable.reads), key=lambda node: program.order[node])
    early = [node for node in reads if program.order[node] < program.order[outline.site.epoch_loop]]
    return next((node for node in early if not _only_keeps(program, program.statement(node))), None)


def _uses(outline: Outline, line: cst.CSTNode) -> list[tuple[cst.CSTNode, Variable]]:
    """The names of a line; of a loop, those of its header."""
    return outline.uses(line.iter) if isinstance(line, cst.For) else outline.uses(line)


def _kept_by(outline: Outline, line: cst.CSTNode) -> Iterator[Variable]:
    """The variables that may hold a part of what a line mentions."""
    program = outline.program
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
    value = small.value if isinstance(small, cst.Assign) else None
    made = (program.qualified_name(value.func) or "") if isinstance(value, cst.Call) else ""
    if made in _NUMBERS or made.startswith("torch.optim."):
        return
    target = line.target if isinstance(line, cst.For) else line
    for node, variable in outline.uses(target):
        attribute = program.parent.get(node)
        fills = isinstance(attribute, cst.Attribute) and attribute.attr.value in _FILLERS
        stores = isinstance(attribute, (cst.Subscript, cst.Attribute)) and isinstance(
            program.parent.get(attribute), cst.AssignTarget
        )
        if program.access(node) != "read" or fills or stores:
            yield variable


def _only_keeps(program: Program, line: cst.CSTNode) -> bool:
    """Whether a line only puts what it names into an optimizer, or into lists and dictionaries."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign):
        return False
    names = [program.qualified_name(call.func) or "" for call in program.find(cst.Call, small.value)]
    return all(name == "builtins.dict" or name.startswith("torch.optim.") for name in names)
