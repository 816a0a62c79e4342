"""Steps that use their batch where the loader puts it although none of their lines moves it: other code moves it later.

    loss = compute_loss(model, batch)        def compute_loss(model, batch):
                                                 x, y = batch
                                                 x = jitter(x)           # drawn on the CPU
                                                 x, y = x.to(device), y.to(device)

The Trainer must leave such a batch there. A step that only hands it to a network whose code moves nothing finds it on
the device already.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in, paired
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.handed import Handed, makes_there
from refactorer.idioms.device.moves import place_named, target_of
from refactorer.idioms.device.parts import Parts
from refactorer.idioms.device.spread import is_spread
from refactorer.idioms.shapes import method_name
from refactorer.outline.outline import Outline


def hidden_move(outline: Outline, hook: str, raw: set[Variable], choice: Choice) -> cst.CSTNode | None:
    """The first place of a step that shows that its batch is still on the CPU there; None if nothing does."""
    step = _Step(Parts(outline, raw), list(walk(*outline.hooks[hook])), choice)
    return next((node for node in step.nodes if step.shows_host(node)), None)


@dataclass
class _Step:
    """The lines of a step, none of which moves what the loop binds, and the parts of its batch."""

    parts: Parts
    nodes: list[cst.CSTNode]
    choice: Choice

    def __post_init__(self) -> None:
        self.outline = self.parts.outline
        plain = [node for node in self.nodes if isinstance(node, cst.Assign)]
        for assign in plain:
            for target in assign.targets:
                for place, value in paired(target.target, assign.value):
                    if self.parts.is_part(value):
                        self.parts.raw |= self._bound(place)
        self.results = Parts(self.outline, set(self.parts.raw))
        for node in self.nodes:
            if isinstance(node, (cst.For, cst.CompFor)) and self.results.needs_batch(node.iter):
                self.results.raw |= self._bound(node.target)
            elif isinstance(node, cst.Assign) and self.results.needs_batch(node.value):
                self.results.raw |= {v for target in node.targets for v in self._bound(target.target)}

    def shows_host(self, node: cst.CSTNode) -> bool:
        """Whether the batch is surely on the CPU at a place, or may be and something has been done with it."""
        if isinstance(node, cst.Assign):
            return self._fills(node) and self._used_before(node, node.value)
        if not isinstance(node, cst.Call):
            return False
        if self._needs_host(node) or self._moves_later(node):
            return True
        moved = self._moved_at_once(node)
        return moved is not None and self._used_before(node, moved)

    # --- what shows it ----------------------------------------------------------------------------------------------

    def _needs_host(self, call: cst.Call) -> bool:
        """Whether a call makes an array of an unmoved part: that works on the CPU only."""
        method = call.func if isinstance(call.func, cst.Attribute) else None
        if method is not None and method.attr.value == "numpy" and self.parts.is_part(method.value):
            return True
        name = self.outline.program.qualified_name(call.func) or ""
        return name.startswith("numpy.") and any(self.parts.is_part(arg.value) for arg in call.args)

    def _moves_later(self, call: cst.Call) -> bool:
        """Whether a call moves what is computed of a part, or is handed one and moves it after something else."""
        if self.choice.is_moved_to(target_of(self.outline, call)):
            return self.parts.needs_batch(call.func) or self._root(call) in self.results.raw - self.parts.raw
        if self._casts(call) and not self.parts.is_part(call.func.value):  # type: ignore[attr-defined]
            return self.parts.needs_batch(call.func)
        if not (self._root(call) in self.parts.raw or self.parts.needs_batch(*call.args)):
            return False
        if makes_there(self.outline.program, call) or not self.choice.is_known:
            return False
        handed = Handed(self.outline)
        if any(place_named(self.outline, arg.value) == self.choice.target for arg in call.args if not arg.star):
            return not handed.moves_first(call, self.parts) or self._used_before(call, call)
        return not is_spread(self.outline, call) and handed.may_move(call, self.parts)

    def _moved_at_once(self, call: cst.Call) -> cst.CSTNode | None:
        """What a call may copy to the device: `images.copy_(x)`, `x.type(Tensor)`, `map(lambda t: t.cuda(), batch)`."""
        if self._casts(call):
            return call.func
        if method_name(call) == "copy_" or makes_there(self.outline.program, call):
            return call
        value = self.outline.program.assigned_value(self.outline.variable(call.func))
        lambdas = [
            node for node in walk(*call.args, *([value] if value is not None else [])) if isinstance(node, cst.Lambda)
        ]
        inner = [target_of(self.outline, node) for one in lambdas for node in walk(one.body)]
        return call if any(map(self.choice.is_moved_to, filter(None, inner))) else None

    def _casts(self, call: cst.Call) -> bool:
        """Whether a call is `x.type(Tensor)` with a type that may be one of a device."""
        return method_name(call) == "type" and len(call.args) == 1 and not self.parts.is_part(call)

    def _fills(self, assign: cst.Assign) -> bool:
        """Whether a part is copied into something that may be on the device: `images[:] = x`."""
        places = [target.target for target in assign.targets]
        return self.parts.is_part(assign.value) and any(isinstance(place, cst.Subscript) for place in places)

    # --- uses -------------------------------------------------------------------------------------------------------

    def _used_before(self, node: cst.CSTNode, moved: cst.CSTNode) -> bool:
        """Whether a step has used what it moves somewhere."""
        variables = {self.outline.variable(name) for name in walk(moved) if isinstance(name, cst.Name)} & self.parts.raw
        earlier = self.nodes[: self.nodes.index(node)]
        return any(
            isinstance(use, cst.Name) and self.outline.variable(use) in variables and not self._is_harmless(use, node)
            for use in earlier
        )

    def _is_harmless(self, name: cst.Name, moving: cst.CSTNode) -> bool:
        """Whether a name is bound, moved, or asked for what is the same on every device."""
        program = self.outline.program
        if self.outline.is_write(name) or program.contains(program.statement(moving), name):
            return True
        around = [name, *program.ancestors(name)][:4]
        if any(self.parts.is_size(node) or self.parts.is_on_host(node) for node in around):
            return True
        if any(isinstance(node, cst.Call) and self._moved_at_once(node) is not None for node in around):
            return True
        assign = next((node for node in program.ancestors(name) if isinstance(node, cst.Assign)), None)
        return assign is not None and self.parts.is_part(assign.value)

    def _root(self, call: cst.Call) -> Variable | None:
        return self.outline.variable(root_of(self.outline, call))

    def _bound(self, target: cst.BaseExpression) -> set[Variable]:
        return {v for name in names_in(target) if (v := self.outline.variable(name)) is not None}
