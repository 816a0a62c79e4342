"""Parts of a batch that a step uses on the CPU, before it moves them: they are brought back there."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.lines import bracketed
from refactorer.idioms.device.moves import target_of
from refactorer.idioms.device.parts import Parts
from refactorer.outline.device_uses import has_own

_SHOWING = ("torchvision.utils.make_grid", "torchvision.utils.save_image")


@dataclass
class OnHost(Parts):
    """Parts of a batch that the Trainer moves to the device of a choice, and what the lines of a step become."""

    choice: Choice
    edits: dict[cst.CSTNode, Edit]

    def looked_at_on_host(self, node: cst.CSTNode) -> bool:
        """Brings a part back that the script turns into an array, or copies before it is moved: `y.cpu().numpy()`."""
        method = node.func if isinstance(node, cst.Call) and not node.args else None
        if not isinstance(method, cst.Attribute) or not self.is_part(method.value):
            return False
        copies = method.attr.value == "clone" and self._is_moved(method.value)
        if (not copies and method.attr.value != "numpy") or has_own(self.outline.program, method.attr.value, "cpu"):
            return False
        self.edits[node] = cst.Call(method.with_changes(value=self._brought_back(method.value)))
        return True

    def _brought_back(self, part: cst.BaseExpression) -> cst.Call:
        self.keep_on_device(part)
        return cst.Call(cst.Attribute(bracketed(self.edits.get(part, part)), cst.Name("cpu")))  # type: ignore[arg-type]

    def shown_on_host(self, node: cst.CSTNode, child: cst.CSTNode) -> bool:
        """Brings a part back that the script shows before it is moved: `make_grid(x)`."""
        shows = isinstance(node, cst.Call) and self.outline.program.qualified_name(node.func) in _SHOWING
        part = child.value if shows and isinstance(child, cst.Arg) else None
        if part is None or not self.is_part(part) or not self._is_moved(part) or has_own(self.outline.program, "cpu"):
            return False
        self.edits[child] = child.with_changes(value=self._brought_back(part))
        return True

    def _is_moved(self, part: cst.CSTNode) -> bool:
        """Whether the step moves what a part is a part of."""
        root = self.outline.variable(root_of(self.outline, part))
        moves = (node for body in self.outline.hooks.values() for node in walk(*body) if isinstance(node, cst.Call))
        return any(
            self.choice.is_moved_to(target_of(self.outline, node)) and self.outline.variable(node.func.value) is root  # type: ignore[attr-defined]
            for node in moves if root is not None
        )  # fmt: skip

    def keep_on_device(self, part: cst.CSTNode) -> None:
        """Changes of type that name the CPU name no device any more."""
        for node in walk(part):
            if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "type":
                found = self.on_any_device(node)
                if found is not None:
                    self.edits[node] = found
