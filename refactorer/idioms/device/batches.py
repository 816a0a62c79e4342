"""Moves of a batch, which the Trainer makes before the step.

Sound when every tensor of the batch that the step looks into is moved to the device before anything else is done with
it: what the script leaves on the CPU has to be left there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import children, walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.choice import Choice, condition_of, target_of, without_device
from refactorer.idioms.device.collections import is_moved_copy, means_the_same, source_of_copy
from refactorer.idioms.device.data import knows_foreign_code
from refactorer.idioms.device.lines import bare_texts, drop_idle, idle_lines, paired, text_of
from refactorer.idioms.device.tensors import RESHAPING, is_wrapper, wrapped
from refactorer.outline.batches import BatchSource
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.outline import Outline

_SIZES = {"size", "dim", "numel", "nelement", "ndimension"}
_SHAPES = {"shape", "ndim", "dtype"}


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
    raw = {variable for name in names_in(source.target) if (variable := outline.variable(name)) is not None}
    stripping = _Stripping(outline, choice, raw, outline.variable(source.target))
    stripping.lines(outline.hooks[hook])
    return stripping.edits


def strip(outline: Outline, hook: str, edits: dict[cst.CSTNode, Edit]) -> None:
    """Takes the moves out, and the lines that did nothing else."""
    before = idle_lines(outline.hooks[hook])
    outline.edit(hook, edits)
    drop_idle(outline, hook, before)


def moved_in(outline: Outline, hook: str, source: BatchSource) -> cst.CSTNode | None:
    """The first move of a part of the batch that a loop binds."""
    body = outline.hooks[hook]
    raw = {variable for name in names_in(source.target) if (variable := outline.variable(name)) is not None}
    for assign in walk(*body):
        if isinstance(assign, cst.Assign) and len(assign.targets) == 1:
            for place, value in paired(assign.targets[0].target, assign.value):
                if not isinstance(value, cst.Call) and outline.variable(root_of(outline, value)) in raw:
                    raw |= {v for name in names_in(place) if (v := outline.variable(name)) is not None}
    for node in walk(*body):
        if isinstance(node, (cst.DictComp, cst.ListComp, cst.GeneratorExp)):
            moves = any(target_of(outline, part) is not None for part in walk(node))
            if moves and outline.variable(root_of(outline, node.for_in.iter)) in raw:
                return node
        elif target_of(outline, node) is not None and outline.variable(root_of(outline, node)) in raw:
            return node
    return None


@dataclass
class _Stripping:
    """Follows the parts of a batch through the lines of a step; `raw` are the variables that hold them unmoved.

    `whole` is the variable of a batch that the loop does not take apart.
    """

    outline: Outline
    choice: Choice
    raw: set[Variable]
    whole: Variable | None
    edits: dict[cst.CSTNode, Edit] = field(default_factory=dict)

    # --- statements -----------------------------------------------------------------------------------------------

    def lines(self, lines: Iterable[cst.CSTNode]) -> None:
        for line in lines:
            if isinstance(line, cst.If) and self._asks_for_device(line.test):
                self._device_branch(line)
            elif isinstance(line, cst.With):
                for item in line.items:
                    self._look(item)
                self.lines(block_lines(line.body))
            elif isinstance(line, cst.SimpleStatementLine):
                for small in line.body:
                    self._small(small)
            else:
                self._look(line)

    def _asks_for_device(self, test: cst.BaseExpression) -> bool:
        return self.choice.condition is not None and condition_of(self.outline, test) == self.choice.condition

    def _small(self, small: cst.CSTNode) -> None:
        if not isinstance(small, cst.Assign) or len(small.targets) != 1:
            self._look(small)
            return
        target, value = small.targets[0].target, small.value
        moved = set(self.raw)
        for place, given in paired(target, value):
            names = names_in(place)
            variables = {variable for name in names if (variable := self.outline.variable(name)) is not None}
            if self._is_part(given):
                if not names:
                    raise Obstacle(small, "a part of the batch is kept before it is moved")
                moved |= variables
            elif is_moved_copy(self.outline, given, self.raw, self.choice.target):
                self._copy(small, place, given)
                moved -= variables
            else:
                self._look(given)
                if not names:
                    self._look(place)
                moved -= variables
        self.raw = moved

    def _copy(self, small: cst.Assign, place: cst.CSTNode, given: cst.BaseExpression) -> None:
        """`batch = {k: v.to(device) for k, v in batch.items()}`: the Trainer gives such a batch already."""
        if isinstance(place, cst.Tuple) and all(isinstance(element.value, cst.Name) for element in place.elements):
            self.edits[given] = source_of_copy(given)  # `x, y = [t.to(device) for t in batch]`
            return
        variable = self.outline.variable(place)
        if variable is None or variable not in self.raw or len(small.targets) != 1 or small.value is not given:
            raise Obstacle(small, "the moved batch is another variable")
        if not means_the_same(self.outline, variable, given):
            raise Obstacle(small, "the moved batch may be changed, or used as more than its items")
        self.edits[given] = place

    def _device_branch(self, line: cst.If) -> None:
        """`if use_cuda:` around moves; an `else` does the same without them."""
        before = set(self.raw)
        first = block_lines(line.body)
        self.lines(first)
        after = self.raw
        others: list[cst.CSTNode] = []
        if line.orelse is not None:
            if not isinstance(line.orelse, cst.Else):
                raise Obstacle(line, "the branches for other devices do something else")
            others = block_lines(line.orelse.body)
            self.raw = set(before)
            edits, self.edits = self.edits, {}
            self.lines(others)
            self.edits = {**edits, **self.edits}
        self.raw = after
        if bare_texts(self._done(first)) == bare_texts(self._done(others)):
            done = self._done(first)
            footer = [*footer_of(line), *(footer_of(line.orelse) if line.orelse is not None else [])]
            done[0] = with_comments(done[0], [*comments_of(line), *footer])
            self.edits[line] = done

    def _done(self, lines: list[cst.CSTNode]) -> list[cst.CSTNode]:
        return list(apply(cst.IndentedBlock(lines), self.edits).body) if lines else []  # type: ignore[arg-type]

    # --- expressions ----------------------------------------------------------------------------------------------

    def _look(self, node: cst.CSTNode) -> None:
        """Takes the moves of the batch out of an expression, where nothing else in it needs an unmoved part."""
        if isinstance(node, cst.Call) and target_of(self.outline, node) == self.choice.target:
            receiver = node.func.value  # type: ignore[attr-defined]
            if self._is_part(receiver):
                self._require_tensor(node, receiver)
                self.edits[node] = without_device(node)
                return
        if isinstance(node, cst.IfExp) and self._asks_for_device(node.test) and self._is_part(node.orelse):
            self._look(node.body)
            if self.edits.get(node.body, node) is node.orelse or self._is_same(node.body, node.orelse):
                self.edits[node] = node.orelse
                return
            raise Obstacle(node, "the expressions for the devices differ")
        if self._is_size(node):
            return
        if isinstance(node, cst.Name):
            if self.outline.variable(node) in self.raw:
                raise Obstacle(node, f"{node.value} is used before it is moved, or is not moved")
            return
        for child in children(node):
            if not (isinstance(node, cst.Attribute) and child is node.attr) and not (
                isinstance(node, cst.Arg) and child is node.keyword
            ):
                self._look(child)

    def _require_tensor(self, call: cst.Call, receiver: cst.BaseExpression) -> None:
        """A batch of a class of its own may do more in `to()` than to move its tensors."""
        program = self.outline.program
        for function in program.find(cst.FunctionDef):
            if function.name.value in ("to", "cuda") and class_of_method(program, function) is not None:
                raise Obstacle(call, f"a class of the script has its own {function.name.value}()")
        is_whole = self.whole is not None and self.outline.variable(receiver) is self.whole
        if is_whole and knows_foreign_code(self.outline, movers=True):
            raise Obstacle(call, "the batch may be an object with a to() of its own")

    def _is_same(self, first: cst.BaseExpression, second: cst.BaseExpression) -> bool:
        done = apply(cst.Arg(first), self.edits).value
        return text_of(done) == text_of(second)

    def _is_size(self, node: cst.CSTNode) -> bool:
        """Whether an expression only asks for a shape, which is the same on every device."""
        if isinstance(node, cst.Attribute):
            return node.attr.value in _SHAPES and self._is_part(node.value)
        if not isinstance(node, cst.Call):
            return False
        if self.outline.program.qualified_name(node.func) == "builtins.len":
            return len(node.args) == 1 and self._is_part(node.args[0].value)
        method = node.func if isinstance(node.func, cst.Attribute) else None
        return method is not None and method.attr.value in _SIZES and self._is_part(method.value)

    def _is_part(self, node: cst.CSTNode) -> bool:
        """Whether an expression is an unmoved part of the batch, at most in another shape or type."""
        if isinstance(node, cst.Name):
            return self.outline.variable(node) in self.raw
        if isinstance(node, cst.Subscript):
            return self._is_part(node.value) and not self._needs_batch(*node.slice)
        if isinstance(node, cst.Attribute):
            return node.attr.value not in _SHAPES and self._is_part(node.value)
        if not isinstance(node, cst.Call):
            return False
        if is_wrapper(self.outline, node):
            given = wrapped(node)
            return given is not None and self._is_part(given)
        method = node.func if isinstance(node.func, cst.Attribute) else None
        if method is None or method.attr.value not in RESHAPING:
            return False
        return self._is_part(method.value) and not self._needs_batch(*node.args)

    def _needs_batch(self, *nodes: cst.CSTNode) -> bool:
        """Whether code looks at more of the batch than its shapes."""
        for node in nodes:
            if self._is_size(node):
                continue
            if isinstance(node, cst.Name) and self.outline.variable(node) in self.raw:
                return True
            if self._needs_batch(*children(node)):
                return True
        return False
