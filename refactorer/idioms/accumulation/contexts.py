"""Contexts that are `model.no_sync()` or nothing, as a condition says, however a script spells the choice."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.idioms.shapes import is_none, only_call
from refactorer.outline.blocks import block_lines

METHOD = "no_sync"
_NOTHING = ("contextlib.nullcontext", "contextlib.suppress", "contextlib.ExitStack")
_MANAGERS = ("contextlib.contextmanager",)


@dataclass(frozen=True)
class Context:
    """An item of a `with` block: `model.no_sync()` if `test` is as `holds` says, else nothing.

    `made` are the lines that give the context a name, `entered` is a line of the block that enters it.
    """

    block: cst.With
    item: cst.WithItem
    model: cst.BaseExpression
    test: cst.BaseExpression
    holds: bool
    made: tuple[cst.CSTNode, ...] = ()
    entered: cst.CSTNode | None = None


def find_context(program: Program, node: cst.Attribute) -> Context | None:
    """The block that `model.no_sync` is a context of; None where it is used in another way."""
    call = program.parent[node]
    called = isinstance(call, cst.Call) and call.func is node and not call.args
    chosen = call if called else node
    choice = program.parent[chosen]
    if isinstance(choice, cst.IfExp) and choice.test is not chosen:
        return _of_choice(program, node, choice, chosen, called)
    if isinstance(choice, cst.Assign):
        return _of_branches(program, node, choice, called)
    return _of_stack(program, node, choice) if isinstance(choice, cst.Arg) else None


def _of_choice(
    program: Program, node: cst.Attribute, choice: cst.IfExp, chosen: cst.CSTNode, called: bool
) -> Context | None:  # fmt: skip
    """`model.no_sync() if counts else nullcontext()`, in the block's header or on a line of its own."""
    holds = choice.body is chosen
    if not _is_nothing(program, choice.orelse if holds else choice.body, called):
        return None
    line = program.parent[choice]
    if isinstance(line, cst.Assign):
        used = _used_once(program, line, called, (line,))
        return Context(*used, node.value, choice.test, holds, (program.statement(line),)) if used is not None else None
    used = _item(program, choice, called)
    return Context(*used, node.value, choice.test, holds) if used is not None else None


def _of_branches(program: Program, node: cst.Attribute, line: cst.Assign, called: bool) -> Context | None:
    """`if counts: context = model.no_sync` with an `else` that sets the same name to nothing."""
    branch = program.parent[program.parent[program.statement(line)]]
    choice = program.parent[branch] if isinstance(branch, cst.Else) else branch
    if not isinstance(choice, cst.If) or not isinstance(choice.orelse, cst.Else):
        return None
    parts = [_assigned(block_lines(block)) for block in (choice.body, choice.orelse.body)]
    if line not in parts or None in parts or isinstance(program.parent[choice], cst.If):
        return None
    other = parts[1] if parts[0] is line else parts[0]
    if other is None or not _is_nothing(program, other.value, called):
        return None
    used = _used_once(program, line, called, (line, other))
    if used is None:
        return None
    before = [program.statement(seen) for seen in _bound_to_none(program, line)]
    return Context(*used, node.value, choice.test, branch is choice, (*before, choice))


def _of_stack(program: Program, node: cst.Attribute, handed: cst.Arg) -> Context | None:
    """`if counts: stack.enter_context(model.no_sync())` as the first line of `with ExitStack() as stack:`."""
    call = program.parent[handed]
    line = program.statement(call)
    branch = program.parent[program.parent[line]]
    if only_call(line) is not call or not isinstance(branch, cst.If) or branch.orelse is not None:
        return None
    block = program.parent[program.parent[branch]]
    name = call.func if isinstance(call, cst.Call) else None
    if not isinstance(block, cst.With) or block_lines(block.body)[0] is not branch or len(block_lines(branch.body)) > 1:
        return None
    if not isinstance(name, cst.Attribute) or name.attr.value != "enter_context":
        return None
    stack = program.variables.get(name.value)
    for item in block.items:
        bound = program.variables.get(item.asname.name) if item.asname is not None else None
        alone = bound is not None and bound is stack and len(bound.reads) == 1 and len(bound.writes) == 1
        if alone and _is_nothing(program, item.item, True):
            return Context(block, item, node.value, branch.test, True, entered=branch)
    return None


def _is_nothing(program: Program, value: cst.BaseExpression, called: bool) -> bool:
    """Whether a context, or what makes one, does nothing."""
    if called:
        if not isinstance(value, cst.Call) or value.args:
            return False
        value = value.func
    if program.qualified_name(value) in _NOTHING:
        return True
    function = program.function(value)
    if function is None or len(function.decorators) != 1:
        return False
    managed = program.qualified_name(function.decorators[0].decorator) in _MANAGERS
    small = [part for line in block_lines(function.body) for part in getattr(line, "body", ())]
    gives = small[0].value if len(small) == 1 and isinstance(small[0], cst.Expr) else None
    return managed and isinstance(gives, cst.Yield) and (gives.value is None or isinstance(gives.value, cst.Name))


def _assigned(lines: list[cst.CSTNode]) -> cst.Assign | None:
    """The assignment that a branch consists of."""
    line = lines[0] if len(lines) == 1 else None
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return small if isinstance(small, cst.Assign) and len(small.targets) == 1 else None


def _bound_to_none(program: Program, line: cst.Assign) -> list[cst.CSTNode]:
    """Where the name that a line binds is bound to None in front of it."""
    variable = program.variables.get(line.targets[0].target)
    values = [(seen.node, program.bound_to(seen.node)) for seen in variable.writes] if variable is not None else []
    return [node for node, value in values if value is not None and is_none(value)]


def _used_once(
    program: Program, line: cst.Assign, called: bool, lines: tuple[cst.Assign, ...]
) -> tuple[cst.With, cst.WithItem] | None:
    """The block that is the only user of a context with a name, which these lines alone give it."""
    variable = program.variables.get(line.targets[0].target) if len(line.targets) == 1 else None
    if variable is None or len(variable.reads) != 1:
        return None
    written = {seen.node for seen in variable.writes} - {made.targets[0].target for made in lines}
    if written - set(_bound_to_none(program, line)):
        return None
    return _item(program, variable.reads[0].node, called)


def _item(program: Program, value: cst.CSTNode, called: bool) -> tuple[cst.With, cst.WithItem] | None:
    """The block with an item that a context is, or that calls what makes it."""
    place = program.parent[value]
    if not called:
        if not isinstance(place, cst.Call) or place.func is not value or place.args:
            return None
        place = program.parent[place]
    block = program.parent[place]
    plain = isinstance(place, cst.WithItem) and place.asname is None
    return (block, place) if plain and isinstance(block, cst.With) and isinstance(place, cst.WithItem) else None
