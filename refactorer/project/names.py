"""What the names of a function that is taken in become in the script."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.project.facts import Facts, Imported
from refactorer.project.files import SCRIPT, member_of
from refactorer.project.modules import Function, Modules
from refactorer.project.script import Script
from refactorer.project.stays import Stays

_BUILTINS = frozenset(dir(builtins))
"""Names that code which is written for the script may use."""


@dataclass(frozen=True)
class Added:
    """An import that a function needs and the script does not have yet; `order` is its line in the other file."""

    code: str
    bound: str
    module: str
    order: int
    binds_module: bool = False


@dataclass
class Names:
    """Chooses the names under which the script has what functions of other files mention.

    A name stays what it is wherever the script has it for the same thing, or not at all. What another file imports, the
    script imports from the same place; what that file makes itself is imported from there.
    """

    script: Script
    modules: Modules
    patched: frozenset[str]
    """Attributes that some file of the project sets on what it has imported: variables of modules, perhaps."""
    added: list[Added] = field(default_factory=list)
    chosen: dict[tuple[str, str], str] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    def expression(self, function: Function, program: Program, variable: Variable) -> str:
        """What a variable of the function's file, or a builtin, is in the script.

        Raises:
            Stays: the script cannot have it.
        """
        key = (function.module, variable.name)
        if key not in self.chosen:
            self.chosen[key] = self._choose(function, program, variable)
        return self.chosen[key]

    def unused(self, wanted: Iterable[str], *programs: Program) -> str:
        """The first of some names that neither the script has nor a function of these files, or one with a number."""
        inner = (scope for program in programs for scope in program.scopes if scope.kind != "module")
        taken = self._taken().union(*(scope.variables for scope in inner))
        wanted = list(wanted)
        numbered = (f"{wanted[-1]}_{number}" for number in range(2, len(taken) + 3))
        name = next(one for one in [*wanted, *numbered] if one not in taken)
        self.reserved.add(name)
        return name

    def _taken(self) -> set[str]:
        return self.script.names | self.reserved | {added.bound for added in self.added} | _BUILTINS

    def _choose(self, function: Function, program: Program, variable: Variable) -> str:
        facts, name = self.modules.facts_of(function), variable.name
        if variable.owner is None and not self._star_sources(function, facts, name):
            return self._builtin(function, name)
        if name in facts.rebound or name in self.patched:
            return f"{self._module(function, program)}.{name}"
        if facts.starred and not self._hides_starred(function, facts, name):
            return self._imported(function, program, self._starred(function, facts, name))
        every = [one for one in facts.imports if one.bound == name and one.line]
        if every and len(every) == facts.bindings(name):
            if all(one.whole and not one.renamed for one in every):
                return self._packages(function, program, variable, every)
            if len(every) == 1:
                return self._imported(function, program, every[0])
        if variable not in flow_of(program, program.module.body).sure:
            raise Stays(function, f"{name} may be unbound in its file")
        return self._own(function, program, name)

    def _hides_starred(self, function: Function, facts: Facts, name: str) -> bool:
        """Whether no `from ... import *` of a file binds a name, or each the same as the file's own import of it."""
        sources = self._star_sources(function, facts, name)
        own = facts.imported(name)
        inner = [source.imported(name) for _, source in sources]
        return all(own is not None and one is not None and _is_same_library(own, one) for one in inner)

    def _starred(self, function: Function, facts: Facts, name: str) -> Imported:
        """The `from ... import *` that binds a name, as an import of that name alone.

        Raises:
            Stays: it may be another one, or something else that binds it.
        """
        sources = self._star_sources(function, facts, name)
        star, source = sources[0]
        exported = not name.startswith("_") and not source.bindings("__all__")
        if len(sources) != 1 or facts.bindings(name) or not star.line or not exported or not source.always_binds(name):
            raise Stays(function, f"a `from ... import *` of its file may bind {name}")
        inner = source.imported(name)
        library = inner is not None and not inner.level and self.modules.facts(inner.module.split(".")[0]) is None
        return inner if inner is not None and library else replace(star, name=name, bound=name)

    def _star_sources(self, function: Function, facts: Facts, name: str) -> list[tuple[Imported, Facts]]:
        """The `from ... import *` of a file that may bind a name, with the files that they lead to."""
        found: list[tuple[Imported, Facts]] = []
        for one in facts.imports:
            reference = self.modules.reference(function.module, one) or ""
            source = self.modules.facts(reference) if one.name == "*" else None
            if source is not None and name in source.names | (self.modules.starred(reference, source) or set()):
                found.append((one, source))
        return found

    def _builtin(self, function: Function, name: str) -> str:
        """A builtin, or a name that nothing binds, which is an error wherever it is read."""
        if name in self.patched and not hasattr(builtins, name):
            raise Stays(function, f"another file may set {name} of its module")
        if self.script.binds(name):
            raise Stays(function, f"{name} is something else in the script")
        return name

    def _module(self, function: Function, program: Program) -> str:
        """The module itself, for variables that may be bound again."""
        key = (function.module, "")
        if self.modules.is_hidden(function.module):
            raise Stays(function, "its package gives something else by the name of its module")
        if key not in self.chosen:
            bound = self.unused([_last(function), f"{_last(function)}_module"], program)
            self.chosen[key] = self._add(function, module_import(function.module, bound), bound, 0)
        return self.chosen[key]

    def _packages(self, function: Function, program: Program, variable: Variable, every: list[Imported]) -> str:
        """A package, with those parts that are mentioned: `import torch` and `import torch.utils.data`."""
        texts = [f"{cst.Module([]).code_for_node(dotted_name(program, seen.node))}." for seen in variable.reads]
        needed = [one for one in every if any(text.startswith(f"{one.module}.") for text in texts)] or every[:1]
        name = variable.name
        had = [one for one in self.script.facts.imports if one.bound == name]
        if not self._shares_package(name, had):
            if len(needed) == 1 and "." not in needed[0].module:
                return self._imported(function, program, needed[0])
            raise Stays(function, f"{name} is something else in the script")
        for one in needed:
            if one.module not in {other.module for other in had}:
                self._add(function, one.code, name, one.line)
        return name

    def _shares_package(self, name: str, had: list[Imported]) -> bool:
        """Whether a name is free, or whatever binds it is an import of a part of the package of that name."""
        facts = self.script.facts
        parts = all(one.whole and not one.renamed and one.line for one in had)
        own = bool(had) and parts and len(had) == facts.bindings(name) and not self._may_change(name)
        added = [added.code for added in self.added if added.bound == name]
        free = name not in self.script.names | self.reserved
        return (own or free) and all(code.startswith("import ") and " as " not in code for code in added)

    def _imported(self, function: Function, program: Program, one: Imported) -> str:
        """What one import binds."""
        source = self.modules.reference(function.module, one)
        if source is None:
            raise Stays(function, f"`{one.code}` leads out of its package")
        if not one.whole and not self._is_settled(source, one.name):
            return self._own(function, program, one.bound)
        if self._has(source, one):
            return one.bound
        last = source.rpartition(".")[2] if one.whole else one.name
        bound = self._free(one.bound, _code(one, source, one.bound), function, program, [last])
        binds_module = one.whole or self.modules.file(_full(source, one)) is not None
        return self._add(function, _code(one, source, bound), bound, one.line, binds_module)

    def _free(self, name: str, code: str, function: Function, program: Program, others: Iterable[str] = ()) -> str:
        """A name under which the script can import something: the one that it has in the other file, if possible."""
        if name not in self._taken() or code in {added.code for added in self.added}:
            return name
        return self.unused([*others, f"{_last(function)}_{name}"], program)

    def _has(self, source: str, one: Imported) -> bool:
        """Whether the script imports the same thing by the same name, and may do so at another time."""
        other = self.script.facts.imported(one.bound)
        where = self.modules.reference(SCRIPT, other) if other is not None else None
        if other is None or where is None or self._may_change(one.bound):
            return False
        same = (where, other.whole, other.name) == (source, one.whole, one.name)
        return same or (source.split(".")[0] == "torch" and _full(where, other) == _full(source, one))

    def _may_change(self, name: str) -> bool:
        """Whether a name of the script may be bound by more than the statements at its top that name it."""
        return name in self.script.facts.rebound or name in (self.script.starred or ())

    def _is_settled(self, reference: str, name: str) -> bool:
        """Whether a name of a module means the same whenever it is imported from there."""
        facts = self.modules.facts(reference)
        return name not in self.patched and (facts is None or name not in facts.rebound)

    def _own(self, function: Function, program: Program, name: str) -> str:
        """What the other file itself makes: a class, a helper, a constant."""
        own = Imported(0, function.module, name, name, whole=False, renamed=False, line=0)
        if self._has(function.module, own):
            return name
        bound = self._free(name, _from(function.module, name, name), function, program)
        return self._add(function, _from(function.module, name, bound), bound, 0)

    def _add(self, function: Function, code: str, bound: str, order: int, binds_module: bool = False) -> str:
        if all(added.code != code for added in self.added):
            self.added.append(Added(code, bound, function.module, order, binds_module))
        return bound


