"""Which variables a piece of code may read before it writes them, and which it writes.

The summary is compositional over structured statements (no graph is built): sequences, branches, loops, `try` and
`with` each combine the summaries of their parts. It errs on the safe side: it may report more early reads and fewer
certain writes than there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children, walk


@dataclass(frozen=True)
class Flow:
    """`early`: may be read before being written. `sure`: written on every path. `may`: written on some path.

    `ends` says that control never reaches the end (return, raise, break, continue).
    """

    early: frozenset[Variable] = frozenset()
    sure: frozenset[Variable] = frozenset()
    may: frozenset[Variable] = frozenset()
    ends: bool = False

    def then(self, after: Flow) -> Flow:
        """This code followed by other code."""
        if self.ends:
            return self
        return Flow(self.early | (after.early - self.sure), self.sure | after.sure, self.may | after.may, after.ends)

    def or_else(self, other: Flow) -> Flow:
        """Either this code or the other code."""
        sure = self.sure & other.sure
        if self.ends != other.ends:
            sure = other.sure if self.ends else self.sure
        return Flow(self.early | other.early, sure, self.may | other.may, self.ends and other.ends)

    def maybe(self) -> Flow:
        """This code any number of times, including never."""
        return Flow(self.early, frozenset(), self.may)


NOTHING = Flow()
_LATER = (cst.Lambda, cst.BaseComp, cst.FunctionDef, cst.ClassDef)


def flow_of(program: Program, statements: Iterable[cst.CSTNode]) -> Flow:
    """The summary of statements that run one after the other.

    What was found for a statement is kept: neither it nor the names in it ever change.
    """
    total = NOTHING
    for statement in statements:
        total = total.then(_statement(program, statement))
    return total


def _body(program: Program, block: cst.CSTNode) -> Flow:
    return flow_of(program, block.body)  # type: ignore[attr-defined]


def _expression(program: Program, *nodes: cst.CSTNode | None) -> Flow:
    """An expression or a target: names in it are read or written in the order of evaluation that matters here."""
    early: set[Variable] = set()
    written: set[Variable] = set()
    for node, variable in program.used([n for n in nodes if n is not None]):
        if variable.owner is not None and variable.owner.kind == "comprehension":
            continue
        access = program.access(node)
        if access in ("read", "update", "delete"):
            early.add(variable)
        if access != "read":
            written.add(variable)
    sure = {v for n in nodes if n is not None and program.find(cst.NamedExpr, n) for v in _named(program, n)}
    return Flow(frozenset(early), frozenset(sure), frozenset(written))


def _named(program: Program, node: cst.CSTNode) -> Iterator[Variable]:
    """Variables that `:=` binds whenever an expression is evaluated."""
    if isinstance(node, _LATER):
        return
    if isinstance(node, cst.NamedExpr):
        yield program.variables[node.target]
    if isinstance(node, (cst.BooleanOperation, cst.Comparison)):
        yield from _named(program, node.left)
        if isinstance(node, cst.Comparison):
            yield from _named(program, node.comparisons[0])
    elif isinstance(node, cst.IfExp):
        yield from _named(program, node.test)
    else:
        for child in children(node):
            yield from _named(program, child)


def _targets(program: Program, *nodes: cst.CSTNode) -> Flow:
    """Assignment targets: plain names are certainly written."""
    found = _expression(program, *nodes)
    return Flow(found.early, found.may, found.may)


def _small(program: Program, node: cst.CSTNode) -> Flow:
    if isinstance(node, cst.Assign):
        return _expression(program, node.value).then(_targets(program, *(t.target for t in node.targets)))
    if isinstance(node, cst.AnnAssign):
        return _expression(program, node.value).then(_targets(program, node.target) if node.value else NOTHING)
    if isinstance(node, cst.AugAssign):
        return _expression(program, node.value).then(_targets(program, node.target))
    if isinstance(node, (cst.Import, cst.ImportFrom)):
        return _targets(program, node)
    found = _expression(program, node)
    if isinstance(node, (cst.Return, cst.Raise, cst.Break, cst.Continue)):
        return Flow(found.early, found.sure, found.may, ends=True)
    return found


def _statement(program: Program, node: cst.CSTNode) -> Flow:
    known: Flow | None = program.summaries.get(node)
    if known is None:
        known = program.summaries[node] = _summary(program, node)
    return known


def _summary(program: Program, node: cst.CSTNode) -> Flow:
    if isinstance(node, cst.SimpleStatementLine):
        total = NOTHING
        for small in node.body:
            total = total.then(_small(program, small))
        return total
    if isinstance(node, cst.If):
        other = NOTHING
        if node.orelse is not None:
            is_elif = isinstance(node.orelse, cst.If)
            other = _statement(program, node.orelse) if is_elif else _body(program, node.orelse.body)
        return _expression(program, node.test).then(_body(program, node.body).or_else(other))
    if isinstance(node, (cst.For, cst.While)):
        return _loop(program, node)
    if isinstance(node, cst.With):
        total = NOTHING
        for item in node.items:
            total = total.then(_expression(program, item.item))
            total = total.then(_targets(program, item.asname.name) if item.asname else NOTHING)
        body = _body(program, node.body)
        return total.then(body if passes_errors_on(program, node) else body.maybe())
    if isinstance(node, (cst.Try, cst.TryStar)):
        return _try(program, node)
    if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        return _definition(program, node)
    return _expression(program, node).maybe()


def passes_errors_on(program: Program, node: cst.With) -> bool:
    """Whether a `with` is known not to swallow an exception in its body."""
    for item in node.items:
        manager = item.item.func if isinstance(item.item, cst.Call) else item.item
        name = program.qualified_name(manager) or ""
        if not name.startswith(("torch.", "builtins.open", "tqdm.")):
            return False
    return True


def _loop(program: Program, node: cst.For | cst.While) -> Flow:
    body = _body(program, node.body)
    if isinstance(node, cst.For):
        target = _targets(program, node.target)
        once = target.then(body)
        sure = target.then(_before_jumps(program, node)).sure if _has_first_round(program, node.iter) else frozenset()
        whole = _expression(program, node.iter).then(Flow(once.early, sure, once.may))
    else:
        whole = _expression(program, node.test).then(body.maybe())
    if node.orelse is None:
        return whole
    left = any(isinstance(inner, cst.Break) for inner in walk(node.body))
    rest = _body(program, node.orelse.body)
    return whole.then(rest.maybe() if left else rest)


def _has_first_round(program: Program, node: cst.BaseExpression) -> bool:
    """Whether a loop over an expression runs at least once: over `range(5)`, or what is written out."""
    if isinstance(node, (cst.List, cst.Tuple)):
        return any(isinstance(element, cst.Element) for element in node.elements)
    if not isinstance(node, cst.Call) or program.qualified_name(node.func) != "builtins.range":
        return False
    ends = [arg.value.evaluated_value for arg in node.args if isinstance(arg.value, cst.Integer) and not arg.star]
    return len(ends) == len(node.args) and 1 <= len(ends) <= 2 and ends[-1] > (ends[0] if len(ends) == 2 else 0)


def _before_jumps(program: Program, loop: cst.For) -> Flow:
    """The lines of a loop that every first round runs: those in front of any `break` or `continue`."""
    lines: list[cst.CSTNode] = []
    for line in loop.body.body:
        if any(isinstance(inner, (cst.Break, cst.Continue)) for inner in walk(line)):
            break
        lines.append(line)
    return flow_of(program, lines)


def _try(program: Program, node: cst.Try | cst.TryStar) -> Flow:
    body = _body(program, node.body)
    paths = body.then(_body(program, node.orelse.body)) if node.orelse else body
    for handler in node.handlers:
        caught = _expression(program, handler.type)
        caught = caught.then(_targets(program, handler.name.name) if handler.name else NOTHING)
        paths = paths.or_else(body.maybe().then(caught).then(_body(program, handler.body)))
    if node.finalbody is None:
        return paths
    last = _body(program, node.finalbody.body)
    early = paths.early | (last.early if node.handlers or paths.ends else last.early - paths.sure)
    return Flow(early | last.early, paths.sure | last.sure, paths.may | last.may, paths.ends or last.ends)


def _definition(program: Program, node: cst.FunctionDef | cst.ClassDef) -> Flow:
    """A definition reads what its body uses from outside, at any later time: count it as read here."""
    early, own = set(), _targets(program, node.name)
    names = set(walk(node))
    for inner in walk(node):
        variable = program.variables.get(inner)
        if variable is not None and inner is not node.name and not _owned_within(names, variable):
            early.add(variable)
    written = {v for v in early if any(seen.node in names for seen in v.writes)}
    return Flow(frozenset(early), own.sure, own.may | frozenset(written))


def _owned_within(names: set[cst.CSTNode], variable: Variable) -> bool:
    """Whether everything that binds a variable is among these nodes: then the variable lives in there too."""
    inner = variable.owner is not None and variable.owner.kind != "module"
    return inner and bool(variable.writes) and all(seen.node in names for seen in variable.writes)
