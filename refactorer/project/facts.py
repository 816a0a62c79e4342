"""What is known about a file from a quick look: imports, functions, and what happens when it is imported.

Many files are looked at for each one that is converted, so this uses Python's own parser.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

_READING = ("get", "items", "keys", "values", "copy")
_READERS = ("sorted", "list", "tuple", "set", "len", "print", "dict", "any", "all")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Imported:
    """One name that an import binds: `from ..utils import Meter as M` has level 2, module "utils" and name "Meter".

    `whole` is an import of a module, `import a.b as c` or `import a.b`, which binds `a`. `line` counts from 1, and is 0
    unless the import is a statement of the module itself, under no condition.
    """

    level: int
    module: str
    name: str
    bound: str
    whole: bool
    renamed: bool
    line: int
    at_import: bool = True
    """Whether it is run when the file is imported, and not by a function that is called."""

    @property
    def name_of_module(self) -> str:
        """What the file calls the module that is imported, if it is one: `a.b` for `import a.b`."""
        return self.module if self.whole and not self.renamed else self.bound

    @property
    def code(self) -> str:
        """The import as a statement of its own."""
        last = f" as {self.bound}" if self.renamed else ""
        source = f"from {'.' * self.level}{self.module} " if not self.whole else ""
        return f"{source}import {self.module if self.whole else self.name}{last}"


@dataclass(frozen=True)
class Calls:
    """The names, with dots taken apart, that calls in some code go by; and whether one computes gradients."""

    names: tuple[tuple[str, ...], ...]
    backward: bool


class Facts:
    """One parsed file; what few files are asked for is worked out when it is."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._calls: dict[str, Calls] = {}

    def imports_of(self, name: str) -> list[Imported]:
        """All imports that bind a name."""
        return self._imports_of.get(name, [])

    def imported(self, name: str) -> Imported | None:
        """The only import that binds a name, if nothing else at the top of the file does."""
        found = self.imports_of(name)
        return found[0] if len(found) == 1 and found[0].line and self.bindings(name) == 1 else None

    def function(self, name: str) -> ast.FunctionDef | None:
        """The only function of a name, if nothing else at the top of the file binds it."""
        found = self.functions.get(name)
        return found if found is not None and self.bindings(name) == 1 and name not in self.rebound else None

    def bindings(self, name: str) -> int:
        """How often statements outside of functions bind a name of the file."""
        return self._bound[name]

    @property
    def names(self) -> frozenset[str]:
        """All names that the file binds at its top, or in functions for its top."""
        return self.rebound.union(self._bound)

    @property
    def classes(self) -> frozenset[str]:
        """The classes at the top of the file."""
        return frozenset(node.name for node in self.tree.body if isinstance(node, ast.ClassDef))

    def always_binds(self, name: str) -> bool:
        """Whether a definition, an import or an assignment of the file itself, under no condition, binds a name."""
        plain = (ast.ClassDef, *_FUNCTIONS, ast.Import, ast.ImportFrom, ast.Assign)
        firm = ast.Module([line for line in self.tree.body if isinstance(line, plain)], [])
        return name in _bound_at_top(firm)

    def calls(self, function: str = "") -> Calls:
        """The calls in a function, or in the whole file."""
        if function not in self._calls:
            self._calls[function] = _calls(self.functions[function] if function else self.tree)
        return self._calls[function]

    @cached_property
    def imports(self) -> tuple[Imported, ...]:
        top, early = set(self.tree.body), set(run_at_import(self.tree))
        return tuple(one for node in self._nodes for one in _imported(node, node in top, node in early))

    @cached_property
    def rebound(self) -> frozenset[str]:
        """Names of the module that its functions bind by `global`."""
        return frozenset(name for node in self._nodes if isinstance(node, ast.Global) for name in node.names)

    @cached_property
    def patched(self) -> frozenset[str]:
        """Attributes that are set on names that imports bind: another module's variables, perhaps."""
        stored = (node for node in self._nodes if isinstance(node, ast.Attribute))
        return frozenset(
            node.attr for node in stored if not isinstance(node.ctx, ast.Load) and _root(node) in self._imports_of
        )

    @cached_property
    def starred(self) -> bool:
        """Whether some import binds names that cannot be seen."""
        return any(one.name == "*" for one in self.imports)

    @cached_property
    def opaque(self) -> bool:
        """Whether its variables, or those of other modules, may be bound in a way that cannot be seen."""
        return any(_is_opaque(node, self._parents, self._imports_of) for node in self._nodes)

    @cached_property
    def reroutes(self) -> bool:
        """Whether it puts folders in front of those that modules are found in."""
        return any(_reroutes(node, self._parents) for node in self._nodes)

    @cached_property
    def _nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def _parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def _imports_of(self) -> dict[str, list[Imported]]:
        found: dict[str, list[Imported]] = {}
        for one in self.imports:
            found.setdefault(one.bound, []).append(one)
        return found

    @cached_property
    def _bound(self) -> Counter[str]:
        return Counter(_bound_at_top(self.tree))


