"""Watches trainings without an optimizer: each backward stands for a step, and what it reaches for the parameters."""

from __future__ import annotations

import functools
import os
from typing import Any

import refactorer_state as state  # type: ignore[import-not-found]


class Updates:
    """The backwards of a script, as long as there is no optimizer.

    REFACTORER_TRACE_BACKWARDS says whether the limits count backwards ("1") or steps ("0"). Without it they count
    backwards until the script makes an optimizer.
    """

    def __init__(self) -> None:
        self.given = os.environ.get("REFACTORER_TRACE_BACKWARDS")
        self.optimizer = False
        self.count = 0
        self.leaves: list[Any] = []

    @property
    def alone(self) -> bool:
        """Whether backwards count as steps."""
        return self.given == "1" if self.given else not self.optimizer

    def backward(self, tensors: Any, full: bool) -> dict[str, Any]:
        """A backward begins: what is recorded of the parameters that it will reach, nothing unless `full`."""
        self.count += 1
        if not full:
            return {}
        self.leaves = leaves(tensors)
        return self.now()

    def now(self) -> dict[str, Any]:
        """The checksum and the norm of these parameters, as they are now."""
        bits = 0
        for tensor in self.leaves:
            bits = state.checksum(tensor, bits)
        return {"p": bits, "pn": state.norm([tensor.detach() for tensor in self.leaves])}

    def watch(self, torch: Any) -> None:
        """Notices when the script makes an optimizer; the one that Lightning makes for itself is none."""
        begin = torch.optim.Optimizer.__init__

        @functools.wraps(begin)
        def __init__(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            self.optimizer = self.optimizer or not type(optimizer).__module__.startswith("lightning")
            begin(optimizer, *args, **kwargs)

        torch.optim.Optimizer.__init__ = __init__


def leaves(tensors: Any) -> list[Any]:
    """The tensors without a history that gradients of these tensors reach, in the order of their graph."""
    found: list[Any] = []
    tensors = tensors if isinstance(tensors, (list, tuple)) else [tensors]
    nodes = [getattr(tensor, "grad_fn", None) for tensor in reversed(tensors)]
    seen: set[Any] = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        nodes += [following for following, _ in reversed(node.next_functions)]
    return found or [tensor for tensor in tensors if getattr(tensor, "requires_grad", False)]
