"""What an entered function hands back goes by the caller's name from the start: `test_loss = avg` is then needless.

A function that is entered leaves a line for its `return`, in which the caller's variable takes the value of one of the
function's own. If only one of the two has anything to say at any time, they are one variable, and the line goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from refactorer.analysis.deferred import deferred
from refactorer.analysis.flow import NOTHING, Flow, flow_of
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.targets import names_in
from refactorer.emit.edits import Edit
from refactorer.idioms.configure import Configuration
from refactorer.outline.comments import comments_inside
from refactorer.outline.objects.optimizers import Roles, makes_module
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_START,
    EPOCHS,
    STEP,
    TEST_STEP,
    TRAIN_DATA,
    VALIDATION_DATA,
    VALIDATION_HOOKS,
    VALIDATION_STEP,
    ZERO_GRAD,
    Outline,
)
from refactorer.outline.places.accumulators import assigned_pairs

_BATCHES = (STEP, BACKWARD, AFTER_BACKWARD, BEFORE_STEP, BATCH_END)
_REPEATED = (*_BATCHES, VALIDATION_STEP, TEST_STEP)
_FEW = 4


def apply(outline: Outline, roles: Roles, configuration: Configuration) -> None:
    """Gives what functions hand back the names of their callers, and drops what nobody asks for."""
    made = [(hook, line, small) for hook, body in outline.hooks.items() for line in body
            if (small := _made_assignment(outline, line)) is not None]  # fmt: skip
    if not made:
        return
    merging = _Merging(outline, roles, configuration)
    edits: dict[str, dict[cst.CSTNode, Edit]] = {}
    for hook, line, small in made:
        needless = [name for name, value in assigned_pairs(small) if merging.is_needless(hook, line, name, value)]
        if needless:
            edits.setdefault(hook, {})[line] = _without(line, small, needless)
    for hook, of_hook in edits.items():
        outline.edit(hook, of_hook)


def _made_assignment(outline: Outline, line: cst.CSTNode) -> cst.Assign | None:
    """The assignment of a line that the script does not have as it is: a result in the place of a call."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or small in outline.program.order or len(small.targets) != 1:
        return None
    return small if _is_one_to_one(small) and not comments_inside(small, None) else None


def _is_one_to_one(assign: cst.Assign) -> bool:
    """Whether each target gets one value of its own."""
    target, value = assign.targets[0].target, assign.value
    if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
        parts = [*target.elements, *value.elements]
        return len(target.elements) == len(value.elements) and all(isinstance(part, cst.Element) for part in parts)
    return isinstance(target, cst.Name)


def _without(line: cst.CSTNode, small: cst.Assign, needless: list[cst.CSTNode]) -> Edit:
    """A line without some of the names that it binds."""
    target, value = small.targets[0].target, small.value
    if not isinstance(target, cst.Tuple) or not isinstance(value, cst.Tuple):
        return None
    kept = [(to, new) for to, new in zip(target.elements, value.elements) if to.value not in needless]
    if not kept:
        return None
    left, right = _with_elements(target, [to for to, _ in kept]), _with_elements(value, [new for _, new in kept])
    assign = cst.Assign([cst.AssignTarget(left)], right)  # type: ignore[arg-type]
    return line.with_changes(body=[assign])


def _with_elements(whole: cst.Tuple, kept: list[cst.BaseElement]) -> cst.BaseExpression:
    """A tuple with some of its elements; one of them alone."""
    if len(kept) == 1:
        return kept[0].value
    last = kept[-1].with_changes(comma=whole.elements[-1].comma)
    return whole.with_changes(elements=[*kept[:-1], last])


