"""What keeps a model in the wrapper that the script made: the Trainer's own would do something else.

The Trainer wraps the module of the training when it begins to fit, and its wrapper's forward pass is the whole step.
The gradients are averaged in the same buckets if the module has no other parameters, the buffers are shared at the same
places if the model is called once in each step, and nobody can tell when the parameters were shared if nothing looks at
them before.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.others import other_tensors
from refactorer.idioms.distributed.processes import unusual
from refactorer.idioms.distributed.uses import is_entered, uses_behind
from refactorer.idioms.distributed.wrapper import PROCESSES, Wrapper, names_torch
from refactorer.idioms.sensitive import Obstacle
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline

_STATE = ("parameters", "state_dict", "train", "eval", "zero_grad")
_STEPS = (STEP, VALIDATION_STEP, TEST_STEP)
_BEFORE = ("train", "eval")
_WORDS = ("no_sync", "register_comm_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook")


def obstacle(outline: Outline, roles: Roles, found: Wrapper, guard: Guard) -> Obstacle | None:
    """Why the wrapper has to stay; None if the Trainer can make it."""
    by_the_script = _of_the_form(outline, roles, found) or _of_the_file(outline, found, guard)
    return by_the_script or other_tensors(outline, roles, found) or _of_the_uses(outline, found, guard)


def _of_the_form(outline: Outline, roles: Roles, found: Wrapper) -> Obstacle | None:
    loop = outline.site.epoch_loop
    if not outline.automatic or not _steps_each_time(outline, roles):
        return Obstacle(found.call, "the training is not optimized automatically")
    if outline.asked is not None:
        return Obstacle(found.call, "the evaluation stands in the middle of an epoch")
    if outline.with_gradients:
        return Obstacle(found.call, "the evaluation computes gradients")
    if outline.site.form != "epochs":
        return Obstacle(loop, "the training has no epochs of batches")
    if _other_backward(outline):
        return Obstacle(found.call, "the file has more than one training")
    return None


def _steps_each_time(outline: Outline, roles: Roles) -> bool:
    """Whether each `backward` is followed by a step in the same block: gradients that add up are averaged otherwise."""
    program = outline.program
    steps = [
        call for call in program.calls
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "step"
        and outline.variable(call.func.value) is roles.optimizer
    ]  # fmt: skip
    places = {program.parent[program.statement(call)] for call in (*steps, *outline.site.backwards)}
    return roles.optimizer is not None and bool(steps) and len(places) == 1


def _other_backward(outline: Outline) -> bool:
    calls = [c for c in outline.program.calls if isinstance(c.func, cst.Attribute) and c.func.attr.value == "backward"]
    return len(calls) != 1


def _of_the_file(outline: Outline, found: Wrapper, guard: Guard) -> Obstacle | None:
    """Things that a wrapper or its processes can do beside training."""
    program = outline.program
    for node in program.find(cst.Attribute):
        if node.attr.value in _WORDS:
            return Obstacle(node, f"`{node.attr.value}` is used")
    strange = unusual(program)
    if strange is not None:
        return Obstacle(strange, "more of torch.distributed is used than the Trainer leaves alone")
    known = [made.call for made in found.wrappings] + [call for call in program.calls if guard.is_asked(call)]
    for name in (*program.find(cst.Name), *program.find(cst.Attribute)):
        if program.qualified_name(name) not in PROCESSES or not _is_read(outline, name):
            continue
        if not any(program.contains(call, name) for call in known):
            return Obstacle(name, "something asks for the class of the wrapper")
    return None


def _is_read(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a mention of a class is more than its import."""
    variable = outline.program.variables.get(node)
    return isinstance(node, cst.Attribute) or (variable is not None and not outline.is_write(node))


# --- uses of the model --------------------------------------------------------------------------------------------


def _of_the_uses(outline: Outline, found: Wrapper, guard: Guard) -> Obstacle | None:
    program, loop = outline.program, outline.site.epoch_loop
    steps = {id(n): hook for hook, body in outline.hooks.items() for n in walk(*body)}
    forwards = []
    for node in uses_behind(outline, found):
        hook = steps.get(id(node))
        before = hook is None and program.order[node] < program.order[loop]
        parent = program.parent[node]
        if isinstance(parent, cst.Call) and parent.func is node:
            if hook not in _STEPS or _repeats(outline, parent, hook):
                return Obstacle(node, "the model is called outside the steps")
            forwards.append(hook)
        elif not is_entered(outline, node) and program.scope_of(node) is not outline.site.driver:
            return Obstacle(node, "a function that stays in the script uses the model")
        elif before:
            if not _is_known_before(outline, node):
                return Obstacle(node, "the model is used between the wrapper and the training")
        elif not _is_known(outline, node, guard):
            return Obstacle(node, "the model is used in another way than to train it and to save its module")
        if hook is not None and _needs_the_condition(outline, node, guard):
            return Obstacle(node, "a step would have to know the condition for the wrapper")
    if any(forwards.count(step) != 1 for step in _STEPS if step == STEP or step in outline.hooks):
        return Obstacle(found.call, "the step does not call the model once")
    return None


def _needs_the_condition(outline: Outline, node: cst.CSTNode, guard: Guard) -> bool:
    """Whether what a use means depends on the run, and there the condition cannot be asked again."""
    if guard.test is not None or guard.wrapped_at(node) is not None:
        return False
    parent = outline.program.parent[node]
    asked = isinstance(parent, cst.Arg)
    return asked or (isinstance(parent, cst.Attribute) and parent.attr.value in ("module", "state_dict"))


def _repeats(outline: Outline, call: cst.CSTNode, hook: str) -> bool:
    """Whether a call in a step may run more than once for a batch, or in a function of its own."""
    program = outline.program
    lines = {id(line) for line in outline.hooks[hook]}
    batches = outline.site.batch_loop
    for outer in program.ancestors(call):
        if id(outer) in lines or outer is batches:
            return False
        if isinstance(outer, (cst.For, cst.While, cst.FunctionDef, cst.Lambda, cst.BaseComp, cst.With)):
            return True
    return False


def _is_known(outline: Outline, node: cst.CSTNode, guard: Guard) -> bool:
    """Whether a use takes the parameters, or the state of the wrapped model, or asks whether it is wrapped."""
    program = outline.program
    parent = program.parent[node]
    if isinstance(parent, cst.Arg):
        return guard.is_asked(program.parent[parent])
    if isinstance(parent, cst.Attribute) and parent.attr.value == "module":
        outer = program.parent[parent]
        return isinstance(outer, cst.Attribute) and outer.attr.value in _STATE
    if not isinstance(parent, cst.Attribute) or parent.attr.value not in _STATE:
        return False
    return parent.attr.value != "state_dict" or guard.wrapped_at(node) is False or names_torch(program)


def _is_known_before(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use in front of the training is that of an optimizer, or sets the mode."""
    program = outline.program
    parent = program.parent[node]
    if not isinstance(parent, cst.Attribute):
        return False
    if parent.attr.value in _BEFORE:
        return True
    line = program.statement(node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    made = program.qualified_name(small.value.func) if _assigns_call(small) else None  # type: ignore[union-attr]
    return parent.attr.value == "parameters" and (made or "").startswith("torch.optim.")


def _assigns_call(small: cst.CSTNode | None) -> bool:
    return isinstance(small, cst.Assign) and isinstance(small.value, cst.Call)
