"""What is known about a file from a quick look: imports, functions, and what happens when it is imported.

Many files are looked at for each one that is converted, so this uses Python's own parser.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

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
    def code(self) -> str:
        """The import as a statement of its own."""
        last = f" as {self.bound}" if self.renamed else ""
        source = f"from {'.' * self.level}{self.module} " if not self.whole else ""
        return f"{source}import {self.module if self.whole else self.name}{last}"


@dataclass(frozen=True)
class Facts:
    """One parsed file."""

    tree: ast.Module
    imports: tuple[Imported, ...]
    functions: dict[str, ast.FunctionDef]
    rebound: frozenset[str]
    """Names of the module that its functions bind by `global`."""
    patched: frozenset[str]
    """Attributes that are set on names that imports bind: another module's variables, perhaps."""
    bound: Mapping[str, int]
    """How often statements outside of functions bind each name."""
    starred: bool
    opaque: bool
    """Whether its variables, or those of other modules, may be bound in a way that cannot be seen."""
    reroutes: bool
    """Whether it puts folders in front of those that modules are found in."""

    def imported(self, name: str) -> Imported | None:
        """The only import that binds a name, if nothing else at the top of the file does."""
        found = [one for one in self.imports if one.bound == name]
        return found[0] if len(found) == 1 and found[0].line and self.bindings(name) == 1 else None

    def function(self, name: str) -> ast.FunctionDef | None:
        """The only function of a name, if nothing else at the top of the file binds it."""
        return self.functions.get(name) if self.bindings(name) == 1 and name not in self.rebound else None

    def bindings(self, name: str) -> int:
        """How often statements outside of functions bind a name of the file."""
        return self.bound.get(name, 0)


@lru_cache(maxsize=512)
def facts_of(text: str) -> Facts | None:
    """The facts about a text; None if it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    nodes = list(ast.walk(tree))
    top = set(tree.body)
    early = set(run_at_import(tree))
    imports = [one for node in nodes for one in _imported(node, node in top, node in early)]
    named = {one.bound for one in imports}
    parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    return Facts(
        tree,
        tuple(imports),
        {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)},
        frozenset(name for node in nodes if isinstance(node, ast.Global) for name in node.names),
        frozenset(node.attr for node in nodes if _is_patch(node) and _root(node) in named),  # type: ignore[attr-defined]
        Counter(_bound_at_top(tree)),
        any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes),
        any(_is_opaque(node, parents, named) for node in nodes),
        any(_reroutes(node, parents) for node in nodes),
    )


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


def _is_patch(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_opaque(node: ast.AST, parents: dict[ast.AST, ast.AST], imported: set[str]) -> bool:
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


def called_names(code: ast.AST) -> Iterator[tuple[str, ...]]:
    """The names, with dots taken apart, that the calls in some code go by."""
    for node in ast.walk(code):
        parts: list[str] = []
        func = node.func if isinstance(node, ast.Call) else None
        while isinstance(func, ast.Attribute):
            parts.append(func.attr)
            func = func.value
        if isinstance(func, ast.Name):
            yield (func.id, *reversed(parts))
