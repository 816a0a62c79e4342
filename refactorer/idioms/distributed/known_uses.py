"""Uses of a wrapped model that mean the same when the Trainer has wrapped it, and those that do not.

The Trainer's wrapper is around the whole step, so each step must call the model once. Elsewhere the wrapper itself
must not be called: it would share the buffers. What was its `module` is the model in any case, and may be used as
before; but not in a step, and by no name that a step knows, since the wrapper's forward pass is still going on there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.before import by_its_names, is_known_before
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.uses import Uses, is_entered
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.idioms.shapes import is_none
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline

_STATE = ("parameters", "state_dict", "train", "eval", "zero_grad")
_KEEPS_NOTHING = "torch."
_NAMED = ("state_dict", "load_state_dict")
"""What knows the parameters by their names, which a wrapper makes longer."""
_STEPS = (STEP, VALIDATION_STEP, TEST_STEP)
_REPEATING = (cst.For, cst.While, cst.FunctionDef, cst.Lambda, cst.BaseComp)
_CONTEXTS = ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.cpu.amp.autocast",
             "contextlib.nullcontext", "torch.profiler.record_function", "torch.enable_grad",
             "torch.set_grad_enabled")  # fmt: skip
_WITHOUT_GRADIENTS = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad")
_STORES = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Del, cst.For, cst.CompFor, cst.AsName)


def of_the_uses(outline: Outline, found: Wrapper, guard: Guard, uses: Uses) -> Obstacle | None:
    """The first use of the model that keeps it in the wrapper that the script makes."""
    places = _Places(outline, found, uses)
    forwards: list[tuple[str | None, cst.Call | None]] = []
    for node in uses.nodes:
        parent = outline.program.parent[node]
        if isinstance(parent, cst.Call) and parent.func is node:
            own = places.forwards_of(parent)
            if None in own:
                return Obstacle(node, "the model is called outside the steps")
            steps = [places.hook_of(call.func) for call in own if call is not None]
            if any(step in outline.with_gradients for step in steps) and not places.is_without_gradients(node):
                return Obstacle(found.call, "the evaluation computes gradients")
            forwards += zip(steps, own)
        elif guard.wrapped_at(node) is False and places.is_plain(node):
            continue
        elif places.is_out_of_reach(node):
            return Obstacle(node, "a function that stays in the script uses the model")
        elif places.is_before(node):
            if not is_known_before(outline, node, guard):
                return Obstacle(node, "the model is used between the wrapper and the training")
        elif not (_is_known(outline, node, guard) or places.loads(node, guard) or places.uses_the_module(node)):
            return Obstacle(node, "the model is used in another way than to train it and to save its module")
        if places.needs_the_condition(node, guard):
            return Obstacle(node, "a step would have to know the condition for the wrapper")
    for node in uses.others:
        if places.is_out_of_reach(node):
            return Obstacle(node, "a function that stays in the script uses the model")
        if places.is_before(node):
            if not is_known_before(outline, node, guard):
                return Obstacle(node, "the model is used between the wrapper and the training")
        elif not places.uses_it_outside(node, node):
            return Obstacle(node, "the model is used in another way than to train it and to save its module")
    for step in places.steps:
        calls = [call for hook, call in forwards if hook == step and call is not None]
        if (step == STEP or step in outline.hooks) and not _is_one(outline, calls):
            return Obstacle(found.call, "the step does not call the model once")
    return None


def _is_one(outline: Outline, calls: Sequence[cst.Call]) -> bool:
    """Whether of some calls just one runs: there is one in each branch of conditions."""
    pairs = ((call, other) for index, call in enumerate(calls) for other in calls[:index])
    return bool(calls) and all(are_exclusive(outline.program, *pair) for pair in pairs)


class _Places:
    """Where uses stand: in which hook, in front of the training or behind it."""

    def __init__(self, outline: Outline, found: Wrapper, uses: Uses) -> None:
        self.outline, self.found, self.uses = outline, found, uses
        # an evaluation that one process asks for runs in no forward pass of the wrapper
        self.steps = tuple(step for step in _STEPS if step != VALIDATION_STEP or not outline.validates_alone)
        self.hooks = {id(n): hook for hook, body in outline.hooks.items() for n in walk(*body)}
        # what stands in the hooks by now: other idioms have made new nodes around the names
        bodies = (body for body in outline.hooks.values())
        self.outer = {id(child): node for body in bodies for node in walk(*body) for child in node.children}

    def hook_of(self, node: cst.CSTNode) -> str | None:
        return self.hooks.get(id(node))

    def is_plain(self, node: cst.CSTNode) -> bool:
        """Whether a use is that of a model without a wrapper, in code that no step runs."""
        inside = self.hook_of(node) is not None or self.outline.program.scope_of(node) is self.found.entry.scope
        return inside and not self._is_in_a_step(node)

    def is_out_of_reach(self, node: cst.CSTNode) -> bool:
        """Whether a use stands in a function that is neither the script's driver nor lent the model."""
        scopes = (self.outline.site.driver, self.found.entry.scope)
        known = is_entered(self.outline, node) or self.outline.program.scope_of(node) in scopes
        return not known and self.uses.function_of(node) is None

    def is_before(self, node: cst.CSTNode) -> bool:
        """Whether a use may run between the wrapper and the training."""
        program, entry = self.outline.program, self.found.entry
        if self.hook_of(node) is not None:
            return False
        function = self.uses.function_of(node)
        if function is not None:
            return any(self.is_before(call) for call in self.uses.lent[function])
        inside = program.scope_of(node) is not entry.scope
        return program.order[node] < program.order[self.outline.site.epoch_loop if inside else entry.training]

    def forwards_of(self, call: cst.Call) -> list[cst.Call | None]:
        """The calls in the steps that call the model there, each once for a batch; None for any other place."""
        hook = self.hook_of(call.func)
        if hook is not None:
            return [call if hook in self.steps and not self._repeats(call.func, hook) else None]
        function = self.uses.function_of(call)
        if function is None or function.decorators:
            return [None]
        for outer in self.outline.program.ancestors(call):
            if outer is function:
                break
            if isinstance(outer, _REPEATING) or not is_harmless_with(self.outline, outer):
                return [None]
        return [made for lent in self.uses.lent[function] for made in self.forwards_of(lent)]

    def _repeats(self, node: cst.CSTNode, hook: str) -> bool:
        return repeats(self.outline, self.outer, node, hook)

    def is_without_gradients(self, node: cst.CSTNode) -> bool:
        """Whether a use in a step stands in a `with torch.no_grad()` of its own."""
        outer = self.outer.get(id(node))
        while outer is not None:
            if isinstance(outer, cst.With) and not is_harmless_with(self.outline, outer):
                return True  # `forwards_of` allows no other ones
            outer = self.outer.get(id(outer))
        return False

    def needs_the_condition(self, node: cst.CSTNode, guard: Guard) -> bool:
        """Whether what a use means depends on the run, and there the condition cannot be asked again."""
        parent = self.outline.program.parent[node]
        asked = isinstance(parent, cst.Arg)
        if not asked and not (isinstance(parent, cst.Attribute) and parent.attr.value in ("module", *_NAMED)):
            return False
        if self.uses.function_of(node) is not None:
            return self.found.guard is not None
        if self.found.entry.whole is not None and self.hook_of(node) is None and guard.wrapped_at(node) is None:
            return True
        return self.hook_of(node) is not None and guard.test is None and guard.wrapped_at(node) is None

    def loads(self, node: cst.CSTNode, guard: Guard) -> bool:
        """Whether a use outside the steps loads the state of the wrapped model."""
        loads = self.outline.program.parent[node]
        if not isinstance(loads, cst.Attribute) or loads.attr.value != "load_state_dict" or self._is_in_a_step(node):
            return False
        return by_its_names(self.outline, node, guard)

    # --- `model.module` -------------------------------------------------------------------------------------------

    def uses_the_module(self, node: cst.CSTNode) -> bool:
        """Whether a use takes `model.module`, outside the steps, and hands it to nothing that they know."""
        module = self.outline.program.parent[node]
        taken = isinstance(module, cst.Attribute) and module.attr.value == "module"
        return taken and self.uses_it_outside(node, module)

    def uses_it_outside(self, node: cst.CSTNode, module: cst.CSTNode) -> bool:
        """Whether a use, `module` of which is the model itself, is outside the steps and reaches nothing there."""
        program = self.outline.program
        if self._is_in_a_step(node):
            return False
        outer = module
        while isinstance(program.parent[outer], (cst.Attribute, cst.Subscript)):
            outer = program.parent[outer]
        if isinstance(program.parent[outer], _STORES):
            return False
        kept = self._kept_by(node)
        asked = [flow_of(program, self.outline.hooks.get(step, [])).early for step in self.steps]
        return not any(self.outline.bindings.canonical(variable) in kept for early in asked for variable in early)

    def _is_in_a_step(self, node: cst.CSTNode) -> bool:
        hook = self.hook_of(node)
        if hook is not None:
            return hook in self.steps or hook in self.outline.methods
        function = self.uses.function_of(node)
        return function is not None and any(self._is_in_a_step(call) for call in self.uses.lent[function])

    def _kept_by(self, use: cst.CSTNode) -> set[Variable]:
        """The variables that may keep an object: those that its statement binds, and those whose methods it calls.

        A function that is lent the model may return it to the statements that call it.
        """
        program, model = self.outline.program, self.found.model
        statement, function = program.statement(use), self.uses.function_of(use)
        handed_on = [self._kept_by(call) for call in self.uses.lent[function]] if function is not None else []
        names = [node for node in program.find(cst.Name, statement) if node in program.variables]
        kept = [node for node in names if program.access(node) != "read"]
        for part in (*program.find(cst.Attribute, statement), *program.find(cst.Subscript, statement)):
            call = program.parent.get(part)
            called = isinstance(call, cst.Call) and call.func is part and bool(call.args)
            if called and (program.qualified_name(part) or "").startswith(_KEEPS_NOTHING):
                continue
            base: cst.CSTNode = part
            while isinstance(base, (cst.Attribute, cst.Subscript)):
                base = base.value
            if (called or isinstance(call, _STORES)) and isinstance(base, cst.Name) and base in names:
                kept.append(base)
        found = {self.outline.variable(node) for node in kept}
        own = {variable for variable in found if variable is not None and variable.owner is not None}
        return own.union(*handed_on) - {model, *self.found.others}


