"""Scopes and variables: which name, where, means which variable, and whether it is read or written there."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

import libcst as cst

Access = Literal["read", "write", "update", "delete"]
ScopeKind = Literal["module", "function", "class", "comprehension"]


@dataclass(eq=False)
class Occurrence:
    """One appearance of a name. `order` counts nodes in the order of the text."""

    node: cst.CSTNode
    name: str
    access: Access
    scope: Scope
    order: int
    statement: cst.CSTNode | None


@dataclass(eq=False)
class Variable:
    """A name in the scope that owns it; the owner is None for builtins and names that nothing binds."""

    name: str
    owner: Scope | None
    occurrences: list[Occurrence] = field(default_factory=list)

    @property
    def writes(self) -> list[Occurrence]:
        return [o for o in self.occurrences if o.access != "read"]

    @property
    def reads(self) -> list[Occurrence]:
        return [o for o in self.occurrences if o.access in ("read", "update")]

    def __repr__(self) -> str:
        return f"Variable({self.name!r})"


@dataclass(eq=False)
class Scope:
    """A module, function, class body or comprehension, with the variables that it owns."""

    kind: ScopeKind
    node: cst.CSTNode
    parent: Scope | None
    variables: dict[str, Variable] = field(default_factory=dict)
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: set[str] = field(default_factory=set)
    occurrences: list[Occurrence] = field(default_factory=list)

    @property
    def function(self) -> Scope:
        """The innermost function or module scope: what a statement of this scope runs in."""
        scope = self
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        return scope

    def lookup(self, name: str) -> Variable | None:
        """The variable that a name means when it is used in this scope."""
        scope: Scope | None = self
        first = True
        while scope is not None:
            if name in scope.declared_global:
                return scope.root.variables.get(name)
            if name in scope.variables and (first or scope.kind != "class"):
                return scope.variables[name]
            if scope.kind != "comprehension":
                first = False
            scope = scope.parent
        return None

    def hides(self, name: str, outer: Container[Scope | None]) -> bool:
        """Whether a name that means something in one of the outer scopes means something else in this one."""
        scope: Scope | None = self
        direct = True
        while scope is not None and scope not in outer:
            if name in scope.declared_global or (name in scope.variables and (direct or scope.kind != "class")):
                return True
            direct = direct and scope.kind == "comprehension"
            scope = scope.parent
        return False

    @property
    def root(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def __repr__(self) -> str:
        return f"Scope({self.kind}, {getattr(getattr(self.node, 'name', None), 'value', '')})"


def link(scopes: list[Scope], unbound: dict[str, Variable]) -> dict[cst.CSTNode, Variable]:
    """Resolves every occurrence of all scopes; returns the variable of each name node."""
    for scope in scopes:
        for seen in scope.occurrences:
            if seen.access == "read" or seen.name in scope.declared_nonlocal:
                continue
            owner = scope.root if seen.name in scope.declared_global else scope
            owner.variables.setdefault(seen.name, Variable(seen.name, owner))
    found: dict[cst.CSTNode, Variable] = {}
    for scope in scopes:
        for seen in scope.occurrences:
            variable = scope.lookup(seen.name)
            if variable is None:
                variable = unbound.setdefault(seen.name, Variable(seen.name, None))
            variable.occurrences.append(seen)
            found[seen.node] = variable
    for scope in scopes:
        for variable in scope.variables.values():
            variable.occurrences.sort(key=lambda seen: seen.order)
    return found
