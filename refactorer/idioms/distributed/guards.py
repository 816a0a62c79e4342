"""Whether the model is wrapped where a piece of code runs, if the script wraps it under a condition."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.handed import given
from refactorer.idioms.distributed.plain_models import MODULE, has_no_module
from refactorer.idioms.distributed.settled import is_settled
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.idioms.shapes import negated
from refactorer.outline.outline import Outline


class Guard:
    """The condition for the wrapper, as far as other code of the script states it again."""

    def __init__(self, outline: Outline, found: Wrapper) -> None:
        self.outline, self.found = outline, found
        self.handed = _handed(outline, found)
        self.test, self.sense = _test(outline, found)

    def wrapped_at(self, node: cst.CSTNode) -> bool | None:
        """Whether the model is surely wrapped where a node is, or surely not; None if that depends on the run."""
        inner, otherwise = node, True if self.found.guard is None else None
        for outer in self.outline.program.ancestors(node):
            if isinstance(outer, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
                return otherwise
            if isinstance(outer, (cst.If, cst.IfExp)) and inner is not outer.test:
                known = self.known(outer.test, inner is outer.body)
                if known is not None:
                    return known
            inner = outer
        return otherwise

    def known(self, test: cst.BaseExpression, holds: bool) -> bool | None:
        """What it says about the wrapper that a condition holds, or does not."""
        if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
            return self.known(test.expression, not holds)
        if isinstance(test, cst.BooleanOperation):
            # of an `and` that holds, all parts hold; of an `or` that does not, no part does
            if not isinstance(test.operator, cst.And if holds else cst.Or):
                return None
            known = self.known(test.left, holds)
            return known if known is not None else self.known(test.right, holds)
        if self.is_asked(test):
            return holds
        return holds is self.sense if self._states(test) else None

    def is_asked(self, node: cst.CSTNode) -> bool:
        """Whether an expression is `isinstance(model, DistributedDataParallel)`, or `hasattr(model, "module")`."""
        program = self.outline.program
        if not isinstance(node, cst.Call) or len(node.args) != 2:
            return False
        if any(arg.keyword is not None or arg.star for arg in node.args):
            return False
        model, asked = (arg.value for arg in node.args)
        if self.outline.variable(model) is not self.found.model:
            return False
        if program.qualified_name(node.func) == "builtins.hasattr":
            named = isinstance(asked, cst.SimpleString) and asked.evaluated_value == MODULE
            return named and (self.found.guard is None or has_no_module(program, self.found))
        return program.qualified_name(node.func) == "builtins.isinstance" and program.qualified_name(asked) in PROCESSES

    def _states(self, test: cst.BaseExpression) -> bool:
        if self.test is None:
            return False
        variables = [[self._known_as(v) for _, v in self.outline.uses(part)] for part in (test, self.test)]
        return variables[0] == variables[1] and test.deep_equals(self.test)

    def _known_as(self, variable: Variable) -> Variable:
        """A variable of the function with the training, as its caller knows it."""
        return next((outer for outer, inner in self.handed.items() if inner is variable), variable)

    def again(self) -> cst.BaseExpression | None:
        """The condition for new code, with names of its own; None if it may not be asked a second time."""
        if self.test is None:
            return None
        names = {id(node): self.handed.get(variable, variable) for node, variable in self.outline.uses(self.test)}
        driver = self.outline.site.driver
        if any(driver.lookup(variable.name) is not variable for variable in names.values() if variable.owner):
            return None
        copied = self.test.visit(_Copied(self.outline, names))
        assert isinstance(copied, cst.BaseExpression)
        return copied if self.sense else negated(copied)


def _handed(outline: Outline, found: Wrapper) -> dict[Variable, Variable]:
    """The variables of the caller that the function with the training gets for parameters which keep them."""
    program, function = outline.program, outline.site.driver.node
    call = found.entry.training
    if found.entry.whole is None or not isinstance(call, cst.Call) or not isinstance(function, cst.FunctionDef):
        return {}
    values = (given(program, function, call) or {}).items()
    named = [(program.variables.get(value), program.variables[parameter.name]) for parameter, value in values]
    kept = [(outer, inner) for outer, inner in named if outer is not None and len(inner.writes) == 1]
    return {outer: inner for outer, inner in kept if outer.name == inner.name}


class _Copied(cst.CSTTransformer):
    def __init__(self, outline: Outline, names: dict[int, Variable]) -> None:
        super().__init__()
        self.outline, self.names = outline, names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        variable = self.names.get(id(original_node))
        return self.outline.new_name(variable) if variable is not None else updated_node


def _test(outline: Outline, found: Wrapper) -> tuple[cst.BaseExpression | None, bool]:
    """The condition that decides alone whether the model is wrapped, and what it is then.

    None if there is no such condition, or one that may show something else later.
    """
    guard = found.guard
    if guard is None or not is_settled(outline, guard.test, guard, found.entry.scope):
        return None, True
    lines = {id(made.line) for made in found.wrappings}
    behind = guard.orelse.body if isinstance(guard.orelse, cst.Else) else None
    for block, other, sense in ((guard.body, guard.orelse, True), (behind, guard.body, False)):
        if block is not None and _always_wraps(block, lines) and not _wraps(other, lines):
            return _without_not(guard.test, sense)
    return None, True


def _without_not(test: cst.BaseExpression, sense: bool) -> tuple[cst.BaseExpression, bool]:
    while isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        test, sense = test.expression, not sense
    return test, sense


def _always_wraps(block: cst.BaseSuite, lines: set[int]) -> bool:
    """Whether every way through a block runs one of the lines."""
    for line in block.body:
        if id(line) in lines:
            return True
        if isinstance(line, cst.If) and isinstance(line.orelse, cst.Else):
            both = (line.body, line.orelse.body)
            if all(_always_wraps(inner, lines) for inner in both):
                return True
    return False


def _wraps(node: cst.CSTNode | None, lines: set[int]) -> bool:
    return node is not None and any(id(part) in lines for part in walk(node))