@lru_cache(maxsize=512)
def facts_of(text: str) -> Facts | None:
    """The facts about a text; None if it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Facts(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imported(node: ast.AST, at_top: bool, at_import: bool) -> Iterator[Imported]:
    line = node.lineno if at_top and isinstance(node, ast.stmt) else 0
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            yield Imported(0, alias.name, "", bound, True, alias.asname is not None, line, at_import)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            bound, module = alias.asname or alias.name, node.module or ""
            yield Imported(node.level, module, alias.name, bound, False, bound != alias.name, line, at_import)


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Whatever a file runs when it is imported: all but the bodies of functions."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        bodies = set(map(id, node.body)) if isinstance(node, _FUNCTIONS) else set()
        if not isinstance(node, ast.Lambda):
            stack += [child for child in ast.iter_child_nodes(node) if id(child) not in bodies]


def _bound_at_top(tree: ast.Module) -> Iterator[str]:
    """Every name that statements outside of functions and classes bind, as often as they do."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (one.bound for one in _imported(node, True, True))
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            stack += ast.iter_child_nodes(node)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_opaque(node: ast.AST, parents: dict[ast.AST, ast.AST], imported: Container[str]) -> bool:
    """Whether code may set variables of a module in a way that is not seen as an assignment."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = _root(node.args[0]) if node.args else ""
        if name in ("setattr", "delattr", "vars"):
            return given in imported and not (name == "vars" and _is_only_read(node, parents))
        if name == "globals":
            return not _is_only_read(node, parents)
        return name == "reload" or (isinstance(node.func, ast.Name) and name == "exec")
    shown = isinstance(node, ast.Attribute) and (
        (node.attr == "modules" and _root(node) == "sys") or (node.attr == "__dict__" and _root(node) in imported)
    )
    return shown and not _is_only_read(node, parents)


def _reroutes(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether code does more with `sys.path` than to add folders at its end, or to read it."""
    if not isinstance(node, ast.Attribute) or node.attr != "path" or _root(node) != "sys":
        return False
    around = parents.get(node)
    changes = isinstance(around, ast.Attribute) and around.attr not in ("append", "extend", "index", "count", "copy")
    stores = isinstance(around, ast.Subscript) and not isinstance(around.ctx, ast.Load)
    return not isinstance(node.ctx, ast.Load) or changes or stores


def _is_only_read(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a dictionary of variables is asked for some of them, and neither changed nor kept."""
    around = parents.get(node)
    if isinstance(around, ast.Subscript):
        return isinstance(around.ctx, ast.Load)
    if isinstance(around, ast.Attribute):
        return around.attr in _READING
    if isinstance(around, ast.Call):
        return isinstance(around.func, ast.Name) and around.func.id in _READERS
    return isinstance(around, (ast.Compare, ast.For, ast.comprehension))


def _calls(code: ast.AST) -> Calls:
    names: dict[tuple[str, ...], None] = {}
    backward = False
    for node in ast.walk(code):
        if not isinstance(node, ast.Call):
            continue
        func: ast.AST = node.func
        backward = backward or (isinstance(func, ast.Attribute) and func.attr == "backward")
        parts: list[str] = []
        while isinstance(func, ast.Attribute):
            parts.append(func.attr)
            func = func.value
        if isinstance(func, ast.Name):
            path = (func.id, *reversed(parts))
            names[path] = None
    return Calls(tuple(names), backward)
