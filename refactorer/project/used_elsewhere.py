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
_BY_NAME = ("getattr", "setattr", "delattr", "object", "attrgetter", "methodcaller")
_CALLABLE = (ast.Lambda, ast.Name, ast.Attribute, ast.Call)


@dataclass
class Uses:
    """What other files use of a module: names, or all of them (`everything`), and methods of whatever they have.

    What is in `replaced`, methods as `.method`, others bind to something else: tests do so with what shall not run.
    """

    names: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    everything: bool = False

    def add(self, other: Uses) -> None:
        self.names |= other.names
        self.replaced |= other.replaced
        self.methods |= other.methods
        self.everything |= other.everything

    def calls(self, method: ast.FunctionDef) -> bool:
        """Whether others may call a method: `x.train()`, which sets a mode, is no call of one that needs arguments."""
        needed = len(method.args.args) - len(method.args.defaults) - 1
        called = method.name in self.methods or (needed <= 0 and f"{method.name}()" in self.methods)
        return called and method.name not in _OF_MODULES and not method.name.startswith("__")


def uses_of_names(facts: Facts, imports: Iterable[Imported], classes: Collection[str]) -> Uses:
    """What a file uses through imports of names of a module; classes that it only makes objects of are not among it."""
    uses = _methods(facts.tree)
    for one in imports:
        starred = one.name == "*"
        mentioned = {node.id for node in ast.walk(facts.tree) if isinstance(node, ast.Name)} if starred else set()
        for name, bound in [(name, name) for name in mentioned] if starred else [(one.name, one.bound)]:
            if name not in classes or not _only_makes(facts.tree, bound):
                uses.names.add(name)
    return uses


def uses_of_module(facts: Facts, imports: Iterable[Imported], classes: Collection[str]) -> Uses:
    """What a file uses through imports of the module itself: everything, if it hands the module on."""
    uses = _methods(facts.tree)
    for one in imports:
        name = one.name_of_module
        asked = {id(node.value): node for node in ast.walk(facts.tree) if isinstance(node, ast.Attribute)}
        mentions = [node for node in ast.walk(facts.tree) if isinstance(node, ast.expr) and _dotted(node) == name]
        if any(id(node) not in asked for node in mentions):
            uses.everything = True
            uses.replaced |= {name[1:] for name in uses.replaced}
        found = [asked[id(node)] for node in mentions if id(node) in asked]
        names = {node.attr for node in found}
        uses.replaced |= {node.attr for node in found if not isinstance(node.ctx, ast.Load)}
        uses.names |= {
            inner for inner in names if inner not in classes or not _only_makes(facts.tree, f"{name}.{inner}")
        }
    return uses


def kept(facts: Facts, uses: Uses) -> tuple[str, ...]:
    """The names and `.method`s of a file that others use, those that they replace with an `=` behind them."""
    names = {*facts.functions, *uses.names} if uses.everything else uses.names
    replaced = sorted(name for name in uses.replaced if facts.bindings(name))
    kinds = (kind for kind in facts.tree.body if isinstance(kind, ast.ClassDef))
    parts = [part for kind in kinds for part in kind.body if isinstance(part, ast.FunctionDef)]
    methods = {f".{part.name}" for part in parts if uses.calls(part)}
    bound = methods & uses.replaced
    names = {name for name in names if facts.bindings(name)}.difference(replaced)
    marks = sorted(f"{name}=" for name in bound.union(replaced))
    return *sorted(names), *sorted(methods - bound), *marks


def _methods(tree: ast.Module) -> Uses:
    """What a file asks other objects for than its own `self`, or sets; calls that may set a mode have brackets."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {*_by_name(calls)}
    uses = Uses(methods=named, replaced={f".{name}" for name in named})
    plain = {id(call.func) for call in calls if not call.args and not call.keywords}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _dotted(node.value) != "self":
            uses.methods.add(f"{node.attr}()" if node.attr in _MODES and id(node) in plain else node.attr)
        elif isinstance(node, ast.Assign) and isinstance(node.value, _CALLABLE):
            places = [target for target in node.targets if isinstance(target, ast.Attribute)]
            names = {target.attr for target in places if _dotted(target.value) != "self"}
            uses.methods |= names
            uses.replaced |= {f".{name}" for name in names}
    return uses


def _by_name(calls: Iterable[ast.Call]) -> Iterator[str]:
    """What calls ask for, or set, by a text: `setattr(solver, "evaluate", fake)`, `mock.patch.object(...)`."""
    for call in calls:
        if _dotted(call.func).rpartition(".")[2] in _BY_NAME:
            yield from (arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


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
