"""What the training, and the code around it, may read and write, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import takewhile

import libcst as cst

from refactorer.analysis.deferred import deferred
from refactorer.analysis.flow import NOTHING, Flow, flow_of, passes_errors_on
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import holds, walk
from refactorer.emit.edits import apply
from refactorer.outline.batches import is_round
from refactorer.outline.blocks import block_lines
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_END,
    EPOCH_START,
    EPOCHS,
    STEP,
    TEST_HOOKS,
    TEST_STEP,
    TRAIN_DATA,
    VALIDATION_DATA,
    VALIDATION_HOOKS,
    VALIDATION_STEP,
    ZERO_GRAD,
    Outline,
)
from refactorer.outline.places.read_in_front import read_in_front
from refactorer.outline.places.taken_away import since, taken_away
from refactorer.outline.training.reach import runs_again


class Liveness:
    """Reads and writes of the hooks of one outline; `moved` are lines of the driver that the module takes over."""

    def __init__(self, outline: Outline, moved: Sequence[cst.CSTNode]) -> None:
        self.outline, self.moved = outline, moved
        self.program, self.site = outline.program, outline.site
        self.module_scope = self.program.scope[self.program.module]
        self._flows_of_lines: dict[cst.CSTNode, Flow] = {}

    def _ordered(self) -> list[tuple[str, list[cst.CSTNode]]]:
        order = [*self.outline.methods, EPOCHS, EPOCH_START, TRAIN_DATA, *self.outline.order[1:]]
        return [(hook, self.outline.hooks[hook]) for hook in order if hook in self.outline.hooks]

    def _flow(self, body: Iterable[cst.CSTNode]) -> Flow:
        """The summary of lines, seen through parameters line by line: one may read what another writes as its own."""
        total = NOTHING
        for line in body:
            if line not in self._flows_of_lines:
                raw = flow_of(self.program, [line])
                seen = Flow(self._seen(raw.early), self._seen(raw.sure), self._seen(raw.may), raw.ends)
                self._flows_of_lines[line] = seen
            total = total.then(self._flows_of_lines[line])
        return total

    def _seen(self, variables: Iterable[Variable]) -> frozenset[Variable]:
        found: set[Variable] = set()
        for variable in variables:
            expression = self.outline.bindings.expression.get(variable)
            if expression is None:
                found.add(self.outline.bindings.canonical(variable))
            else:
                found.update(v for _, v in self.outline.uses(expression))
        return frozenset(found)

    def _epoch_flow(self) -> Flow:
        """All hooks one after the other; the test may come behind a training of no epochs."""
        total, batch = NOTHING, NOTHING
        for hook, body in self._ordered():
            one = self._flow(body)
            one = Flow(one.early, one.sure, one.may)
            if hook in (ZERO_GRAD, STEP, BACKWARD, AFTER_BACKWARD, BEFORE_STEP, BATCH_END):
                sure = one.sure if hook == BATCH_END or not self.outline.always else self._sure_if_left(hook, body)
                batch = batch.then(Flow(one.early, sure, one.may))
                continue
            total, batch = total.then(batch.maybe()), NOTHING
            if hook in TEST_HOOKS and hook == next(h for h in TEST_HOOKS if h in self.outline.hooks):
                total = total.maybe()
            asked = (VALIDATION_DATA, *VALIDATION_HOOKS) if self.outline.asked is not None else ()
            source = self.outline.evaluation if hook == VALIDATION_STEP and not asked else None
            once = source is not None and is_round(source.loop)
            certain = once or hook not in (VALIDATION_STEP, TEST_STEP, *asked, *self.outline.methods)
            total = total.then(one if certain else one.maybe())
        return total.then(batch.maybe())

    def _sure_if_left(self, hook: str, body: list[cst.CSTNode]) -> frozenset[Variable]:
        """What a hook also writes for batches that the step leaves: in front of the first place where it does."""
        lines = takewhile(lambda line: not returns([line]), body) if hook == STEP else ()
        return self._flow(lines).sure

    @cached_property
    def _read_behind_asked(self) -> frozenset[Variable]:
        """Variables of an evaluation in the middle of a hook that the rest of the hook may read as it left them."""
        source, asked = self.outline.evaluation, self.outline.asked
        if asked is None or source is None:
            return frozenset()
        hook = next(
            hook for hook in (STEP, BATCH_END, BEFORE_STEP, EPOCH_END) if holds(self.outline.lines(hook), asked)
        )
        rest = self._flow(lines_behind(self.outline.hooks[hook], asked))
        bound = [part for part in (source.target, source.index) if part is not None]
        return rest.early & {
            v for _, v in self.outline.uses(*self.outline.lines(VALIDATION_DATA, *VALIDATION_HOOKS), *bound)
        }

    def read_behind_training(self) -> frozenset[Variable]:
        """Variables of the driver that may be read behind the training before they are written again."""
        node: cst.CSTNode = self.site.epoch_loop
        orelse = node.orelse  # type: ignore[attr-defined]
        total = self._flow(orelse.body.body).maybe() if orelse is not None else NOTHING
        caught: set[Variable] = set()
        while node is not self.site.driver.node and node in self.program.parent:
            parent = self.program.parent[node]
            if isinstance(parent, (cst.IndentedBlock, cst.Module)):
                total = total.then(self._flow(self._behind(parent, node)))
            elif isinstance(parent, (cst.Try, cst.TryStar)):
                others = [part for part in (*parent.handlers, parent.orelse, parent.finalbody) if part is not None]
                caught |= {v for _, v in self.outline.uses(*others)}
                total = total.maybe()
            elif isinstance(parent, cst.With) and not passes_errors_on(self.program, parent):
                total = total.maybe()
            elif isinstance(parent, (cst.For, cst.While)):
                total = self._around(parent, total)
            node = parent
        return frozenset(variable for variable in total.early | caught if not self._ends_with_call(variable))

    def _ends_with_call(self, variable: Variable) -> bool:
        """Whether every call of a function that the hooks take over makes a variable anew."""
        owner = variable.owner.function if variable.owner is not None else None
        return owner is not None and owner is not self.site.driver and owner.node in self.outline.consumed

    def _behind(self, block: cst.IndentedBlock | cst.Module, node: cst.CSTNode) -> list[cst.CSTNode]:
        """What the driver still runs behind a statement of a block."""
        taken = (*self.outline.consumed, *self.outline.dropped)
        behind = [line for line in block.body[list(block.body).index(node) + 1 :] if line not in taken]  # type: ignore[arg-type]
        return [apply(line, dict.fromkeys(taken)) for line in behind]

    def _around(self, loop: cst.For | cst.While, rest: Flow) -> Flow:
        """What comes behind the training in a loop around it: the rest of the body, then perhaps the next round."""
        if loop_jumps(loop.body.body):
            rest = rest.maybe()
        head = self._flow_of_target(loop) if isinstance(loop, cst.For) else self._flow([loop.test])
        again: Flow = rest.then(head)
        for line in loop.body.body:
            if self.program.contains(line, self.site.epoch_loop):
                again = again.then(self._round(line))
                break
            again = again.then(self._flow([line]))
        return Flow(again.early, rest.sure, rest.may | again.may)

    def _round(self, line: cst.CSTNode) -> Flow:
        """A line with the training in it, taken to write nothing for certain, and to read whatever else it mentions."""
        training, loop = self._epoch_flow(), self.site.epoch_loop
        loops = [one for one in (loop, self.site.batch_loop) if isinstance(one, cst.For)]
        targets = [name for one in loops for name in names_in(one.target)]
        reads = training.early - {self.outline.variable(name) for name in targets}
        header = (self.site.iterable, loop.orelse, *([loop.test] if isinstance(loop, cst.While) else []))
        for node, variable in self.outline.uses(line):
            within = node in self.program.order and self.program.contains(loop, node)
            if not within or any(part is not None and self.program.contains(part, node) for part in header):
                reads |= {variable}
        return Flow(frozenset(reads), frozenset(), training.may)

    def _flow_of_target(self, loop: cst.For) -> Flow:
        written = self._seen(v for _, v in self.program.used([loop.target]))
        return Flow(frozenset(), written, written)

    def is_inside(self, node: cst.CSTNode) -> bool:
        """Whether a node of the original text belongs to the training."""
        if node not in self.program.order:
            return True
        outside = (self.site.iterable, self.site.epoch_loop.orelse)
        if any(part is not None and self.program.contains(part, node) for part in outside):
            return False
        places = [self.site.epoch_loop, *self.outline.consumed, *self.outline.dropped, *self.moved]
        return any(self.program.contains(place, node) for place in places)

    def _shared(self, variable: Variable) -> bool:
        """Whether code that stays where it is sees what the training writes: other functions, or other callers."""
        if variable.owner is self.module_scope and self.site.driver is not self.module_scope:
            reads = [seen for seen in variable.reads if not self.is_inside(seen.node)]
            elsewhere = [seen for seen in variable.writes if seen.scope.function is not variable.owner]
            if reads or any(not self.is_inside(seen.node) for seen in elsewhere):
                return True
            return runs_again(self.outline) and self._is_kept_for_next_run(variable)
        if self._is_lent(variable):
            allowed = (variable.owner, self.site.driver)
            others = [seen for seen in variable.occurrences if not self.is_inside(seen.node)]
            assert variable.owner is not None
            guarded = any(isinstance(node, (cst.Try, cst.TryStar)) for node in walk(variable.owner.node))
            return guarded or any(seen.scope.function not in allowed for seen in others)
        outside = (seen for seen in variable.occurrences if not self.is_inside(seen.node))
        return any(seen.scope.function is not variable.owner or self._is_asked_later(seen) for seen in outside)

    def _is_kept_for_next_run(self, variable: Variable) -> bool:
        """Whether the training may read what an earlier run of it has left in a variable."""
        return variable in self._epoch_flow().early or self._captured(variable)

    def _is_asked_later(self, seen: Occurrence) -> bool:
        """Whether a generator that the script makes in front of the training looks at a variable."""
        if seen.scope.kind != "comprehension" or seen.order > self.program.order[self.site.epoch_loop]:
            return False
        parts = deferred(self.program, self.program.statement(seen.node))
        return any(self.program.contains(part, seen.node) for part in parts)

    def _is_lent(self, variable: Variable) -> bool:
        """Whether the driver writes a variable of a function around it: it gets the value back behind the training."""
        outer = self.site.driver.parent
        while outer is not None:
            if outer is variable.owner:
                return outer.kind == "function" and variable.name in self.site.driver.declared_nonlocal
            outer = outer.parent
        return False

    def _captured(self, variable: Variable) -> bool:
        """Whether a function, lambda or generator inside the training may look at the variable later."""
        return variable in self._kept_by_functions

    @cached_property
    def _kept_by_functions(self) -> set[Variable]:
        """What functions, lambdas and generators in the hooks mention; lines that are added later have none."""
        parts = (part for _, body in self._ordered() for part in deferred(self.program, *body))
        return {variable for part in parts for _, variable in self.outline.uses(part)}

    def surely_bound(self) -> frozenset[Variable]:
        """Variables of the driver that have a value when the training begins, on every path."""
        scope = self.site.driver
        parameters = {v for v in scope.variables.values() if isinstance(self._first_parent(v), cst.Param)}
        bound = self._bound_in_front(-1) | parameters | read_in_front(self.outline)
        taken = {variable: taken_away(self.outline, variable) for variable in bound}
        places = {variable: since(self.outline, lines) for variable, lines in taken.items() if lines}
        return bound - {v for v, place in places.items() if v not in self._bound_in_front(place)}

    def _bound_in_front(self, place: int) -> frozenset[Variable]:
        """What the lines in front of the training surely bind, of those that stand behind a place."""
        total, order = NOTHING, self.program.order
        node: cst.CSTNode = self.site.epoch_loop
        while node is not self.site.driver.node and node in self.program.parent:
            parent = self.program.parent[node]
            if isinstance(parent, (cst.IndentedBlock, cst.Module)):
                lines = parent.body[: list(parent.body).index(node)]  # type: ignore[arg-type]
                before = flow_of(self.program, [line for line in lines if order[line] > place])
                total = total.then(Flow(before.early, before.sure, before.may))
            elif order.get(parent, -1) <= place:
                pass
            elif isinstance(parent, cst.For):
                total = total.then(self._flow_of_target(parent))
            elif isinstance(parent, cst.With):
                named = [v for item in parent.items if item.asname for _, v in self.program.used([item.asname.name])]
                total = total.then(Flow(frozenset(), frozenset(named), frozenset(named)))
            node = parent
        return total.sure

    def _first_parent(self, variable: Variable) -> cst.CSTNode | None:
        return self.program.parent.get(variable.writes[0].node) if variable.writes else None


def lines_behind(lines: Sequence[cst.CSTNode], call: cst.Call) -> list[cst.CSTNode]:
    """What runs behind the line of a call, which may stand in branches of `if`, up to the end of the lines."""
    index = next(i for i, line in enumerate(lines) if holds([line], call))
    branch: cst.CSTNode | None = lines[index]
    inner: list[list[cst.CSTNode]] = []
    while isinstance(branch, cst.If):
        parts = [branch.body, *([branch.orelse.body] if isinstance(branch.orelse, cst.Else) else [])]
        inner += [lines_behind(block_lines(part), call) for part in parts if holds([part], call)]
        branch = branch.orelse if isinstance(branch.orelse, cst.If) else None
    return [*(line for part in inner for line in part), *lines[index + 1 :]]
