"""Modules that code hands on as values: whoever has one may bind its variables, under any name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from refactorer.project.facts import Facts
from refactorer.project.files import parents_of
from refactorer.project.modules import Modules

_READERS = (
    "getattr", "hasattr", "print", "dir", "vars", "repr", "str", "type", "isinstance", "setattr", "delattr",
)  # fmt: skip
"""Builtins that keep nothing; what the last two set is known."""
_MOCKS = ("mock", "unittest", "pytest")


def replaces(facts: Facts) -> bool:
    """Whether a file has the means to put other things in the place of those that go by some text."""
    return any(one.module.split(".")[0] in _MOCKS for one in facts.imports if not one.level)


def handed_on(modules: Modules, base: str, facts: Facts) -> Iterator[str]:
    """The references of the modules that a file hands on, and `__main__` where it asks for the script."""
    names = _handed_on(facts.tree)
    for one in facts.imports:
        meaning = modules.meaning(base, one) if one.bound in names else None
        if isinstance(meaning, str):
            yield meaning
    for node in ast.walk(facts.tree):
        if isinstance(node, ast.Call) and _last(node.func) in ("import_module", "__import__"):
            yield from (
                one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
    yield from ("__main__" for one in facts.imports if one.module == "__main__")


def reaches(reference: str, module: str) -> bool:
    """Whether who has one module has another."""
    return module == reference or reference in parents_of(module)


def _handed_on(tree: ast.Module) -> set[str]:
    """The names that are more than the beginning of a dotted name."""
    used = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
            used.update(map(id, node.args[:1]))
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return {node.id for node in names if id(node) not in used}


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
