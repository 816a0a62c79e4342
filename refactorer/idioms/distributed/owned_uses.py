"""Uses of a model that a constructor wraps: those that mean the same when the Trainer has wrapped it.

As elsewhere, each step calls the model once, nobody else calls it, and what was its `module` is the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.averaging import is_flag
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.idioms.distributed.known_uses import repeats
from refactorer.idioms.distributed.owned import Owned, handed_to
from refactorer.idioms.distributed.uses import is_entered
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.classes import class_of_method, class_of_object, methods_of
from refactorer.outline.functions.known_methods import is_asked_by_name
from refactorer.outline.objects.held import held_by, values_of
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline
from refactorer.outline.training.anchors import uses_of

_ANYTIME = ("train", "eval", "zero_grad")
_LATER = (*_ANYTIME, "parameters", "module")
_STATE = (*_ANYTIME, "parameters", "named_parameters", "state_dict")
_EARLIER = (*_LATER[:-1], "load_state_dict", "to", "cuda", "double", "float", "half", "apply", "requires_grad_")
_ANOTHER_NAME = "the wrapped model has another name, which it may not keep"
_OTHERWISE = "the model is used in another way than to train it and to save its module"
_BETWEEN = "the model is used between the wrapper and the training"


class OwnedUses:
    """Every mention of the attribute that holds the model, and of what the constructor was given for it."""

    def __init__(self, outline: Outline, found: Owned) -> None:
        self.outline, self.found, self.program = outline, found, outline.program
        self.hooks = {id(node): hook for hook, body in outline.hooks.items() for node in walk(*body)}
        bodies = outline.hooks.values()
        self.outer = {id(child): node for body in bodies for node in walk(*body) for child in node.children}
        self.kind = class_of_method(self.program, found.constructor)
        # an evaluation that one process asks for, or that keeps gradients, runs in no forward pass of the Trainer's
        own = () if outline.validates_alone else (VALIDATION_STEP,)
        self.steps = tuple(step for step in (STEP, *own, TEST_STEP) if step not in outline.with_gradients)

    def obstacle(self) -> Obstacle | None:
        """The first use that keeps the wrapper."""
        forwards: dict[str, list[cst.CSTNode]] = {}
        for node in self.mentions():
            step = self._step_of(node)
            if step is not None:
                forwards.setdefault(step, []).append(self.program.parent[node])
                continue
            reason = self._why_otherwise(node)
            if reason is not None:
                return Obstacle(node, reason)
        if self._is_written_anew():
            return Obstacle(self.found.call, _OTHERWISE)
        for step in self.steps:
            calls = forwards.get(step, [])
            pairs = ((call, other) for index, call in enumerate(calls) for other in calls[:index])
            once = bool(calls) and all(are_exclusive(self.program, *pair) for pair in pairs)
            if (step == STEP or step in self.outline.hooks) and not once:
                return Obstacle(self.found.call, "the step does not call the model once")
        another = next((node for node in self._called_beside() if self._may_be_the_model(node)), None)
        return Obstacle(another, _ANOTHER_NAME) if another is not None else self._of_the_argument()

    def _step_of(self, node: cst.Attribute) -> str | None:
        """The step in which a use calls the model, once for a batch; None if it does something else."""
        call, hook = self.program.parent[node], self.hooks.get(id(node))
        if not isinstance(call, cst.Call) or call.func is not node or hook is None or hook not in self.steps:
            return None
        return None if repeats(self.outline, self.outer, node, hook) else hook

    def _is_written_anew(self) -> bool:
        """Whether the hooks mention the model in code that the script does not have."""
        known = {id(node) for node in self.mentions()}
        parts = (node for body in self.outline.hooks.values() for node in walk(*body))
        attributes = (node for node in parts if isinstance(node, cst.Attribute) and id(node) not in known)
        attributes = (node for node in attributes if not is_flag(self.outline, node))
        return any(node.attr.value == self.found.held.attribute for node in attributes)

    def mentions(self) -> Iterator[cst.Attribute]:
        """The attributes of this name that may be the model, but for the line of the wrapper itself."""
        for node in self.program.find(cst.Attribute):
            if node.attr.value != self.found.held.attribute or node not in self.program.order:
                continue
            if self.program.contains(self.found.line, node) or is_flag(self.outline, node):
                continue
            if self.program.qualified_name(node) is None:
                yield node

    def modules(self) -> list[cst.Attribute]:
        """Each `self.model.module`."""
        outer = (self.program.parent[node] for node in self.mentions())
        return [node for node in outer if isinstance(node, cst.Attribute) and node.attr.value == "module"]

    # --- one mention --------------------------------------------------------------------------------------------------

    def _why_otherwise(self, node: cst.Attribute) -> str | None:
        """Why a use that is no call in a step keeps the wrapper."""
        parent = self.program.parent[node]
        used = parent.attr.value if isinstance(parent, cst.Attribute) else ""
        if not self._is_of_object(node):
            return "another object has an attribute of this name"
        if is_entered(self.outline, node):
            return None if self._is_known_later(node, _STATE) else _OTHERWISE
        method = self.program.enclosing_function(node)
        if method is self.found.constructor:
            return self._in_constructor(node)
        if method is not None and self._runs_ahead(method):
            return None if used in _EARLIER else _OTHERWISE
        if self._runs_behind(node):
            return None if self._is_known_later(node) else _OTHERWISE
        return None if used in _ANYTIME else _BETWEEN

    def _is_of_object(self, node: cst.Attribute) -> bool:
        """Whether a node is `self.model` in the class, or `trainer.model` beside the training."""
        if held_by(self.outline, node) == self.found.held:
            return True
        variable = self.program.variables.get(node.value)
        owner = self.program.definition(variable)
        if isinstance(owner, cst.Param):
            return class_of_object(self.program, owner) is self.kind
        call = self.found.training.func
        assert isinstance(call, cst.Attribute)
        return variable is not None and variable is self.program.variables.get(call.value)

    def _is_known_later(self, node: cst.Attribute, asked: tuple[str, ...] = ()) -> bool:
        """Whether a use behind the wrapper means the same without it; `asked` is all that its `module` may be asked."""
        used = self.program.parent[node]
        if not isinstance(used, cst.Attribute) or used.attr.value not in _LATER:
            return False
        outer = self.program.parent[used]
        if used.attr.value != "module":
            return True
        return isinstance(outer, cst.Attribute) and (not asked or outer.attr.value in asked)

    def _in_constructor(self, node: cst.Attribute) -> str | None:
        """Why a use in the constructor keeps the wrapper."""
        parent = self.program.parent[node]
        if self.program.order[node] > self.program.order[self.found.line]:
            used = parent.attr.value if isinstance(parent, cst.Attribute) else ""
            return None if used in _ANYTIME or self._makes_optimizer(parent) else _BETWEEN
        stored = isinstance(parent, cst.AssignTarget)
        used = parent.attr.value if isinstance(parent, cst.Attribute) else ""
        return None if stored or used in _EARLIER else _ANOTHER_NAME

    def _makes_optimizer(self, used: cst.CSTNode) -> bool:
        """Whether `self.model.parameters` is what a line makes an optimizer of torch with."""
        line = self.program.statement(used)
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
        made = small.value if isinstance(small, cst.Assign) else None
        name = self.program.qualified_name(made.func) if isinstance(made, cst.Call) else None
        asked = isinstance(used, cst.Attribute) and used.attr.value == "parameters"
        return asked and (name or "").startswith("torch.optim.")

    def _runs_ahead(self, method: cst.FunctionDef) -> bool:
        """Whether only the constructor calls a method, in front of the wrapper."""
        uses = uses_of(self.program, method)
        return bool(uses) and not is_asked_by_name(self.program, method) and all(
            self.program.enclosing_function(use) is self.found.constructor
            and self.program.order[use] < self.program.order[self.found.line]
            for use in uses
        )  # fmt: skip

    def _runs_behind(self, node: cst.CSTNode, seen: frozenset[cst.CSTNode] = frozenset()) -> bool:
        """Whether a place surely runs when the training has begun."""
        program, loop = self.program, self.outline.site.epoch_loop
        if is_entered(self.outline, node):
            return True
        function = program.enclosing_function(node)
        if function is program.enclosing_function(loop):
            return program.order[node] > program.order[loop]
        if program.scope_of(node) is self.found.beside:
            return program.order[node] > program.last[program.statement(self.found.training)]
        if function is None or function in seen or is_asked_by_name(program, function):
            return False
        uses = uses_of(program, function)
        return bool(uses) and all(self._runs_behind(use, seen | {function}) for use in uses)

    # --- what the constructor is given ----------------------------------------------------------------------------

    def _of_the_argument(self) -> Obstacle | None:
        """A use of the parameter that the model comes from, or of the caller's variable, that keeps the wrapper."""
        raw = self.found.raw
        given = self.program.variables.get(handed_to(self.program, self.found, raw) or self.found.line)
        for seen in raw.reads if raw is not None else ():
            if self.program.contains(self.found.line, seen.node) or self._is_stored(seen.node):
                continue
            parent = self.program.parent[seen.node]
            used = parent.attr.value if isinstance(parent, cst.Attribute) else ""
            behind = self.program.order[seen.node] > self.program.order[self.found.line]
            if behind and not (used in _ANYTIME or self._makes_optimizer(parent)):
                return Obstacle(seen.node, _BETWEEN)
            if not behind and used not in _EARLIER:
                return Obstacle(seen.node, _ANOTHER_NAME)
        if given is not None and any(seen.scope.function is not self.found.beside for seen in given.reads):
            return Obstacle(self.found.call, _ANOTHER_NAME)
        return None

    def _called_beside(self) -> Iterator[cst.Attribute]:
        """The other attributes of the object that are called outside the constructor, its methods aside."""
        assert self.kind is not None
        methods = {method.name.value for method in methods_of(self.kind)}
        later = (
            call for call in self.program.find(cst.Call) if not self.program.contains(self.found.constructor, call)
        )
        for node in (call.func for call in later if isinstance(call.func, cst.Attribute)):
            beside = node.attr.value not in (self.found.held.attribute, *methods)
            if beside and isinstance(node.value, cst.Name) and self._is_of_object(node):
                yield node

    def _may_be_the_model(self, node: cst.Attribute) -> bool:
        """Whether an attribute may be set to something that knows the model: to what the caller has made of it."""
        given = handed_to(self.program, self.found, self.found.raw)
        model = self.program.variables.get(given) if given is not None else None
        for value in values_of(self.program, node.attr.value):
            made = unmoved(value) if value is not None else None
            if isinstance(made, cst.Call):
                continue  # what the constructor does with the model has been looked at
            name = self.program.variables.get(made) if made is not None else None
            handed = handed_to(self.program, self.found, name)
            if handed is None or (model is not None and model in self._sources(handed)):
                return True
        return False

    def _sources(self, value: cst.BaseExpression) -> set[Variable]:
        """The variables that an expression is made of, and all that these were made of."""
        found: set[Variable] = set()
        waiting = [value]
        while waiting:
            new = {variable for _, variable in self.program.used([waiting.pop()])} - found
            found |= new
            bound = (self.program.bound_to(seen.node) for variable in new for seen in variable.writes)
            waiting += [made for made in bound if made is not None]
        return found

    def _is_stored(self, node: cst.CSTNode) -> bool:
        """Whether a line sets the attribute to the parameter: `self.model = model.to(device)`."""
        line = self.program.statement(node)
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
        if not isinstance(small, cst.Assign) or len(small.targets) != 1 or unmoved(small.value) is not node:
            return False
        target = small.targets[0].target
        return isinstance(target, cst.Attribute) and target.attr.value == self.found.held.attribute
