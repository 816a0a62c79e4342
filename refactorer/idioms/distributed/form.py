"""The form of a training that a wrapper of the Trainer's can serve: one `backward()` for each batch.

Under manual optimization the Trainer prepares its wrapper where the step calls `manual_backward`, and whoever steps
when steps as before. Else it also steps, and would not share the gradients of batches that only add to them.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.averaging import of_added_gradients
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.owned import Owned
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import is_false, method_calls, method_name
from refactorer.outline.objects.held import held_by
from refactorer.outline.objects.optimizers import Held, Roles
from refactorer.outline.outline import STEP, TEST_STEP, Outline
from refactorer.outline.training.anchors import loops_around
from refactorer.outline.training.reach import functions_run

_GRADIENTS = ("backward", "manual_backward", "grad")
_LOOKING_FOR = ("find_unused_parameters", "static_graph")


def of_the_form(
    outline: Outline, roles: Roles, found: Wrapper | Owned, guard: Guard | None = None
) -> Obstacle | None:  # fmt: skip
    """What in the form of the training keeps the wrapper."""
    program = outline.program
    calls = method_calls(outline, "backward")
    own = [call for call in calls if _is_entered(outline, call)]
    asked = outline.asked is not None and not outline.validates_alone
    if asked and any(node is outline.asked for node in walk(*outline.hooks[STEP])):
        return Obstacle(found.call, "the evaluation stands in the middle of an epoch")
    run = functions_run(outline)
    for call in calls:
        if call not in own and (program.enclosing_function(call) in run or _stands_inside(outline, call)):
            return Obstacle(call, "a function that stays in the script computes gradients")
    if outline.accumulates:
        loop = outline.site.batch_loop
        alone = len(own) == 1 and loops_around(program, own[0])[-1:] == (loop,)
        alone = alone or _always_one(program, loop.body, own)
        several = Obstacle(own[0], "a step computes gradients several times")
        return of_added_gradients(outline, found, guard) if alone else several
    if outline.automatic:
        return None if _steps_each_time(outline, roles, own) else Obstacle(found.call, "gradients of batches are added")
    return _of_a_manual_step(outline, found, own)


def _is_entered(outline: Outline, call: cst.CSTNode) -> bool:
    """Whether a call stands in the loop itself, or in a function that the module has taken in."""
    program = outline.program
    function = program.enclosing_function(call)
    return function in outline.consumed or (
        function is program.enclosing_function(outline.site.epoch_loop) and _stands_inside(outline, call)
    )


def _stands_inside(outline: Outline, call: cst.CSTNode) -> bool:
    return outline.program.contains(outline.site.epoch_loop, call)


def _steps_each_time(outline: Outline, roles: Roles, own: Sequence[cst.Call]) -> bool:
    """Whether each `backward` is followed by a step in the same block: gradients that add up are averaged otherwise."""
    program = outline.program
    stepping = {roles.stepping, outline.scaler} - {None}
    steps = [call for call in method_calls(outline, "step") if _receiver(outline, call) in stepping]
    # of the script as it was written: by now a GradScaler has been taken out of the step
    blocks = {program.parent[program.statement(call)] for call in steps}
    if roles.stepping is None or len(blocks) != 1:
        return False
    return _always_one(program, blocks.pop(), own)


def _receiver(outline: Outline, call: cst.Call) -> Variable | Held | None:
    """The variable, or the attribute of an object, whose method is called."""
    assert isinstance(call.func, cst.Attribute)
    return outline.variable(call.func.value) or held_by(outline, call.func.value)


def _always_one(program: Program, block: cst.CSTNode, calls: Sequence[cst.Call]) -> bool:
    """Whether a block that holds some calls comes to exactly one of them, whichever branches of conditions it takes."""
    if not isinstance(block, (cst.IndentedBlock, cst.Module)):
        return False
    lines = [line for line in block.body if any(program.contains(line, call) for call in calls)]
    if len(lines) != 1 or not all(program.contains(lines[0], call) for call in calls):
        return False
    line = lines[0]
    if isinstance(line, cst.If):
        return _one_in_each(program, line, calls)
    return isinstance(line, cst.SimpleStatementLine) and len(calls) == 1


def _one_in_each(program: Program, line: cst.If, calls: Sequence[cst.Call]) -> bool:
    """Whether each branch of an `if` that has an `else` comes to exactly one of some calls."""
    first = [call for call in calls if program.contains(line.body, call)]
    rest = [call for call in calls if call not in first]
    if line.orelse is None or not _always_one(program, line.body, first):
        return False
    if isinstance(line.orelse, cst.If):
        return _one_in_each(program, line.orelse, rest)
    return _always_one(program, line.orelse.body, rest)


def _of_a_manual_step(outline: Outline, found: Wrapper | Owned, own: Sequence[cst.Call]) -> Obstacle | None:
    program = outline.program
    if TEST_STEP in outline.hooks:
        # before a test the Trainer shares all parameters, and processes that step by themselves may have their own
        return Obstacle(found.call, "the training is not optimized automatically, and a test follows it")
    for index, call in enumerate(own):
        if not all(are_exclusive(program, call, other) for other in own[:index]):
            return Obstacle(call, "a step computes gradients several times")
        if call.args or any(loop is not outline.site.batch_loop for loop in loops_around(program, call)[-1:]):
            return Obstacle(call, "a step computes gradients several times")
    settings = [arg for made in found.wrappings for arg in made.call.args if arg.keyword is not None]
    asked = [arg for arg in settings if arg.keyword.value in _LOOKING_FOR and not is_false(arg.value)]  # type: ignore[union-attr]
    if asked:
        return Obstacle(asked[0], "the training is not optimized automatically")
    hooks = [hook for hook, body in outline.hooks.items() if any(map(_computes_gradients, walk(*body)))]
    return None if hooks == [STEP] else Obstacle(found.call, "the training is not optimized automatically")


def _computes_gradients(node: cst.CSTNode) -> bool:
    return method_name(node) in _GRADIENTS