def mentioned(program: Program, function: cst.FunctionDef) -> list[tuple[cst.CSTNode, Variable]]:
    """The names in a function that are no variables of its own."""
    own = (None, program.scope[program.module])
    used = program.used([function])
    return [(node, variable) for node, variable in used if variable.owner in own and node is not function.name]


def module_import(reference: str, bound: str) -> str:
    """The statement that binds a module by a name."""
    parent, dot, last = reference.rpartition(".")
    if not dot or (reference[0] != "." and bound == reference):
        return _whole(reference, bound)
    return _from(parent + dot if not parent.strip(".") else parent, last, bound)


def dotted_name(program: Program, node: cst.CSTNode) -> cst.CSTNode:
    """The dotted name that a name begins."""
    while isinstance(program.parent[node], cst.Attribute):
        node = program.parent[node]
    return node


def _is_same_library(one: Imported, other: Imported) -> bool:
    """Whether two imports bind the same thing of a library."""
    return not one.level and (one.level, one.module, one.name) == (other.level, other.module, other.name)


def _last(function: Function) -> str:
    return function.module.rpartition(".")[2]


def _full(reference: str, one: Imported) -> str:
    return reference if one.whole else member_of(reference, one.name)


def _code(one: Imported, source: str, bound: str) -> str:
    return _whole(source, bound) if one.whole else _from(source, one.name, bound)


def _whole(reference: str, bound: str) -> str:
    return f"import {reference}" if bound == reference else f"import {reference} as {bound}"


def _from(reference: str, name: str, bound: str) -> str:
    return f"from {reference} import {name}" + (f" as {bound}" if bound != name else "")
