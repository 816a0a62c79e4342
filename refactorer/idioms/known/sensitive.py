"""Code behind the optimizer's step that might behave differently in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.flow import passes_errors_on
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.known.harmless import harm_in
from refactorer.idioms.known.taint import reaches
from refactorer.idioms.shapes import waits_for_ctrl_c
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of

_EXITS = {"builtins.exit", "builtins.quit", "builtins.next", "sys.exit", "os._exit", "os.kill", "os.abort"}


@dataclass(frozen=True)
class Obstacle:
    """A condition that fails, and where."""

    node: cst.CSTNode
    reason: str


def sensitive_code(
    outline: Outline, roles: Roles, tail: list[cst.CSTNode], head: list[cst.CSTNode], loss: cst.BaseExpression,
    tainted: set[Variable],
) -> Obstacle | None:  # fmt: skip
    """The first thing in the code after step() that might behave differently before step().

    `tainted` are the variables through which the training can be seen.
    """
    program = outline.program
    losses = {variable for _, variable in outline.uses(loss)}
    graph = {v for n, v in outline.uses(*head) if outline.is_write(n)} | {
        variable for name in names_in(outline.train.target) if (variable := outline.variable(name)) is not None
    }
    if _returns_own_state(outline):
        return Obstacle(tail[0], "the model returns its own state, and code behind step() may look at it")
    for node, variable in outline.uses(*tail):
        if variable in tainted:
            return Obstacle(node, f"{variable.name} is used behind step()")
        if variable in losses and outline.is_write(node):
            return Obstacle(node, f"{variable.name} is assigned behind step()")
        function = program.definition(variable)
        if isinstance(function, (cst.FunctionDef, cst.ClassDef)) and reaches(outline, function, tainted, set()):
            return Obstacle(node, f"{variable.name} may use the model, and is called behind step()")
    harm = harm_in(outline, tail, tainted)
    if harm is not None:
        return Obstacle(harm, "code behind step() may depend on it")
    bound = {v for n, v in outline.uses(*tail) if outline.is_write(n)}
    for node in walk(*tail):
        if isinstance(node, cst.AugAssign) and outline.variable(node.target) in _assigned(outline, tail) & bound:
            return Obstacle(node, "a value is changed in place behind step()")
        leaving = _may_leave(outline, node, set())
        if leaving:
            return Obstacle(node, f"{leaving} stands behind step()")
        changed = _changed_in_place(node)
        if changed is not None:
            hit = {v for _, v in outline.uses(changed)} & graph
            if hit:
                return Obstacle(node, f"{next(iter(hit)).name} is changed in place behind step()")
    return None


def _assigned(outline: Outline, tail: list[cst.CSTNode]) -> set[Variable | None]:
    """Variables that a plain assignment in the tail binds to more than a number; they may stand for a tensor."""
    found = [n for n in walk(*tail) if isinstance(n, cst.Assign) and not isinstance(n.value, cst.BaseNumber)]
    return {outline.variable(name) for node in found for t in node.targets for name in names_in(t.target)}


def _may_leave(outline: Outline, node: cst.CSTNode, seen: set[cst.CSTNode]) -> str | None:
    """What in a piece of code may end the training, or draw random numbers, before the step that it follows."""
    if isinstance(node, (cst.Raise, cst.Assert, cst.Try, cst.With, cst.Yield, cst.Await)):
        return f"`{type(node).__name__.lower()}`"
    if not isinstance(node, cst.Call):
        return None
    name = outline.program.qualified_name(node.func) or ""
    if name in _EXITS or any(word in name.lower() for word in ("rand", "seed", "normal", "bernoulli", "shuffle")):
        return f"{name.removeprefix('builtins.')}()"
    function = outline.program.function(node.func)
    if function is None or function in seen:
        return None
    inner = (_may_leave(outline, part, {*seen, function}) for part in walk(function.body))
    return next((found for found in inner if found), None)


def _changed_in_place(node: cst.CSTNode) -> cst.CSTNode | None:
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        name = node.func.attr.value
        return node.func.value if name.endswith("_") and not name.endswith("__") else None
    if isinstance(node, cst.AugAssign):
        return node.target
    if isinstance(node, cst.AssignTarget) and isinstance(node.target, (cst.Subscript, cst.Attribute)):
        return node.target.value
    return None


def _returns_own_state(outline: Outline) -> bool:
    """Whether a class of this file may return an attribute itself, or a view of it, which a step changes in place."""
    program = outline.program
    if any(_uses_state(program, kept) for kept in program.find(cst.ClassDef)):
        return True
    for node in program.find(cst.Return):
        if node.value is not None:
            values = [e.value for e in node.value.elements] if isinstance(node.value, cst.Tuple) else [node.value]
            for value in values:
                base = value
                while isinstance(base, (cst.Attribute, cst.Subscript)):
                    base = base.value
                owner = outline.program.enclosing_function(node)
                if (
                    base is not value and isinstance(base, cst.Name) and base.value == "self"
                    and owner is not None and owner.name.value in ("forward", "__call__")
                ):  # fmt: skip
                    return True
    return False


def _uses_state(program: Program, node: cst.ClassDef) -> bool:
    """Whether a `forward` reads an attribute made by a call (a parameter, a buffer) without calling it."""
    made = {
        target.target.attr.value
        for assign in program.find(cst.Assign, node) if isinstance(assign.value, cst.Call)
        for target in assign.targets if isinstance(target.target, cst.Attribute)
    }  # fmt: skip
    for part in program.find(cst.FunctionDef, node):
        if part.name.value in ("forward", "__call__"):
            called = {call.func for call in program.find(cst.Call, part)}
            if any(n.attr.value in made and n not in called for n in program.find(cst.Attribute, part)):
                return True
    return False


def is_guarded(outline: Outline) -> bool:
    """Whether anything around the training, or a call that leads to it, sees more of an exception than Ctrl-C."""
    if any(outline.program.qualified_name(call.func) == "atexit.register" for call in outline.program.calls):
        return True
    pending: list[cst.CSTNode] = [outline.site.epoch_loop]
    seen: set[cst.CSTNode] = set()
    while pending:
        node = pending.pop()
        for outer in outline.program.ancestors(node):
            if isinstance(outer, (cst.Try, cst.TryStar)) and _catches(outline, outer):
                return True
            if isinstance(outer, cst.With) and not passes_errors_on(outline.program, outer):
                return True
            if isinstance(outer, cst.FunctionDef) and outer not in seen:
                seen.add(outer)
                pending += uses_of(outline.program, outer)
    return False


def _catches(outline: Outline, node: cst.Try | cst.TryStar) -> bool:
    return node.finalbody is not None or not waits_for_ctrl_c(outline.program, node)
