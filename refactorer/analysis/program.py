"""One pass over the tree: parents, order, scopes, imports and calls of a whole file."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from typing import Any

import libcst as cst

from refactorer.analysis.fallbacks import is_fallback
from refactorer.analysis.index import Index
from refactorer.analysis.positions import Positions
from refactorer.analysis.scopes import Access, Occurrence, Scope, Variable, link
from refactorer.analysis.walk import STATEMENTS, Kind, Node, children, find, is_kind, is_node_class


class Program:
    """The facts about one parsed file, and its text where that is known. Nodes are compared by identity."""

    def __init__(self, module: cst.Module, text: str | None = None) -> None:
        self.module, self.text = module, text
        self.parent: dict[cst.CSTNode, cst.CSTNode] = {}
        self.order: dict[cst.CSTNode, int] = {}
        self.last: dict[cst.CSTNode, int] = {}
        self.scope: dict[cst.CSTNode, Scope] = {}
        self.imports: dict[cst.CSTNode, str] = {}
        self.calls: list[cst.Call] = []
        self.star_imports: list[cst.ImportFrom] = []
        self.scopes: list[Scope] = []
        self.unbound: dict[str, Variable] = {}
        _Builder(self).build()
        self.variables = link(self.scopes, self.unbound)
        self.summaries: dict[cst.CSTNode, Any] = {}
        self._index: Index | None = None
        self._access = {seen.node: seen.access for scope in self.scopes for seen in scope.occurrences}
        self._positions: Positions | None = None

    # --- structure ------------------------------------------------------------------------------------------------

    def ancestors(self, node: cst.CSTNode) -> Iterable[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        while node in self.parent:
            node = self.parent[node]
            yield node

    def contains(self, outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
        return self.order[outer] <= self.order[inner] <= self.last[outer]

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """The innermost statement (line or compound) that a node is part of."""
        while not is_kind(type(node), STATEMENTS):
            node = self.parent[node]
        return node

    def enclosing_function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        for outer in self.ancestors(node):
            if isinstance(outer, cst.FunctionDef):
                return outer
        return None

    def scope_of(self, node: cst.CSTNode) -> Scope:
        """The function or module scope that a statement runs in."""
        for outer in self.ancestors(node):
            if isinstance(outer, (cst.FunctionDef, cst.ClassDef, cst.Module)):
                return self.scope[outer]
        return self.scope[self.module]

    def position(self, node: cst.CSTNode) -> tuple[int, int]:
        """1-based line and column; only diagnostics need it, so it is computed on first use."""
        if self._positions is None:
            statements = self.find((cst.BaseSmallStatement, cst.BaseCompoundStatement))
            text = self.module.code if self.text is None else self.text
            self._positions = Positions(self.module, self.parent, statements, text)
        return self._positions.of(node)

    def find(self, kind: Kind[Node], node: cst.CSTNode | None = None) -> list[Node]:
        """Every node of a kind in a tree, parents first; in the whole file if none is given."""
        if self._index is None:
            self._index = Index(self.module)
        root = self.module if node is None else node
        return self._index.find(kind, root) if root in self._index else find(kind, root)

    # --- names ----------------------------------------------------------------------------------------------------

    def qualified_name(self, node: cst.CSTNode | None) -> str | None:
        """The dotted name that an expression means through imports and builtins: `optim.SGD` is `torch.optim.SGD`.

        A class that is chosen by name, as in `getattr(optim, args.optim)`, is `torch.optim.*`.
        """
        if isinstance(node, cst.Call):
            return self._chosen_by_name(node)
        if isinstance(node, cst.Attribute):
            base = self.qualified_name(node.value)
            return f"{base}.{node.attr.value}" if base else None
        if not isinstance(node, cst.Name):
            return None
        variable = self.variables.get(node)
        if variable is None:
            return None
        if variable.owner is None:
            return self._unseen(variable.name)
        names = {self.imports.get(seen.node) for seen in self._that_run(variable)}
        return next(iter(names)) if len(names) == 1 else None

    def _that_run(self, variable: Variable) -> list[Occurrence]:
        """What binds a variable, but for fallbacks."""
        if len(variable.writes) == 1:
            return variable.writes
        return [seen for seen in variable.writes if not is_fallback(self.parent, self.imports, seen.node)]

    def _unseen(self, name: str) -> str | None:
        """What a name means that nothing in the file binds: `torch` comes with what `from model import *` brings."""
        if name == "torch" and self.star_imports:
            return name
        return f"builtins.{name}" if hasattr(builtins, name) else None

    def _chosen_by_name(self, call: cst.Call) -> str | None:
        chosen = len(call.args) == 2 and self.qualified_name(call.func) == "builtins.getattr"
        base = self.qualified_name(call.args[0].value) if chosen else None
        return "torch.optim.*" if base == "torch.optim" else None

    def definition(self, variable: Variable | None) -> cst.CSTNode | None:
        """The single statement or node that binds a variable, when there is just one."""
        if variable is None or len(variable.writes) != 1:
            return None
        return self.parent.get(variable.writes[0].node)

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function of this file that a name means, when it can only mean that one."""
        found = self.definition(self.variables.get(node)) if isinstance(node, cst.Name) else None
        return found if isinstance(found, cst.FunctionDef) else None

    def bound_to(self, name: cst.CSTNode) -> cst.BaseExpression | None:
        """The expression that a plain assignment binds a name to; None for any other way to bind it."""
        target = self.parent.get(name)
        statement = self.parent.get(target) if isinstance(target, cst.AssignTarget) else None
        return statement.value if isinstance(statement, cst.Assign) else None

    def assigned_value(self, variable: Variable | None) -> cst.BaseExpression | None:
        """The expression that a variable is assigned from, when there is one plain assignment to it."""
        target = self.definition(variable)
        statement = self.parent.get(target) if isinstance(target, cst.AssignTarget) else None
        return statement.value if isinstance(statement, cst.Assign) and len(statement.targets) == 1 else None

    def used(self, nodes: Iterable[cst.CSTNode]) -> list[tuple[cst.CSTNode, Variable]]:
        """Every name node in the trees, with its variable, in the order of the text."""
        variables = self.variables
        found = ((name, variables.get(name)) for node in nodes for name in self.find(cst.Name, node))
        return [(name, variable) for name, variable in found if variable is not None]

    def access(self, node: cst.CSTNode) -> Access:
        """Whether a name node that means a variable reads or binds it."""
        if node not in self._access:
            self._access[node] = next(s.access for s in self.variables[node].occurrences if s.node is node)
        return self._access[node]


