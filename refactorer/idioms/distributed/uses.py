"""Where the script uses its model once it may be wrapped, also in functions of the file that it is handed to."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.distributed.averaging import is_flag
from refactorer.idioms.distributed.branches import are_exclusive
from refactorer.idioms.distributed.handed import given
from refactorer.idioms.distributed.leaving import blocks_that_leave, stands_in
from refactorer.idioms.distributed.names import is_named_again, is_named_before
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import uses_of

_QUIET = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.enable_grad")


class Uses:
    """The uses of the model where it may be wrapped; `lent` are functions of the file with what calls each.

    `again` are those in `name = model.module`, `needless` such lines that change nothing without the wrapper, and
    `others` the uses of such names, which mean the model itself.
    A function is lent the model if every call of it hands over the wrapped model, and nothing else, for one parameter.
    `leaving` are blocks that use the model in front of the training, and leave: they get a wrapper of their own.
    """

    def __init__(self, outline: Outline, found: Wrapper) -> None:
        self.outline, self.found, program = outline, found, outline.program
        self.lent: dict[cst.FunctionDef, list[cst.Call]] = {}
        self.leaving = blocks_that_leave(outline, found)
        every = self._own(found.model, found.entry.model)
        self.nodes = [
            node for node in every if not stands_in(program, node, self.leaving) and not is_flag(outline, node)
        ]
        self.again = [node for node in self.nodes if is_named_again(outline, found, node)]
        self.nodes = [node for node in self.nodes if node not in self.again]
        self.needless = [program.statement(node) for node in self.again if is_named_before(outline, found, node)]
        named = [node for node in self._own(*found.others) if not outline.is_write(node)]
        self.others = [node for node in named if not stands_in(program, node, self.leaving)]
        self._follow()

    def _own(self, *names: Variable) -> Iterator[cst.CSTNode]:
        """The uses by names of the scope that wraps it, and of functions that were entered."""
        program, entry = self.outline.program, self.found.entry
        for node, raw in program.variables.items():
            here = self.outline.bindings.canonical(raw)
            if here not in names or node not in program.order:
                continue
            if isinstance(program.parent[node], cst.Param):
                continue
            elsewhere = is_entered(self.outline, node) or program.scope_of(node) is not entry.scope
            if (elsewhere or _is_behind(self.outline, self.found, node)) and not self._enters(node):
                yield node

    def _enters(self, node: cst.CSTNode) -> bool:
        """Whether a use only hands the model to the training, or to a function that the module has taken in."""
        call = _call_with(self.outline.program, node)
        if call is None:
            return False
        return call is self.found.entry.training or self.outline.program.function(call.func) in self.outline.consumed

    # --- functions that are lent the model ------------------------------------------------------------------------

    def _follow(self) -> None:
        waiting = list(self.nodes)
        while waiting:
            call = _call_with(self.outline.program, waiting.pop())
            function = self.outline.program.function(call.func) if call is not None else None
            if call is None or function is None or function in self.lent:
                continue
            parameter = self._parameter(function)
            if parameter is None:
                continue
            variable = self.outline.program.variables[parameter.name]
            calls = [outer for use in uses_of(self.outline.program, function) if (outer := self._parent(use))]
            self.lent[function] = [outer for outer in calls if isinstance(outer, cst.Call)]
            handed = {arg.value for outer in self.lent[function] for arg in outer.args}
            inner = [seen.node for seen in variable.reads]
            self.nodes = [node for node in self.nodes if node not in handed] + inner
            waiting += inner

    def _parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self.outline.program.parent.get(node)

    def _parameter(self, function: cst.FunctionDef) -> cst.Param | None:
        """The parameter of a function that each of its calls gives the wrapped model, and no other gets it."""
        program, known = self.outline.program, set(self.nodes)
        if function in self.outline.consumed or function in self.outline.methods.values():
            return None
        if not _is_quiet(program, function):
            return None
        found: set[cst.Param] = set()
        for use in uses_of(program, function):
            call = self._parent(use)
            if not isinstance(call, cst.Call) or call.func is not use or program.contains(function, call):
                return None
            values = given(program, function, call) or {}
            handed = [parameter for parameter, value in values.items() if value in known]
            if len(handed) != 1:
                return None
            found |= set(handed)
        parameter = found.pop() if len(found) == 1 else None
        alone = parameter is not None and len(program.variables[parameter.name].writes) == 1
        return parameter if alone else None

    def name_at(self, node: cst.CSTNode) -> cst.Name:
        """A name for the model in new code at the place of a use."""
        variable = self.outline.variable(node)
        if variable is self.found.model:
            return self.outline.new_name(variable)
        assert isinstance(node, cst.Name)
        return cst.Name(node.value)

    def function_of(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function that is lent the model, and that a use stands in."""
        function = self.outline.program.enclosing_function(node)
        return function if function in self.lent else None


def is_entered(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node stands in the loop, or in a function that the module has taken in."""
    return any(outline.program.contains(part, node) for part in (outline.site.epoch_loop, *outline.consumed))


def _is_behind(outline: Outline, found: Wrapper, node: cst.CSTNode) -> bool:
    """Whether a node of the scope that wraps the model may run when the model has been wrapped."""
    program = outline.program
    return any(
        program.order[node] > program.last[made.place] and not are_exclusive(program, made.place, node)
        for made in found.wrappings
    )


def _call_with(program: Program, node: cst.CSTNode) -> cst.Call | None:
    """The call that a name is an argument of."""
    arg = program.parent.get(node)
    call = program.parent.get(arg) if isinstance(arg, cst.Arg) else None
    return call if isinstance(call, cst.Call) else None


def _is_quiet(program: Program, function: cst.FunctionDef) -> bool:
    """Whether nothing but the switch of gradients decorates a function."""
    decorators = [d.decorator for d in function.decorators]
    names = [program.qualified_name(d.func if isinstance(d, cst.Call) else d) for d in decorators]
    return all(name in _QUIET for name in names)
