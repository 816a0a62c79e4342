"""Small edits of a script's tree. Each yields one new script for every place that it fits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import libcst as cst

Scripts = Iterator[cst.Module]
PASS = cst.parse_statement("pass")


@dataclass(frozen=True)
class Place:
    """A node, its code, and the functions around it."""

    node: cst.CSTNode
    code: str
    functions: tuple[str, ...]


@lru_cache(maxsize=32)
def places(tree: cst.CSTNode) -> list[Place]:
    """All nodes that a defect may look for, in the order of the text."""
    kinds = (cst.SimpleStatementLine, cst.Call, cst.Comparison, cst.ClassDef, cst.IndentedBlock)
    nodes: list[Place] = []

    def walk(node: cst.CSTNode, functions: tuple[str, ...]) -> None:
        if isinstance(node, kinds):
            nodes.append(Place(node, code(node), functions))
        if isinstance(node, cst.FunctionDef):
            functions = (*functions, node.name.value)
        for child in node.children:
            walk(child, functions)

    walk(tree, ())
    return nodes


def found(tree: cst.CSTNode, kind: type[cst.CSTNode], pattern: str, within: str = "") -> list[Any]:
    """All nodes of a kind whose code matches, in the order of the text; only those in functions named `within`."""
    search, inside = re.compile(pattern).search, re.compile(within).fullmatch
    return [
        place.node
        for place in places(tree)
        if isinstance(place.node, kind) and (not within or any(map(inside, place.functions))) and search(place.code)
    ]


def code(node: cst.CSTNode) -> str:
    bare: Any = node.with_changes(leading_lines=()) if hasattr(node, "leading_lines") else node
    return cst.Module(body=[]).code_for_node(bare).strip()


def rewritten(
    tree: cst.Module, kind: type[cst.CSTNode], pattern: str, by: str, within: str = "", most: int = 99
) -> Scripts:
    """`re.sub` on the code of one statement or expression, for each that matches."""
    for node in found(tree, kind, pattern, within)[:most]:
        text = re.sub(pattern, by, code(node), count=1)
        parse: Any = cst.parse_statement if kind is cst.SimpleStatementLine else cst.parse_expression
        new = parse(text)
        yield tree.deep_replace(node, new)  # type: ignore[arg-type, misc]


def statement(tree: cst.Module, pattern: str, by: str, within: str = "", most: int = 99) -> Scripts:
    return rewritten(tree, cst.SimpleStatementLine, pattern, by, within, most)


def call(tree: cst.Module, pattern: str, by: str, within: str = "", most: int = 99) -> Scripts:
    return rewritten(tree, cst.Call, pattern, by, within, most)


def without(tree: cst.Module, pattern: str, within: str = "", most: int = 99) -> Scripts:
    """One statement is left out."""
    for node in found(tree, cst.SimpleStatementLine, pattern, within)[:most]:
        yield tree.deep_replace(node, PASS)  # type: ignore[arg-type, misc]


def beside(tree: cst.Module, pattern: str, before: str = "", after: str = "", within: str = "") -> Scripts:
    """Statements are put in front of or behind one that matches."""
    for node in found(tree, cst.SimpleStatementLine, pattern, within):
        body = [*_statements(before), node, *_statements(after)]
        yield tree.deep_replace(node, cst.FlattenSentinel(body))  # type: ignore[arg-type, misc]


def _statements(text: str) -> Sequence[Any]:
    return cst.parse_module(text).body


def swapped(tree: cst.Module, first: str, second: str) -> Scripts:
    """A statement changes places with a later one of the same block."""
    for block in found(tree, cst.IndentedBlock, first):
        body: list[Any] = list(block.body)  # type: ignore[attr-defined]
        simple = [(i, code(line)) for i, line in enumerate(body) if isinstance(line, cst.SimpleStatementLine)]
        one = next((i for i, text in simple if re.search(first, text)), None)
        two = next((i for i, text in simple if one is not None and i > one and re.search(second, text)), None)
        if one is None or two is None:
            continue
        body[one], body[two] = body[two], body[one]
        yield tree.deep_replace(block, block.with_changes(body=body))  # type: ignore[arg-type, misc]


def modules(tree: cst.Module) -> list[cst.ClassDef]:
    """The classes that inherit `runtime.Module`."""
    classes: Any = found(tree, cst.ClassDef, "")
    return [c for c in classes if any(code(base.value) == "Module" for base in c.bases)]


def hook(
    tree: cst.Module, name: str, arguments: str, text: str, must_exist: bool = False, last: bool = False
) -> Scripts:
    """Statements at the beginning, or the end, of a hook of each module; a hook that is not there is made."""
    for owner in modules(tree):
        methods: Any = [m for m in owner.body.body if isinstance(m, cst.FunctionDef) and m.name.value == name]
        if methods:
            block: Any = methods[0].body
            new = [*block.body, *_statements(text)] if last else [*_statements(text), *block.body]
            yield tree.deep_replace(block, block.with_changes(body=new))  # type: ignore[arg-type, misc]
        elif not must_exist:
            inner = "\n".join(f"    {line}" for line in text.splitlines())
            method = _statements(f"def {name}(self{arguments}):\n{inner}\n")
            body: Any = owner.body.with_changes(body=[*owner.body.body, *method])
            yield tree.deep_replace(owner, owner.with_changes(body=body))  # type: ignore[arg-type, misc]


def manual(tree: cst.Module) -> bool:
    """Whether the module steps its optimizers itself."""
    return "automatic_optimization = False" in tree.code
