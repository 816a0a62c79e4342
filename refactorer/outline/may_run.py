"""Code of the file that may run when some lines do, by whatever way.

Lines run more than they call: objects that are made, properties and operators, functions by another name or in a
container, generators that go on. So names decide. What a line names may run, and so may what that was made of or given;
a method of the file may run where its name is that of an attribute, and one that Python calls by itself (`__len__`)
where an object of its class may be. Where something is called that has no name, so may all that was ever handed on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_method, methods_of
from refactorer.outline.control import suspensions

_CALLED_LATER = (cst.FunctionDef, cst.Lambda)
_MAKING = ("__init__", "__new__", "__init_subclass__", "__post_init__")


class MayRun:
    """What may run with some lines: `bodies` are those of functions, `values` what the objects that run were made of.

    What is bound or given in the code `later` is not there yet.
    """

    def __init__(self, program: Program, lines: Iterable[cst.CSTNode], later: Collection[cst.CSTNode] = ()) -> None:
        self.program = program
        self.lines = list(lines)
        self.later = later
        self.bodies: list[cst.CSTNode] = []
        self.values: list[cst.CSTNode] = []
        self._seen: set[object] = set()
        self._pending: list[tuple[cst.CSTNode, bool]] = [(line, True) for line in self.lines]
        while self._pending:
            self._follow(*self._pending.pop())

    def _follow(self, part: cst.CSTNode, runs: bool) -> None:
        """Looks at code that runs, or at an expression that made something before."""
        for node in walk(part):
            if isinstance(node, cst.Lambda):
                self._run(node)
            elif isinstance(node, cst.Attribute) and (runs or not is_called(self.program, node)):
                self._attribute(node.attr.value)
            elif isinstance(node, cst.Attribute):
                self._made_by(methods_called(self.program, node.attr.value))
            elif runs and isinstance(node, cst.Call) and not self._is_named(node.func):
                self._handed_on()
            elif isinstance(node, cst.Call) and self.program.qualified_name(node.func) == "builtins.getattr":
                self._by_name(node)
            variable = self.program.variables.get(node)
            may_run = runs or not is_called(self.program, node)
            if variable is not None and self._is_new((variable, may_run)):
                self._variable(variable, may_run)

    def _is_new(self, seen: object) -> bool:
        new = seen not in self._seen
        self._seen.add(seen)
        return new

    def _run(self, function: cst.FunctionDef | cst.Lambda) -> None:
        if self._is_new(function.body):
            self.bodies.append(function.body)
            self._pending.append((function.body, True))

    def _made_by(self, functions: Iterable[cst.FunctionDef]) -> None:
        """What a call has made may run parts of the function: a generator, or functions inside."""
        for function in functions:
            if suspensions(function.body.body) or self.program.find(_CALLED_LATER, function.body):
                self._run(function)

    def _value(self, value: cst.CSTNode) -> None:
        if self._is_new(value):
            self.values.append(value)
            self._pending.append((value, False))

    def _variable(self, variable: Variable, runs: bool) -> None:
        for seen in variable.occurrences:
            placed = seen.node in self.program.order  # names that the conversion has written have no place
            if placed and any(self.program.contains(part, seen.node) for part in self.later):
                continue
            if seen.access != "read":
                self._bound(seen, runs)
            for value in _given(self.program, seen.node):
                self._value(value)

    def _bound(self, seen: Occurrence, runs: bool) -> None:
        made = self.program.parent.get(seen.node)
        if isinstance(made, cst.FunctionDef) and runs:
            self._run(made)
        elif isinstance(made, cst.FunctionDef):
            self._made_by([made])
        elif isinstance(made, cst.ClassDef):
            self._class(made, runs)
        elif seen.statement is not None and not isinstance(made, (cst.Param, cst.ImportAlias)):
            for value in _bound_values(seen.statement):
                self._value(value)

    def _class(self, kind: cst.ClassDef, runs: bool) -> None:
        for part in (*kind.bases, *kind.keywords, *kind.decorators):
            self._pending.append((part, runs))
        for method in methods_of(kind):
            if method.name.value.startswith("__") and (runs or method.name.value not in _MAKING):
                self._run(method)

    def _attribute(self, name: str) -> None:
        """Whatever an attribute of some name may be, of whatever object."""
        if not self._is_new(name):
            return
        for function in methods_called(self.program, name):
            self._run(function)
        for assign in self.program.find(cst.Assign):
            targets = [target.target for target in assign.targets]
            later = any(self.program.contains(part, assign) for part in self.later)
            if not later and any(isinstance(target, cst.Attribute) and target.attr.value == name for target in targets):
                self._value(assign.value)

    def _by_name(self, call: cst.Call) -> None:
        """`getattr(x, "name")`; a name that is not known may be that of any method, where `x` is no imported module."""
        name = call.args[1].value if len(call.args) > 1 else None
        holder = self.program.variables.get(call.args[0].value) if call.args else None
        if isinstance(name, cst.SimpleString):
            self._attribute(str(name.evaluated_value))
        elif holder is None or any(seen.node not in self.program.imports for seen in holder.writes):
            for function in self.program.find(cst.FunctionDef):
                if class_of_method(self.program, function) is not None:
                    self._run(function)

    def _is_named(self, func: cst.BaseExpression) -> bool:
        """Whether what is called has a name whose meaning is followed, or is an attribute of some name."""
        if isinstance(func, cst.Attribute):
            return True
        variable = self.program.variables.get(func)
        bound = [self.program.parent.get(seen.node) for seen in variable.writes] if variable is not None else []
        return variable is not None and not any(isinstance(made, cst.Param) for made in bound)

    def _handed_on(self) -> None:
        """All functions of the file that are more than called."""
        if not self._is_new("handed on"):
            return
        for function in self.program.find(cst.FunctionDef):
            named = self.program.variables[function.name]
            if any(not is_called(self.program, seen.node) for seen in named.reads):
                self._run(function)
        for unnamed in self.program.find(cst.Lambda):
            self._run(unnamed)


def methods_called(program: Program, name: str) -> list[cst.FunctionDef]:
    """The methods of some name, of all classes of the file."""
    functions = program.find(cst.FunctionDef)
    return [one for one in functions if one.name.value == name and class_of_method(program, one) is not None]


def is_called(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression is what a call calls."""
    call = program.parent.get(node)
    return isinstance(call, cst.Call) and call.func is node


def _bound_values(statement: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What a statement binds names to, or takes it from; a statement is looked through as a whole if need be."""
    if isinstance(statement, (cst.For, cst.With)):
        yield from [statement.iter] if isinstance(statement, cst.For) else [item.item for item in statement.items]
    elif isinstance(statement, cst.SimpleStatementLine):
        yield from (part.value for part in statement.body if getattr(part, "value", None) is not None)  # type: ignore[attr-defined]


def _given(program: Program, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What is put into the object that a name means: `kept.append(value)`, `kept[0] = value`, `kept.name = value`."""
    part, parent = node, program.parent.get(node)
    while isinstance(parent, (cst.Attribute, cst.Subscript)) and parent.value is part:
        part, parent = parent, program.parent.get(parent)
    if part is node:
        return
    if isinstance(parent, cst.Call) and parent.func is part:
        yield from (arg.value for arg in parent.args)
    elif isinstance(parent, cst.AssignTarget):
        assign = program.parent[parent]
        yield assign.value  # type: ignore[attr-defined]
