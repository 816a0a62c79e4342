"""Which classes of other files are surely networks: by the bases that their definitions name."""

from __future__ import annotations

import ast

from refactorer.project.facts import Facts
from refactorer.project.files import SCRIPT
from refactorer.project.modules import Modules

_BASES = "torch.nn."
_MOVING = ("to", "cuda", "_apply", "__new__", "__getattribute__")
_DEPTH = 8


def is_network(modules: Modules, script: Facts | None, name: str) -> bool:
    """Whether a name that a script imports, `models.net.Net`, is that of a class of networks that torch moves.

    One without dots is looked for in the files that the script imports with a star.
    """
    reference, _, own = name.rpartition(".")
    if reference.strip("."):
        return not modules.is_hidden(reference) and _defines(modules, reference, own, 0)
    return script is not None and not reference and _is_starred(modules, SCRIPT, script, own, 0)


def _defines(modules: Modules, reference: str, name: str, depth: int) -> bool:
    """Whether a name at the top of a file is that of a class of networks, defined there or imported."""
    facts = modules.facts(reference)
    if facts is None or name in facts.rebound or depth > _DEPTH:
        return False
    if not facts.bindings(name):
        return _is_starred(modules, reference, facts, name, depth + 1)
    found = [node for node in facts.tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    if found and facts.bindings(name) == 1:
        return _is_moved_by_torch(found[0]) and any(
            _is_base(modules, reference, facts, base, depth + 1) for base in found[0].bases
        )
    one = facts.imported(name)
    source = modules.reference(reference, one) if one is not None and not one.whole else None
    return source is not None and one is not None and _defines(modules, source, one.name, depth + 1)


def _is_starred(modules: Modules, base: str, facts: Facts, name: str, depth: int) -> bool:
    """Whether exactly one file gives a name by a star, and means a class of networks by it."""
    sources = [modules.reference(base, one) for one in facts.imports if one.name == "*"]
    giving = [source for source in sources if source is None or _may_bind(modules, source, name, depth)]
    return len(giving) == 1 and giving[0] is not None and _defines(modules, giving[0], name, depth)


def _may_bind(modules: Modules, reference: str, name: str, depth: int) -> bool:
    """Whether a file may bind a name; one that is out of sight may bind any."""
    facts = modules.facts(reference)
    if facts is None or name in facts.names or depth > _DEPTH:
        return True
    return any(
        source is None or _may_bind(modules, source, name, depth + 1)
        for source in (modules.reference(reference, one) for one in facts.imports if one.name == "*")
    )


def _is_moved_by_torch(node: ast.ClassDef) -> bool:
    """Whether a class leaves it to its bases how its objects are made and moved."""
    own = {part.name for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return not node.decorator_list and not node.keywords and own.isdisjoint(_MOVING)


def _is_base(modules: Modules, reference: str, facts: Facts, base: ast.expr, depth: int) -> bool:
    """Whether the base of a class is a module of torch's, or a class of networks of some file."""
    path = ast.unparse(base).split(".")
    if len(path) == 1 and facts.imported(path[0]) is None:
        return _defines(modules, reference, path[0], depth)
    one = facts.imported(path[0])
    if one is None:
        return False
    first = f"{one.module}.{one.name}" if not one.whole else one.module if one.renamed else one.bound
    full = ".".join([first, *path[1:]])
    if one.level == 0 and full.startswith(_BASES):
        return full.rpartition(".")[2][:1].isupper()
    source = modules.reference(reference, one)
    return len(path) == 1 and not one.whole and source is not None and _defines(modules, source, one.name, depth)
