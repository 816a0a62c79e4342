"""Which roles a piece of a template binds and reads, so that a layout can make parameters and results of them."""

from __future__ import annotations

import ast
import re
import textwrap

Lines = list[str]
PREFIX = "r__"
SCOPES = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def parsed(text: str) -> list[ast.stmt]:
    """The statements of a template, each name `r__role`; line numbers count from 2."""
    plain = re.sub(r"\$(\w+)", PREFIX + r"\1", re.sub(r"\bOUTER\b", "nonlocal", text))
    plain = re.sub(r", FREE_\w+|\bFREE_\w+, |\bFREE_\w+", "", plain)
    body = textwrap.indent(plain, " ") if plain.strip() else " pass"
    function = ast.parse(f"def f():\n{body}\n").body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.body


def roles(names: set[str]) -> set[str]:
    return {name[len(PREFIX) :] for name in names if name.startswith(PREFIX)}


def bound(nodes: list[ast.stmt]) -> set[str]:
    """The names bound in this scope itself."""
    found: set[str] = set()
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, SCOPES):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        pending += ast.iter_child_nodes(node)
    return found


def stored(text: str) -> set[str]:
    return roles(bound(parsed(text)))


def loaded(text: str) -> set[str]:
    """The roles read anywhere in the text, nested functions included."""
    nodes = [n for statement in parsed(text) for n in ast.walk(statement)]
    return roles({n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)})


def names_only(text: str) -> set[str]:
    """Roles that can't be written as attributes: parameters, walrus targets, functions, what `nonlocal` declares."""
    found: set[str] = set()
    for node in (n for statement in parsed(text) for n in ast.walk(statement)):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.NamedExpr):
            found.add(node.target.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Nonlocal):
            found |= set(node.names)
        elif isinstance(node, ast.MatchAs) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.comprehension):
            found |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    return roles(found)


def statements(text: str) -> list[str]:
    """The top-level statements, each with the comments and blank lines before it."""
    lines, pieces, start = text.splitlines(), [], 0
    for node in parsed(text) if text.strip() else []:
        pieces.append("\n".join(lines[start : node.end_lineno - 1]))
        start = node.end_lineno - 1
    return pieces
