"""What is read behind the training: from the module, or fetched from it first."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from refactorer.analysis.flow import passes_errors_on
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.emit.edits import Edit
from refactorer.emit.new_names import Names
from refactorer.outline.outline import TEST_HOOKS, Outline
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.supplied import assign
from refactorer.outline.training.anchors import backward_calls, loops_around

#: Reads of one variable that ask the module: more of them read a variable of the driver again.
_FEW = 3
#: The same for a list or dictionary that need not be the module's.
_VERY_FEW = 2


def is_guarded(outline: Outline) -> bool:
    """Whether the driver itself goes on after an exception in the training."""
    for outer in outline.program.ancestors(outline.site.epoch_loop):
        if isinstance(outer, cst.FunctionDef):
            return False
        if isinstance(outer, (cst.Try, cst.TryStar)):
            return True
        if isinstance(outer, cst.With) and not passes_errors_on(outline.program, outer):
            return True
    return False


def reads_behind(
    outline: Outline, homes: Homes, names: Names, edits: dict[cst.CSTNode, Edit], guarded: bool
) -> tuple[list[cst.CSTNode], list[cst.CSTNode], bool]:  # fmt: skip
    """Names read behind the training are read from the module; one that is also assigned there is fetched first.

    The lines that fetch stand behind the training, behind the test, or both: wherever the variable is written.
    """
    lines: list[cst.CSTNode] = []
    behind_test: list[cst.CSTNode] = []
    for variable in homes.read_after:
        value = cst.parse_expression(f"{names.instance}.{homes.attribute[variable]}")
        later = reads_of(outline, variable)
        skipped = _may_be_skipped(outline, variable, later)
        assured = variable in homes.arguments or variable in homes.initial
        missed = not assured and any(_may_be_missed(outline, seen.node) for seen in later)
        direct = _is_only_read(outline, variable, later) and not (guarded or skipped or missed)
        if direct and (len(later) <= _FEW or not assured):
            edits.update({seen.node: value.deep_clone() for seen in later})
            continue
        line = assign(cst.Name(variable.name), value)
        fetch = line if assured else _if_there(names.instance, homes.attribute[variable], line)
        tests = [hook in TEST_HOOKS for hook, body in outline.hooks.items() if _writes(outline, body, variable)]
        if not all(tests) or (skipped and variable in homes.initial):
            lines.append(fetch)
        if any(tests):
            behind_test.append(fetch)
    return lines, behind_test, bool(homes.read_after)


def reads_of(outline: Outline, variable: Variable) -> list[Occurrence]:
    """Where the driver names a variable behind the training, to read it or to bind it again."""
    program = outline.program
    end = program.last[outline.site.epoch_loop]
    inside = [outline.site.epoch_loop, *outline.consumed, *outline.dropped]
    return [
        seen for seen in variable.occurrences
        if _is_behind(outline, seen.node) or (
            seen.order > end and not any(program.contains(part, seen.node) for part in inside)
        )
    ]  # fmt: skip


def may_ask_module(
    outline: Outline, variable: Variable, line: cst.CSTNode, edits: Mapping[cst.CSTNode, Edit]
) -> bool:  # fmt: skip
    """Whether all that reads a variable behind the training can ask the module, which a line in front of it fills.

    `edits` are those of the driver so far: what they take the place of cannot be edited.
    """
    program, block = outline.program, outline.program.parent[line]
    later = reads_of(outline, variable)
    if is_guarded(outline) or program.parent[outline.site.epoch_loop] is not block or len(later) > _VERY_FEW:
        return False
    changed = {*edits, *outline.driver_edits, *outline.dropped, outline.test_line}
    fixed = (program.contains(block, seen.node) and changed.isdisjoint(program.ancestors(seen.node)) for seen in later)
    return _is_only_read(outline, variable, later) and all(fixed)


def _is_only_read(outline: Outline, variable: Variable, later: list[Occurrence]) -> bool:
    """Whether the driver reads a variable behind the training, and there is but one training of this text."""
    program, driver = outline.program, outline.site.driver
    around = any(isinstance(node, (cst.For, cst.While)) for node in program.ancestors(outline.site.epoch_loop))
    own = variable.owner in (driver, program.scope[program.module])
    read = all(seen.access == "read" and seen.scope.function is driver for seen in later)
    return own and not around and read and not any(_serves_another_training(outline, seen.node) for seen in later)


def _may_be_missed(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a handler around a read may wait for the `NameError` of a training of no steps."""
    blocks = (outer for outer in outline.program.ancestors(node) if isinstance(outer, (cst.Try, cst.TryStar)))
    return any(block.handlers and outline.program.contains(block.body, node) for block in blocks)


def _serves_another_training(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a loop around a node, or a function that is given it, trains too: no module holds another one."""
    program = outline.program
    calls = [outer for outer in program.ancestors(node) if isinstance(outer, cst.Call)]
    functions = [function for call in calls if (function := program.function(call.func)) is not None]
    places = [*loops_around(program, node), *functions]
    return any(program.contains(place, call) for place in places for call in backward_calls(program))


def _writes(outline: Outline, body: list[cst.CSTNode], variable: Variable) -> bool:
    return any(used is variable and outline.is_write(node) for node, used in outline.uses(*body))


def _may_be_skipped(outline: Outline, variable: Variable, reads: list[Occurrence]) -> bool:
    """Whether a test under a condition would write a variable that the driver reads in any case."""
    program, line = outline.program, outline.test_line
    if line is None or program.parent[line] is program.parent[outline.site.epoch_loop]:
        return False
    written = any(_writes(outline, outline.hooks.get(hook, []), variable) for hook in TEST_HOOKS)
    return written and not all(program.contains(program.parent[line], seen.node) for seen in reads)


def _is_behind(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node stands in the `else` branch of the replaced loop."""
    orelse = outline.site.epoch_loop.orelse
    return orelse is not None and node in outline.program.order and outline.program.contains(orelse, node)


def _if_there(instance: str, attribute: str, line: cst.SimpleStatementLine) -> cst.CSTNode:
    """A training of no steps leaves its variables as they were, perhaps unbound."""
    found = cst.parse_statement(f'if hasattr({instance}, "{attribute}"):\n    pass\n')
    assert isinstance(found, cst.If)
    return found.with_changes(body=cst.IndentedBlock([line]))
