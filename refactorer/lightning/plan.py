"""What is known about a training when its module is about to be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.configure import Configuration
from refactorer.outline.epochs import Epochs
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.places.homes import Homes


@dataclass(frozen=True)
class Plan:
    """The finished outline with everything that was decided about it."""

    outline: Outline
    roles: Roles
    configuration: Configuration
    homes: Homes
    epochs: Epochs

    @property
    def program(self) -> Program:
        """The file that the training stands in."""
        return self.outline.program

    @property
    def loop(self) -> cst.CSTNode:
        """The loop that the Trainer replaces: where a trap is reported that has no better place."""
        return self.outline.site.epoch_loop

    def lines(self, *hooks: str) -> list[cst.CSTNode]:
        """The statements of some hooks, or of all."""
        return self.outline.lines(*(hooks or self.outline.hooks))

    def own_calls(self, hook: str, method: str) -> list[cst.Call]:
        """Calls `self.method()` that the conversion wrote, on the module that is to be."""
        return [
            node for node in walk(*self.lines(hook))
            if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == method
            and isinstance(node.func.value, cst.Name) and node.func.value.value == "self"
            and node.func.value not in self.program.variables
        ]  # fmt: skip

    def named(self, *prefixes: str) -> Iterator[cst.CSTNode]:
        """Names and attributes of the file that mean something whose qualified name starts with one of the prefixes."""
        for node in self.program.find((cst.Name, cst.Attribute)):
            name = self.program.imports.get(node) or self.program.qualified_name(node) or ""
            if name.startswith(prefixes):
                yield node

    def behind(self, variable: Variable) -> list[cst.CSTNode]:
        """Reads of a variable in the driver behind the training."""
        end = self.program.last[self.loop]
        return [seen.node for seen in variable.reads if seen.order > end]