class _Builder:
    """Walks the tree once and records what Program holds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.count = 0
        self.statement: cst.CSTNode | None = None

    def build(self) -> None:
        self.visit(self.program.module, self.open("module", self.program.module, None), None)

    def open(self, kind: str, node: cst.CSTNode, parent: Scope | None) -> Scope:
        scope = Scope(kind, node, parent)  # type: ignore[arg-type]
        self.program.scopes.append(scope)
        self.program.scope[node] = scope
        return scope

    def note(self, node: cst.CSTNode, name: str, access: Access, scope: Scope) -> None:
        scope.occurrences.append(Occurrence(node, name, access, scope, self.program.order[node], self.statement))

    def visit(self, node: cst.CSTNode, scope: Scope, parent: cst.CSTNode | None) -> None:
        if parent is not None:
            self.program.parent[node] = parent
        self.program.order[node] = self.count
        self.count += 1
        before = self.statement
        if is_kind(type(node), STATEMENTS):
            self.statement = node
        method: Any = _VISIT.get(type(node))
        if method is not None:
            method(self, node, scope)
        else:
            for child in children(node):
                self.visit(child, scope, node)
        self.statement = before
        self.program.last[node] = self.count - 1

    def each(self, nodes: Sequence[cst.CSTNode | None], scope: Scope, parent: cst.CSTNode) -> None:
        for node in nodes:
            if node is not None and is_node_class(type(node)):
                self.visit(node, scope, parent)

    # --- expressions ----------------------------------------------------------------------------------------------

    def name(self, node: cst.Name, scope: Scope) -> None:
        self.note(node, node.value, "read", scope)

    def attribute(self, node: cst.Attribute, scope: Scope) -> None:
        self.visit(node.value, scope, node)

    def arg(self, node: cst.Arg, scope: Scope) -> None:
        self.visit(node.value, scope, node)

    def call(self, node: cst.Call, scope: Scope) -> None:
        self.program.calls.append(node)
        self.each([node.func, *node.args], scope, node)

    def named_expression(self, node: cst.NamedExpr, scope: Scope) -> None:
        self.visit(node.value, scope, node)
        self.target(node.target, scope.function, node)

    def comprehension(self, node: cst.BaseComp, scope: Scope) -> None:
        inner = self.open("comprehension", node, scope)
        loop: cst.CompFor | None = node.for_in
        outer, around = scope, node
        while loop is not None:
            self.enter(loop, around)
            self.visit(loop.iter, outer, loop)
            self.target(loop.target, inner, loop)
            self.each(loop.ifs, inner, loop)
            self.program.last[loop] = self.count - 1
            outer, around, loop = inner, loop, loop.inner_for_in  # type: ignore[assignment]
        parts = (node.key, node.value) if isinstance(node, cst.DictComp) else (node.elt,)  # type: ignore[attr-defined]
        self.each(parts, inner, node)

    def enter(self, node: cst.CSTNode, parent: cst.CSTNode) -> None:
        self.program.parent[node] = parent
        self.program.order[node] = self.count
        self.count += 1

    def lambda_(self, node: cst.Lambda, scope: Scope) -> None:
        inner = self.open("function", node, scope)
        self.parameters(node.params, inner, scope, node)
        self.visit(node.body, inner, node)

    # --- bindings -------------------------------------------------------------------------------------------------

    def target(self, node: cst.CSTNode, scope: Scope, parent: cst.CSTNode, access: Access = "write") -> None:
        """A place that is assigned to: names are bound, everything else in it is read."""
        if isinstance(node, cst.Name):
            self.enter(node, parent)
            self.program.last[node] = self.count - 1
            self.note(node, node.value, access, scope)
        elif isinstance(node, (cst.Tuple, cst.List)):
            self.enter(node, parent)
            for element in node.elements:
                self.enter(element, node)
                self.target(element.value, scope, element, access)
                self.program.last[element] = self.count - 1
            self.program.last[node] = self.count - 1
        else:
            self.visit(node, scope, parent)

    def assign(self, node: cst.Assign, scope: Scope) -> None:
        self.visit(node.value, scope, node)
        for target in node.targets:
            self.enter(target, node)
            self.target(target.target, scope, target)
            self.program.last[target] = self.count - 1

    def annotated_assign(self, node: cst.AnnAssign, scope: Scope) -> None:
        self.each([node.annotation, node.value], scope, node)
        self.target(node.target, scope, node)

    def augmented_assign(self, node: cst.AugAssign, scope: Scope) -> None:
        self.visit(node.value, scope, node)
        self.target(node.target, scope, node, "update")

    def for_(self, node: cst.For, scope: Scope) -> None:
        self.visit(node.iter, scope, node)
        self.target(node.target, scope, node)
        self.each([node.body, node.orelse], scope, node)

    def as_name(self, node: cst.AsName, scope: Scope) -> None:
        self.target(node.name, scope, node)

    def delete(self, node: cst.Del, scope: Scope) -> None:
        self.target(node.target, scope, node, "delete")

    def match_capture(self, node: cst.CSTNode, scope: Scope) -> None:
        for child in children(node):
            if isinstance(child, cst.Name):
                self.target(child, scope, node)
            else:
                self.visit(child, scope, node)

    def global_(self, node: cst.Global, scope: Scope) -> None:
        scope.function.declared_global.update(item.name.value for item in node.names)

    def nonlocal_(self, node: cst.Nonlocal, scope: Scope) -> None:
        scope.function.declared_nonlocal.update(item.name.value for item in node.names)

    def import_(self, node: cst.Import, scope: Scope) -> None:
        for alias in node.names:
            self.alias(alias, cst.helpers.get_full_name_for_node(alias.name) or "", scope, node, whole=True)

    def import_from(self, node: cst.ImportFrom, scope: Scope) -> None:
        if isinstance(node.names, cst.ImportStar):
            self.program.star_imports.append(node)
            return
        dots = "." * len(node.relative)
        source = dots + (cst.helpers.get_full_name_for_node(node.module) or "" if node.module else "")
        for alias in node.names:
            self.alias(alias, f"{source}.{alias.evaluated_name}", scope, node, whole=False)

    def alias(self, alias: cst.ImportAlias, full: str, scope: Scope, parent: cst.CSTNode, whole: bool) -> None:
        self.enter(alias, parent)
        bound: cst.CSTNode = alias.asname.name if alias.asname else alias.name
        if whole and not alias.asname:
            full = full.split(".")[0]
            while isinstance(bound, cst.Attribute):
                bound = bound.value
        self.target(bound, scope, alias)
        self.program.imports[bound] = full
        self.program.last[alias] = self.count - 1

    # --- definitions ----------------------------------------------------------------------------------------------

    def function(self, node: cst.FunctionDef, scope: Scope) -> None:
        self.each(node.decorators, scope, node)
        self.target(node.name, scope, node)
        inner = self.open("function", node, scope)
        self.parameters(node.params, inner, scope, node)
        self.each([node.returns], scope, node)
        self.visit(node.body, inner, node)

    def parameters(self, node: cst.Parameters, inner: Scope, outer: Scope, parent: cst.CSTNode) -> None:
        self.enter(node, parent)
        groups = [*node.posonly_params, *node.params, node.star_arg, *node.kwonly_params, node.star_kwarg]
        for parameter in groups:
            if isinstance(parameter, cst.Param):
                self.enter(parameter, node)
                self.each([parameter.annotation, parameter.default], outer, parameter)
                self.target(parameter.name, inner, parameter)
                self.program.last[parameter] = self.count - 1
        self.program.last[node] = self.count - 1

    def class_(self, node: cst.ClassDef, scope: Scope) -> None:
        self.each([*node.decorators, *node.bases, *node.keywords], scope, node)
        self.target(node.name, scope, node)
        inner = self.open("class", node, scope)
        self.visit(node.body, inner, node)


_VISIT = {
    cst.Name: _Builder.name,
    cst.Attribute: _Builder.attribute,
    cst.Arg: _Builder.arg,
    cst.Call: _Builder.call,
    cst.NamedExpr: _Builder.named_expression,
    cst.ListComp: _Builder.comprehension,
    cst.SetComp: _Builder.comprehension,
    cst.GeneratorExp: _Builder.comprehension,
    cst.DictComp: _Builder.comprehension,
    cst.Lambda: _Builder.lambda_,
    cst.Assign: _Builder.assign,
    cst.AnnAssign: _Builder.annotated_assign,
    cst.AugAssign: _Builder.augmented_assign,
    cst.For: _Builder.for_,
    cst.AsName: _Builder.as_name,
    cst.Del: _Builder.delete,
    cst.MatchAs: _Builder.match_capture,
    cst.MatchStar: _Builder.match_capture,
    cst.MatchMapping: _Builder.match_capture,
    cst.Global: _Builder.global_,
    cst.Nonlocal: _Builder.nonlocal_,
    cst.Import: _Builder.import_,
    cst.ImportFrom: _Builder.import_from,
    cst.FunctionDef: _Builder.function,
    cst.ClassDef: _Builder.class_,
}
