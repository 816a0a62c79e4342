"""Parts of a batch that a step uses on the CPU, before it moves them.

They are brought back there, or what is made of them is made on the device: `torch.zeros(n, 10).scatter_(1, y, 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.lines import bracketed, keyword
from refactorer.idioms.device.moves import target_of
from refactorer.idioms.device.parts import Parts, names_device
from refactorer.outline.places.device_uses import has_own

_SHOWING = ("torchvision.utils.make_grid", "torchvision.utils.save_image")
_FILLED = ("torch.zeros", "torch.ones", "torch.full")


@dataclass
class OnHost(Parts):
    """Parts of a batch that the Trainer moves to the device of a choice, and what the lines of a step become."""

    choice: Choice
    edits: dict[cst.CSTNode, Edit]

    def is_part(self, node: cst.CSTNode) -> bool:
        """Whether an expression is an unmoved part of the batch, or the classes in one as zeros and ones."""
        return super().is_part(node) or self._is_encoded(node)

    def _is_encoded(self, node: cst.CSTNode) -> bool:
        """Makes what `torch.zeros(n, 10).scatter_(1, y, 1)` fills on the device, where the part will be."""
        method = node.func if isinstance(node, cst.Call) and len(node.args) == 3 else None
        if not isinstance(method, cst.Attribute) or method.attr.value not in ("scatter", "scatter_"):
            return False
        made, (dim, index, number) = method.value, node.args  # type: ignore[attr-defined]
        plain = all(arg.keyword is None and not arg.star for arg in (dim, index, number))
        numbers = isinstance(dim.value, cst.Integer) and isinstance(number.value, (cst.Integer, cst.Float))
        if not isinstance(made, cst.Call) or self.outline.program.qualified_name(made.func) not in _FILLED:
            return False
        if not (plain and numbers) or names_device(made) or self.needs_batch(*made.args):
            return False
        if not self.is_part(index.value):
            return False
        sizes = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in made.args]
        self.edits[made] = made.with_changes(args=[*sizes, keyword("device", "self.device")])
        return True

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
