"""What the steps of an evaluation leave behind besides their sums: lists, averages, the last batch.

Sums are added up across processes, and then each of them needs a part of the data only. What else a step leaves behind
is known to one process alone, so each one has to evaluate all of the data. Errs on the side of something left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.targets import leaves_of, names_in
from refactorer.analysis.walk import walk
from refactorer.outline.batches import BatchSource
from refactorer.outline.outline import Outline
from refactorer.outline.places.accumulators import assigned_pairs
from refactorer.outline.training.anchors import loops_around
from refactorer.outline.training.reach import functions_named

_TELLING = ("info", "debug", "warning", "train", "eval", "to", "item", "size", "format", "join", "zero_grad")
_SHOWING = ("add_scalar", "add_image", "add_figure", "set_description", "set_postfix")
_FILLING = ("append", "appendleft", "extend", "insert", "setdefault", "pop", "popleft")
_STOPPING = ("stop_epoch", "stop_training")
_STORING = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)
_PLAIN = ("torch.", "time.", "tqdm.", "builtins.len", "builtins.int", "builtins.float", "builtins.str", "builtins.next")


def keeps_more(outline: Outline, source: BatchSource, stage: Sequence[str], sums: Iterable[Variable]) -> bool:
    """Whether steps over a source leave more than sums to the lines behind them, to each other, or to the driver.

    `stage` names the hooks in front of the steps, for each step, and behind them.
    """
    return _Steps(outline, source, *stage).keep_more(set(sums))


class _Steps:
    """The steps of one evaluation; `own` is what each of them binds for itself, `read` what is looked into later."""

    def __init__(self, outline: Outline, source: BatchSource, start: str, step: str, end: str) -> None:
        self.outline, self.program = outline, outline.program
        self.lines, self.behind = outline.lines(step), outline.lines(end)
        self.start = outline.lines(start)
        self.made = {v for node, v in outline.uses(*self.start) if outline.is_write(node)}
        flow = flow_of(self.program, self.lines)
        targets = [name for part in (source.target, source.index) if part is not None for name in names_in(part)]
        bound = {v for name in targets if (v := outline.variable(name)) is not None}
        self.own = self._seen(flow.may) | bound
        self.carried = self._seen(flow.early) - bound
        self.read = self._read_behind() | self._read_in_driver()

    def keep_more(self, sums: set[Variable]) -> bool:
        own = self.own - sums
        if own & (self.carried | self.read) or self._uses_object(own | sums):
            return True
        nodes = list(walk(*self.lines))
        if any(self._changes(node, own) or self._depends_on(node, sums) for node in nodes):
            return True
        return self._binds_globals()

    def _uses_object(self, aside: set[Variable]) -> bool:
        """Whether steps have to do with an object that is made in front of them, and that they may fill or use up."""
        used = {variable for _, variable in self.outline.uses(*self.lines)} & self.made
        return any(not self._is_plain(variable) for variable in used - aside)

    def _is_plain(self, variable: Variable) -> bool:
        """Whether the lines in front of the steps set a variable to numbers and texts only, or to what torch makes."""
        written = [node for node, v in self.outline.uses(*self.start) if v is variable and self.outline.is_write(node)]
        assigns = [node for node in walk(*self.start) if isinstance(node, cst.Assign)]
        pairs = [pair for assign in assigns for pair in assigned_pairs(assign)]
        values = [value for target, value in pairs if self.outline.variable(target) is variable]
        return len(values) == len(written) and all(map(self._is_plain_value, values))

    def _is_plain_value(self, value: cst.CSTNode) -> bool:
        if isinstance(value, cst.Call):
            return (self.program.qualified_name(value.func) or "").startswith(_PLAIN)
        if isinstance(value, (cst.Name, cst.Attribute)):
            return self._root(value) not in self.made
        return isinstance(value, (cst.BaseNumber, cst.BaseString, cst.BinaryOperation, cst.UnaryOperation))

    def _depends_on(self, node: cst.CSTNode, sums: set[Variable]) -> bool:
        """Whether a step ends the evaluation, or does what it does because of the sums so far."""
        if isinstance(node, cst.Call):
            return isinstance(node.func, cst.Attribute) and node.func.attr.value in _STOPPING
        if isinstance(node, (cst.If, cst.IfExp, cst.While)):
            return self._mentions(node.test, sums)
        if isinstance(node, cst.AugAssign) and self._root(node.target) in sums:
            return self._mentions(node.value, sums)
        if isinstance(node, cst.Assign) and self._root(node.targets[0].target) in sums:
            return self._mentions(node.value.right, sums)  # type: ignore[attr-defined]
        return isinstance(node, cst.Comparison) and self._mentions(node, sums)

    def _mentions(self, node: cst.CSTNode, variables: set[Variable]) -> bool:
        return any(variable in variables for _, variable in self.outline.uses(node))

    def _seen(self, variables: Iterable[Variable]) -> set[Variable]:
        return {self.outline.bindings.canonical(variable) for variable in variables}

    def _read_behind(self) -> set[Variable]:
        """Variables that the lines behind the steps may read as they find them."""
        flow = flow_of(self.program, self.behind)
        own = self._seen(flow.may) - self._seen(flow.early)
        return {variable for _, variable in self.outline.uses(*self.behind)} - own

    def _read_in_driver(self) -> set[Variable]:
        """Variables that the script reads outside the training: behind it, or in other functions."""
        return {variable for variable in self.own for seen in variable.reads if self._is_later(seen)}

    def _is_later(self, seen: Occurrence) -> bool:
        outline, loop = self.outline, self.outline.site.epoch_loop
        if seen.order < 0 or any(self.program.contains(part, seen.node) for part in (loop, *outline.consumed)):
            return False
        once = seen.scope is outline.site.driver and not loops_around(self.program, loop)
        return not (once and seen.order < self.program.order[loop])

    def _changes(self, node: cst.CSTNode, own: set[Variable]) -> bool:
        """Whether a node of a step changes an object that the script looks into later."""
        if isinstance(node, _STORING):
            stored = [part for part in leaves_of(node.target) if isinstance(part, (cst.Attribute, cst.Subscript))]
            return any(self._root(part) not in own and not self._is_bar(part) for part in stored)
        if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call) and self._is_told(node.value, own):
            return True
        if not isinstance(node, cst.Call):
            return False
        if self._fills(node, own):
            return True
        given = {self.outline.variable(arg.value) for arg in node.args}
        return any(v in self.made and v in self.read and v not in self.own for v in given) or self._stores(node)

    def _is_told(self, call: cst.Call, own: set[Variable]) -> bool:
        """Whether a line calls a method of an object that the lines behind the steps look at: `meter.update(loss)`."""
        if not isinstance(call.func, cst.Attribute) or self.program.qualified_name(call.func) is not None:
            return False
        name, held = call.func.attr.value, call.func.value
        if name in _TELLING or name.startswith(_SHOWING) or self._root(held) in own:
            return False
        if isinstance(held, cst.Name):
            return self.outline.variable(held) in self.read
        mentioned = {node.attr.value for node in walk(*self.behind) if isinstance(node, cst.Attribute)}
        return isinstance(held, cst.Subscript) or (isinstance(held, cst.Attribute) and held.attr.value in mentioned)

    def _fills(self, call: cst.Call, own: set[Variable]) -> bool:
        """Whether a call fills a list or its like that is older than the step: `history.append(loss)`."""
        named = isinstance(call.func, cst.Attribute) and self.program.qualified_name(call.func) is None
        return named and call.func.attr.value in _FILLING and self._root(call.func) not in own  # type: ignore[attr-defined]

    def _stores(self, call: cst.Call) -> bool:
        """Whether a call names a method of the file that sets something of its object."""
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else None
        methods = [f for f in self.program.find(cst.FunctionDef) if f.name.value == name and name != "forward"]
        stores = (part.target for method in methods for part in walk(method.body) if isinstance(part, _STORING))
        return any(isinstance(target, (cst.Attribute, cst.Subscript)) for target in stores)

    def _root(self, node: cst.CSTNode) -> Variable | None:
        """The variable that attributes, items and calls in a row begin with."""
        while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call)):
            node = node.func if isinstance(node, cst.Call) else node.value
        return self.outline.variable(node)

    def _is_bar(self, node: cst.BaseExpression) -> bool:
        """Whether something of the Trainer's own progress bar is set."""
        named = self.program.variables.get(node.value) if isinstance(node, cst.Attribute) else None
        bar = self.outline.bindings.expression.get(named) if named is not None else None
        return isinstance(bar, cst.Attribute) and bar.attr.value == "progress_bar"

    def _binds_globals(self) -> bool:
        """Whether functions of the file that a step may call bind variables of others."""
        named = functions_named(self.program, walk(*self.lines))
        return any(isinstance(part, (cst.Global, cst.Nonlocal)) for one in named for part in walk(one.body))
