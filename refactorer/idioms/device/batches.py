"""Moves of a batch, which the Trainer makes before the step.

Sound when every tensor of the batch that the step looks into is moved to the device before anything else is done with
it: what the script leaves on the CPU has to be left there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in, paired
from refactorer.analysis.walk import children, walk
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.choice import Choice, says_it_otherwise
from refactorer.idioms.device.collections import (
    is_tensor_test,
    items_of,
    means_the_same,
    moved_item,
    moved_items,
    source_of_copy,
    without_moves,
)
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.kept_parts import read_behind
from refactorer.idioms.device.lines import bare_texts, drop_idle, idle_lines, text_of
from refactorer.idioms.device.makers import gives_plain_batches, is_counted
from refactorer.idioms.device.moves import place_named, target_of, without_device
from refactorer.idioms.device.numbered import asked_for
from refactorer.idioms.device.on_host import OnHost
from refactorer.idioms.device.parts import Parts, none_checked
from refactorer.idioms.device.remarks import leaves_nothing, without_remark, without_remarks
from refactorer.idioms.device.spread import is_spread
from refactorer.idioms.shapes import is_none
from refactorer.outline.batches import BatchSource
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import comments_of, footer_of, lines_above, with_comments
from refactorer.outline.outline import Outline


class Obstacle(Exception):
    """A condition of the idiom fails: where, and why."""

    def __init__(self, node: cst.CSTNode, reason: str) -> None:
        super().__init__(reason)
        self.node, self.reason = node, reason


def stripped(outline: Outline, hook: str, source: BatchSource, choice: Choice) -> dict[cst.CSTNode, Edit]:
    """The edits that take the moves of a batch out of a hook.

    Raises:
        Obstacle: one of the conditions fails.
    """
    target = _batch_of(outline, source)
    stripping = _Stripping(outline, bound_parts(outline, source), choice, {}, outline.variable(target), source.iterable)
    stripping.lines(outline.hooks[hook])
    kept = read_behind(outline, hook, stripping.raw)
    if kept is not None:
        raise Obstacle(kept, f"{kept.value} is used behind the step, where nobody has moved it")
    return stripping.edits


def strip(outline: Outline, hook: str, edits: dict[cst.CSTNode, Edit]) -> None:
    """Takes the moves out, and the lines and the comments that did and said nothing else."""
    before = idle_lines(outline.hooks[hook])
    outline.edit(hook, without_remarks(outline.hooks[hook], edits))
    drop_idle(outline, hook, before)


def moved_in(outline: Outline, hook: str, source: BatchSource, choice: Choice | None) -> cst.CSTNode | None:
    """The first move of a part of the batch that a loop binds."""
    body = outline.hooks[hook]

    def is_move(node: cst.CSTNode) -> bool:
        target = target_of(outline, node)
        chosen = choice is not None and target == choice.target
        return target is not None and (chosen or not says_it_otherwise(node, target))

    raw = bound_parts(outline, source)
    for assign in walk(*body):
        if isinstance(assign, cst.Assign) and len(assign.targets) == 1:
            for place, value in paired(assign.targets[0].target, assign.value):
                known = not isinstance(value, cst.Call) and outline.variable(root_of(outline, value)) in raw
                if known or Parts(outline, raw).is_part(value):
                    raw |= {v for name in names_in(place) if (v := outline.variable(name)) is not None}
    for node in walk(*body):
        if isinstance(node, (cst.DictComp, cst.ListComp, cst.GeneratorExp)):
            given = node.for_in.iter
            taken = outline.variable(root_of(outline, given)) in raw or Parts(outline, raw).is_part(given)
            if taken and any(map(is_move, walk(node))):
                return node
        elif isinstance(node, cst.Call) and is_move(node):
            joined = Parts(outline, raw).is_part(node.func.value)  # type: ignore[attr-defined]
            if joined or outline.variable(root_of(outline, node)) in raw:
                return node
    return None


def bound_parts(outline: Outline, source: BatchSource) -> set[Variable]:
    """The variables that a loop binds to parts of the batch."""
    names = names_in(_batch_of(outline, source))
    return {variable for name in names if (variable := outline.variable(name)) is not None}


def _batch_of(outline: Outline, source: BatchSource) -> cst.BaseExpression | None:
    """What a loop binds to the batch: not the number in front of it that `tqdm(enumerate(loader))` gives."""
    pair = source.target
    counted = isinstance(pair, cst.Tuple) and len(pair.elements) == 2 and is_counted(outline, source.iterable)
    return pair.elements[1].value if counted and isinstance(pair, cst.Tuple) else pair


@dataclass
class _Stripping(OnHost):
    """Follows the parts of a batch through the lines of a step.

    `whole` is the variable of a batch that the loop does not take apart.
    """

    whole: Variable | None
    iterable: cst.BaseExpression | None
    items: set[tuple[Variable | None, str]] = field(default_factory=set)

    # --- statements -----------------------------------------------------------------------------------------------

    def lines(self, lines: Iterable[cst.CSTNode]) -> None:
        for line in lines:
            if self._moves_items(line):
                continue
            if isinstance(line, cst.If):
                asks = self._asks_for_device(line.test)
                self._branches(line) if asks is None else self._device_branch(line, asks)
            elif isinstance(line, cst.With):
                for item in line.items:
                    self._look(item)
                self.lines(block_lines(line.body))
            elif isinstance(line, cst.SimpleStatementLine):
                for small in line.body:
                    self._small(small)
            else:
                self._look(line)

    def _moves_items(self, line: cst.CSTNode) -> bool:
        """`x[0] = x[0].to(device)` for one item of a part of the batch, such as a list, or in a loop for all."""
        item, every = moved_item(self.outline, line, self.choice), moved_items(self.outline, line, self.choice)
        part = every if item is None else item.value
        variable = self.outline.variable(part) if part is not None else None
        if variable is None or variable not in self.raw:
            return False
        self._require_plain_moves(line)
        if item is None:
            self.raw.discard(variable)
            self.edits[line] = None
        else:
            self.items.add((variable, text_of(item)))
            self.edits[line.body[0].value] = item  # type: ignore[attr-defined]
        return True

    def _asks_for_device(self, test: cst.BaseExpression) -> bool | None:
        """Whether a test asks for the device, or (False) for the CPU; None if it asks for neither."""
        asked = asked_for(self.outline, test)
        if asked is not None and place_named(self.outline, asked[0], by_number=True) == self.choice.target:
            return asked[1]
        wanted = self.choice.condition
        if wanted is None:
            return None
        if condition_of(self.outline, test) == wanted:
            return True
        return False if condition_of(self.outline, test, fails=True) == wanted else None

    def _small(self, small: cst.CSTNode) -> None:
        if not isinstance(small, cst.Assign) or len(small.targets) != 1:
            self._look(small)
            return
        target, value = small.targets[0].target, small.value
        moved = set(self.raw)
        for place, given in paired(target, value):
            names = names_in(place)
            variables = {variable for name in names if (variable := self.outline.variable(name)) is not None}
            source = source_of_copy(self.outline, given, self.choice)
            if self.is_part(given):
                if not names:
                    raise Obstacle(small, "a part of the batch is kept before it is moved")
                self.keep_on_device(given)
                moved |= variables
            elif source is not None and self.is_part(source):
                self._copy(small, place, given, source)
                moved -= variables
            else:
                self._look(given)
                if not names:
                    self._look(place)
                moved -= variables
            self.items = {(variable, item) for variable, item in self.items if variable not in variables}
        self.raw = moved

    def _copy(self, small: cst.Assign, place: cst.CSTNode, given: cst.BaseExpression, source: cst.CSTNode) -> None:
        """`batch = {k: v.to(device) for k, v in batch.items()}`: the Trainer gives such a batch already."""
        self._require_plain_moves(given)
        variable = self.outline.variable(place)
        same = variable is not None and self.outline.variable(source) is variable and small.value is given
        if isinstance(place, cst.Tuple) and all(isinstance(element.value, cst.Name) for element in place.elements):
            self.edits[given] = source  # `x, y = [t.to(device) for t in batch]`
        elif same and variable is not None and means_the_same(self.outline, variable, given):
            self.edits[given] = source
        else:
            self.edits[given] = without_moves(self.outline, given)
        self.keep_on_device(source)

    def _branches(self, line: cst.If) -> None:
        """Any other condition: what is a part of the batch behind it has to be one on both ways."""
        self._look(line.test)
        before, checked = set(self.raw), none_checked(self.outline, line.test)
        items = set(self.items)
        self.raw = before - {checked[0]} if checked is not None and not checked[1] else before
        self.lines(block_lines(line.body))
        first = self.raw
        self.raw = before - {checked[0]} if checked is not None and checked[1] else before
        if isinstance(line.orelse, cst.If):
            self.lines([line.orelse])
        elif line.orelse is not None:
            self.lines(block_lines(line.orelse.body))
        self.items = items
        if first - before != self.raw - before:
            raise Obstacle(line, "a part of the batch has another name under a condition")
        self._refuse_others(line, first ^ self.raw)
        self.raw |= first
        if checked is not None and line.orelse is None and self._only_moved(line.body):
            self.edits[line] = None
        elif isinstance(line.orelse, cst.Else) and self._only_moved(line.orelse):
            self.edits[line] = line.with_changes(orelse=None)

    def _refuse_others(self, line: cst.CSTNode, variables: set[Variable]) -> None:
        """What may be a part of the batch behind a line, and may be something new on the CPU, keeps its moves."""
        for assign in walk(line):
            targets = assign.targets if isinstance(assign, cst.Assign) else ()
            for place, value in (pair for target in targets for pair in paired(target.target, assign.value)):  # type: ignore[attr-defined]
                bound = {self.outline.variable(name) for name in names_in(place)} & variables
                known = {self.outline.variable(node) for node in walk(value)}
                moved = any(self.choice.is_moved_to(target_of(self.outline, node)) for node in walk(value))
                if bound and not (moved or bound <= known or is_none(value)):
                    raise Obstacle(assign, "what is moved may be a part of the batch, or something else")

    def _only_moved(self, branch: cst.BaseSuite | cst.Else) -> bool:
        """Whether nothing is left of a branch without its moves."""
        lines = block_lines(branch.body if isinstance(branch, cst.Else) else branch)
        edited = any(node in self.edits for node in walk(*lines))
        return edited and "#" not in text_of(branch) and not bare_texts(self._done(lines))

    def _device_branch(self, line: cst.If, is_first: bool) -> None:
        """`if use_cuda:` around moves; an `else` does the same without them. If not `is_first`, it is the `else`."""
        if line.orelse is not None and not isinstance(line.orelse, cst.Else):
            raise Obstacle(line, "the branches for other devices do something else")
        branches = [block_lines(line.body), block_lines(line.orelse.body) if line.orelse is not None else []]
        first, others = branches if is_first else reversed(branches)
        before = set(self.raw)
        self.lines(first)
        after, self.raw = self.raw, before
        edits, self.edits = self.edits, {}
        self.lines(others)
        self.edits = {**edits, **self.edits}
        self.raw = after
        if bare_texts(self._done(first)) == bare_texts(self._done(others)):
            done = self._done(first) or self._done(others)
            if not done:
                self.edits[line] = Removed(lines_above(line)[0]) if leaves_nothing(line) else None
                return
            footer = [*footer_of(line), *(footer_of(line.orelse) if line.orelse is not None else [])]
            done[0] = with_comments(done[0], [*comments_of(line), *footer])
            self.edits[line] = done if bare_texts(done) else [without_remark(part) for part in done]

    def _done(self, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
        return list(apply(cst.IndentedBlock(lines), self.edits).body) if lines else []  # type: ignore[arg-type]

    # --- expressions ----------------------------------------------------------------------------------------------

    def _look(self, node: cst.CSTNode) -> None:
        """Takes the moves of the batch out of an expression, where nothing else in it needs an unmoved part."""
        if isinstance(node, cst.Call) and self.choice.is_moved_to(target_of(self.outline, node)):
            receiver = node.func.value  # type: ignore[attr-defined]
            if self.is_part(receiver):
                self._require_tensor(node, receiver)
                self.keep_on_device(receiver)
                left = without_device(node)
                self.edits[node] = self.edits.get(left, left)
                return
        if isinstance(node, cst.IfExp) and self._asks_for_device(node.test) and self.is_part(node.orelse):
            self._look(node.body)
            if self.edits.get(node.body, node) is node.orelse or self._is_same(node.body, node.orelse):
                self.edits[node] = node.orelse
                return
            raise Obstacle(node, "the expressions for the devices differ")
        if isinstance(node, cst.IfExp) and self._moves_something(node):
            return
        if self.is_on_host(node) or self.looked_at_on_host(node):
            return
        if isinstance(node, cst.Subscript) and (self.outline.variable(node.value), text_of(node)) in self.items:
            return
        if self.is_size(node) or (isinstance(node, cst.BaseComp) and self._looked_at_items(node)):
            return
        if isinstance(node, cst.Name):
            if self.outline.variable(node) in self.raw:
                raise Obstacle(node, f"{node.value} is used before it is moved, or is not moved")
            return
        spread = isinstance(node, cst.Call) and is_spread(self.outline, node)
        for child in children(node):
            named = (isinstance(node, cst.Attribute) and child is node.attr) or (
                isinstance(node, cst.Arg) and child is node.keyword
            )
            if self.shown_on_host(node, child):
                continue
            if not named and not (spread and isinstance(child, cst.Arg) and self.is_part(child.value)):
                self._look(child)

    def _moves_something(self, node: cst.IfExp) -> bool:
        """`x.to(device) if x is not None else None`, which is `x` then; `x.to(device).float()` for tensors alone."""
        if is_tensor_test(self.outline, node.test, node.orelse) and self.outline.variable(node.orelse) in self.raw:
            self._look(node.body)
            return True
        checked = none_checked(self.outline, node.test)
        if checked is None or not checked[1] or checked[0] not in self.raw:
            return False
        if not is_none(node.orelse) and self.outline.variable(node.orelse) is not checked[0]:
            return False
        self._look(node.body)
        left = self.edits.get(node.body)
        if not isinstance(left, cst.Name) or self.outline.variable(left) is not checked[0]:
            return False
        self.edits[node] = left
        return True

    def _looked_at_items(self, node: cst.BaseComp) -> bool:
        """Looks at what is done with each item of a part of the batch, such as a list; False if it is none."""
        loop = node.for_in
        source, items = items_of(node)
        if loop.inner_for_in is not None or not self.is_part(source):
            return False
        if source_of_copy(self.outline, node, self.choice) is not None:
            self._require_plain_moves(node)
            self.edits[node] = without_moves(self.outline, node)
            return True
        variables = {variable for name in items if (variable := self.outline.variable(name)) is not None}
        self.raw |= variables
        parts = [node.key, node.value] if isinstance(node, cst.DictComp) else [node.elt]  # type: ignore[attr-defined]
        for part in (*parts, *(test.test for test in loop.ifs)):
            self._look(part)
        self.raw -= variables
        return True

    def _require_tensor(self, call: cst.CSTNode, receiver: cst.CSTNode) -> None:
        """A batch of a class of its own may do more in `to()` than to move its tensors."""
        self._require_plain_moves(call)
        is_whole = self.whole is not None and self.outline.variable(receiver) is self.whole
        if is_whole and not gives_plain_batches(self.outline, self.iterable):
            raise Obstacle(call, "the batch may be an object with a to() of its own")

    def _require_plain_moves(self, node: cst.CSTNode) -> None:
        program = self.outline.program
        for function in program.find(cst.FunctionDef):
            if function.name.value in ("to", "cuda") and class_of_method(program, function) is not None:
                raise Obstacle(node, f"a class of the script has its own {function.name.value}()")

    def _is_same(self, first: cst.BaseExpression, second: cst.BaseExpression) -> bool:
        done = apply(cst.Arg(first), self.edits).value
        return text_of(done) == text_of(second)