class _Merging:
    """Which variables are the same; `order` are the hooks in the order in which they run."""

    def __init__(self, outline: Outline, roles: Roles, configuration: Configuration) -> None:
        self.outline, self.program = outline, outline.program
        hooks = [*outline.methods, EPOCHS, EPOCH_START, TRAIN_DATA, *_BATCHES, *outline.order]
        self.order = [hook for hook in dict.fromkeys(hooks) if hook in outline.hooks]
        self.fixed = _with_roles(outline, roles, configuration)
        every = [line for body in outline.hooks.values() for line in body]
        self.captured = {v for part in deferred(self.program, *every) for _, v in outline.uses(part)}
        self.scopes = {self.program.scope[node] for node in outline.consumed if isinstance(node, cst.FunctionDef)}

    def is_needless(self, hook: str, line: cst.CSTNode, target: cst.CSTNode, value: cst.CSTNode) -> bool:
        """Whether a name may keep what it has: it has the value already, it can have it, or nobody asks for it."""
        given, own = self.outline.variable(target), self.outline.variable(value)
        if given is own:
            return own is not None
        if given is None or own is None or own.owner not in self.scopes:
            return False
        if not self._is_known(given) or not self._is_known(own):
            return False
        before = self._before(hook, line)
        sure = own in self._surely_bound(before)
        if not given.reads:
            return sure
        if not sure and len(given.writes) > 1:
            return False  # it would hide that the function has nothing to hand back
        if not self._is_free(given, own) or not self._is_over(own, hook, line):
            return False
        if not self._reads_well(hook, line, given, own):
            return False
        if any(self.outline.mentions(given, one) for one in self._region(own, before)):
            return False
        self.outline.bindings.alias[own] = given
        return True

    def _is_known(self, variable: Variable) -> bool:
        """Whether all that is done with a variable is seen in one function, and its name is nothing special."""
        seen = _of_script(variable)
        alone = all(one.scope.function is variable.owner and one.access != "delete" for one in seen)
        plain = all(_is_plainly_bound(self.outline, one) for one in seen if one.access == "write")
        return alone and plain and variable not in self.captured and variable not in self.fixed

    def _is_free(self, given: Variable, own: Variable) -> bool:
        """Whether the function has no other use for the caller's name, and no handler sees what it leaves early."""
        owner = own.owner
        assert owner is not None
        if given.name != own.name and given.name in owner.variables:
            return False
        if any(seen.scope.hides(given.name, [owner]) for seen in _of_script(own)):
            return False
        loop = self.outline.site.epoch_loop
        if all(self.program.contains(loop, seen.node) for seen in _of_script(given)):
            return True
        return not any(isinstance(node, (cst.Try, cst.TryStar, cst.With)) for node in self.program.ancestors(loop))

    def _reads_well(self, hook: str, line: cst.CSTNode, given: Variable, own: Variable) -> bool:
        """Whether the caller's name tells as much: of one value, and not as a long attribute in many places."""
        outline = self.outline
        front = outline.hooks[hook][: outline.hooks[hook].index(line)]
        others = [one for one in self.order if one != hook]
        if given.name == own.name:
            return True
        if any(outline.mentions(own, *outline.hooks[one]) for one in others):
            first = next((one for one in front if outline.mentions(own, one)), None)
            return first is None or own in _seen(outline, flow_of(self.program, [first]).early)
        outlives = any(outline.mentions(given, *outline.hooks[one]) for one in others)
        outside = any(not self.program.contains(outline.site.epoch_loop, seen.node) for seen in _of_script(given))
        return not (outlives or outside) or sum(used is own for _, used in outline.uses(*front)) <= _FEW

    def _before(self, hook: str, line: cst.CSTNode) -> list[tuple[str, list[cst.CSTNode]]]:
        """What runs in front of a line: hooks with their lines."""
        earlier = self.order[: self.order.index(hook)]
        lines = self.outline.hooks[hook]
        return [*((one, self.outline.hooks[one]) for one in earlier), (hook, lines[: lines.index(line)])]

    def _is_over(self, own: Variable, hook: str, line: cst.CSTNode) -> bool:
        """Whether a variable is used up to this line, by code that stands in the hooks once, and not behind it."""
        lines = self.outline.hooks[hook]
        behind = [*lines[lines.index(line) + 1 :], *self.outline.lines(*self.order[self.order.index(hook) + 1 :])]
        others = self.outline.lines(*self.outline.methods, EPOCHS, ZERO_GRAD)
        nodes = [node for _, body in self._before(hook, line) for node, used in self.outline.uses(*body) if used is own]
        once = len(set(nodes)) == len(nodes)
        here = sum(used is own for _, used in self.outline.uses(line))
        return once and here == 1 and not self.outline.mentions(own, *behind, *others)

    def _surely_bound(self, before: list[tuple[str, list[cst.CSTNode]]]) -> frozenset[Variable]:
        """Variables that have a value behind some hooks, also where there is no batch."""
        total: Flow = NOTHING
        unsure = (*_REPEATED, *self.outline.methods, EPOCHS, ZERO_GRAD)
        for index, (hook, body) in enumerate(before):
            flow = flow_of(self.program, body)
            certain = index == len(before) - 1 or hook not in unsure
            total = total.then(Flow(flow.early, flow.sure if certain else frozenset(), flow.may))
        return _seen(self.outline, total.sure)

    def _region(self, own: Variable, before: list[tuple[str, list[cst.CSTNode]]]) -> Iterator[cst.CSTNode]:
        """All lines that may run between the first line that uses a variable and the one that hands it back."""
        first = next((i for i, (_, body) in enumerate(before) if self.outline.mentions(own, *body)), None)
        if first is None:
            return
        hook, lines = before[first]
        at = next(i for i, line in enumerate(lines) if self.outline.mentions(own, line))
        repeated = hook in _REPEATED and first < len(before) - 1
        yield from lines if repeated else lines[at:]
        for _, body in before[first + 1 :]:
            yield from body
        if repeated and hook in _BATCHES:
            yield from self.outline.lines(*_BATCHES, ZERO_GRAD, TRAIN_DATA)
        if self.outline.asked is not None and before[-1][0] not in VALIDATION_HOOKS:
            yield from self.outline.lines(VALIDATION_DATA, *VALIDATION_HOOKS)


def _seen(outline: Outline, variables: Iterable[Variable]) -> frozenset[Variable]:
    return frozenset(outline.bindings.canonical(variable) for variable in variables)


def _of_script(variable: Variable) -> list[Occurrence]:
    """Where the text of the script has a variable."""
    return [seen for seen in variable.occurrences if seen.order >= 0]


def _is_plainly_bound(outline: Outline, seen: Occurrence) -> bool:
    """Whether a name is bound by an assignment, to what is no module."""
    program = outline.program
    parent = program.parent.get(seen.node)
    while isinstance(parent, (cst.Element, cst.Tuple, cst.List)):
        parent = program.parent.get(parent)
    return isinstance(parent, cst.AssignTarget) and not makes_module(program, seen)


def _with_roles(outline: Outline, roles: Roles, configuration: Configuration) -> set[Variable | None]:
    """Variables that mean something to the Trainer, or that it supplies."""
    sources = [source for source in (outline.train, outline.evaluation, outline.test) if source is not None]
    parts = [part for s in sources for part in (s.iterable, s.target, s.index) if part is not None]
    loop = outline.site.epoch_loop
    targets = names_in(loop.target) if isinstance(loop, cst.For) else []
    moved: Iterable[cst.CSTNode] = [*configuration.moved, *([outline.device] if outline.device is not None else [])]
    named = {variable for _, variable in outline.uses(*parts, *targets, *moved)}
    return {*named, *roles.objects, roles.renewed, *configuration.made, *configuration.stepped, outline.scaler, None}