def repeats(outline: Outline, around: Mapping[int, cst.CSTNode], node: cst.CSTNode, hook: str) -> bool:
    """Whether a call in a step may run more than once for a batch, or under what changes the wrapper.

    `around` gives what stands around each node of the hooks by now.
    """
    outer, known = around.get(id(node)), _CONTEXTS if hook == STEP else (*_CONTEXTS, *_WITHOUT_GRADIENTS)
    while outer is not None:
        if isinstance(outer, _REPEATING) or not is_harmless_with(outline, outer, known):
            return True
        outer = around.get(id(outer))
    return False


def is_harmless_with(outline: Outline, node: cst.CSTNode, known: tuple[str, ...] = _CONTEXTS) -> bool:
    """Whether a `with` block is one of known contexts, which change nothing that the wrapper does; or no such block."""
    if not isinstance(node, cst.With):
        return True
    calls = [item.item for item in node.items]
    return all(isinstance(call, cst.Call) and _names(outline.program, call.func, known) for call in calls)


def _names(program: Program, func: cst.BaseExpression, known: tuple[str, ...]) -> bool:
    """Whether what is called is one of some functions, or None where it cannot be imported."""
    if program.qualified_name(func) in known:
        return True
    variable = program.variables.get(func)
    imported = [program.imports.get(seen.node) in known for seen in variable.writes] if variable is not None else []
    absent = [_is_bound_to_none(program, seen.node) for seen in variable.writes] if variable is not None else []
    return any(imported) and all(one or other for one, other in zip(imported, absent))


def _is_bound_to_none(program: Program, name: cst.CSTNode) -> bool:
    value = program.bound_to(name)
    return value is not None and is_none(value)


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
    return parent.attr.value != "state_dict" or by_its_names(outline, node, guard)
