"""What one file uses of another that it imports."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from refactorer.project.facts import Facts, Imported

_ASKING = ("isinstance", "issubclass")
_MODES = ("train", "eval")
_OF_MODULES = ("forward", "state_dict", "load_state_dict")
"""What a training calls, and never is."""


@dataclass
class Uses:
    """What other files use of a module: names, or all of them (`everything`), and methods of whatever they have."""

    names: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    everything: bool = False

    def add(self, other: Uses) -> None:
        self.names |= other.names
        self.methods |= other.methods
        self.everything |= other.everything

    def calls(self, method: ast.FunctionDef) -> bool:
        """Whether others may call a method: `x.train()`, which sets a mode, is no call of one that needs arguments."""
        needed = len(method.args.args) - len(method.args.defaults) - 1
        called = method.name in self.methods or (needed <= 0 and f"{method.name}()" in self.methods)
        return called and method.name not in _OF_MODULES and not method.name.startswith("__")


def uses_of_names(facts: Facts, imports: Iterable[Imported], classes: Collection[str]) -> Uses:
    """What a file uses through imports of names of a module; classes that it only makes objects of are not among it."""
    uses = Uses(methods=set(_methods(facts.tree)))
    for one in imports:
        starred = {node.id for node in ast.walk(facts.tree) if isinstance(node, ast.Name)} if one.name == "*" else set()
        for name, bound in [(name, name) for name in starred] or [(one.name, one.bound)]:
            if name not in classes or not _only_makes(facts.tree, bound):
                uses.names.add(name)
    return uses


def uses_of_module(facts: Facts, imports: Iterable[Imported], classes: Collection[str]) -> Uses:
    """What a file uses through imports of the module itself: everything, if it hands the module on."""
    uses = Uses(methods=set(_methods(facts.tree)))
    for one in imports:
        name = one.module if one.whole and not one.renamed else one.bound
        asked = {id(node.value): node for node in ast.walk(facts.tree) if isinstance(node, ast.Attribute)}
        mentions = [node for node in ast.walk(facts.tree) if isinstance(node, ast.expr) and _dotted(node) == name]
        uses.everything |= any(id(node) not in asked for node in mentions)
        names = {asked[id(node)].attr for node in mentions if id(node) in asked}
        uses.names |= {
            inner for inner in names if inner not in classes or not _only_makes(facts.tree, f"{name}.{inner}")
        }
    return uses


def kept(facts: Facts, uses: Uses) -> tuple[str, ...]:
    """The names that a file has among those that others use, and the methods, as `.method`."""
    names = {*facts.functions, *uses.names} if uses.everything else uses.names
    kinds = (kind for kind in facts.tree.body if isinstance(kind, ast.ClassDef))
    methods = {
        part.name for kind in kinds for part in kind.body if isinstance(part, ast.FunctionDef) and uses.calls(part)
    }
    return *sorted(name for name in names if facts.bindings(name)), *(f".{name}" for name in sorted(methods))


def _methods(tree: ast.Module) -> Iterator[str]:
    """What a file asks other objects for than its own `self`; calls that may set a mode have brackets."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    plain = {id(call.func) for call in calls if not call.args and not call.keywords}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _dotted(node.value) != "self":
            yield f"{node.attr}()" if node.attr in _MODES and id(node) in plain else node.attr


def _only_makes(tree: ast.Module, name: str) -> bool:
    """Whether a class is called, asked for an attribute, or named in a question or an annotation, and no more."""
    fine: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            fine.add(id(node.func))
            asks = isinstance(node.func, ast.Name) and node.func.id in _ASKING
            fine.update(id(part) for arg in node.args if asks for part in ast.walk(arg))
        elif isinstance(node, ast.Attribute):
            fine.add(id(node.value))
        elif isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            fine.update(id(part) for part in ast.walk(node.annotation))
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            fine.update(id(part) for part in ast.walk(node.returns))
    return all(id(node) in fine for node in ast.walk(tree) if isinstance(node, ast.expr) and _dotted(node) == name)


def _dotted(node: ast.expr) -> str:
    """A dotted name as a text; empty for anything else."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""
