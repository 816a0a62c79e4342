"""Functions beside the training loop: what they are handed, and the batch loop moved into one."""

from __future__ import annotations

import ast
import re
import textwrap

from tests.fuzz.families.draw import Draw
from tests.fuzz.families.scope import bound, loaded, parsed, roles, stored

OTHER_ROLES = ["loss", "epoch", "total", "best", "x", "out", "epochs", "history", "loader", "i"]


def free_roles(text: str) -> set[str]:
    """The roles that a function reads from around it."""
    node = parsed(text)[0]
    assert isinstance(node, ast.FunctionDef)
    own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)} | bound(node.body)
    declared = {name for n in ast.walk(node) if isinstance(n, ast.Nonlocal) for name in n.names}
    return loaded(text) - roles(own - declared)


def declared_roles(text: str) -> set[str]:
    return roles({name for s in parsed(text) for n in ast.walk(s) if isinstance(n, ast.Nonlocal) for name in n.names})


def with_arguments(text: str, marker: str, arguments: str) -> str:
    """The text with `marker` replaced, and without the comma beside it when nothing replaces it."""
    if not arguments:
        return re.sub(rf", {marker}\b|\b{marker}, |\b{marker}\b", "", text)
    return re.sub(rf"\b{marker}\b", arguments, text)


def handed(draw: Draw, role: str, text: str, passed: list[str], renames: bool, shadows: bool) -> tuple[str, str]:
    """The function with its last parameters, and the arguments of its calls.

    If it `shadows`, a parameter may have the name of something else in the caller.
    """
    if f"FREE_{role}" not in text:
        return text, ""
    k = draw.rng.randrange(len(passed)) if passed and draw.maybe(0.25) else len(passed)  # from here on by keyword
    renamed = [p for i, p in enumerate(passed) if i >= k or (renames and draw.maybe(0.25))]
    new = {p: f"{p}__{role}" for p in renamed}
    if shadows and renamed and draw.maybe(0.3):
        free = [other for other in OTHER_ROLES if not re.search(rf"\${other}\b", text) and other not in passed]
        new |= {draw.pick(renamed): draw.pick(free)} if free else {}
    for old, name in new.items():
        text = re.sub(rf"\${old}\b", f"${name}", text)
    parameters = [f"${new.get(p, p)}" for p in passed]
    arguments = [f"${p}" for p in passed]
    if k < len(passed):
        arguments[k:] = [f"{p}={a}" for p, a in zip(parameters[k:], arguments[k:], strict=True)]
    return with_arguments(text, f"FREE_{role}", ", ".join(parameters)), ", ".join(arguments)


JUMPS = (ast.Return, ast.Yield, ast.YieldFrom, ast.Nonlocal, ast.FunctionDef, ast.Lambda)


def batch_loop(body: str) -> tuple[ast.For | ast.While, ast.For | ast.While] | None:
    """The loop around the batches and the one around that, when the inner one can become a function."""
    for outer in (n for s in parsed(body) for n in ast.walk(s) if isinstance(n, (ast.For, ast.While))):
        for inner in outer.body:
            if not isinstance(inner, (ast.For, ast.While)):
                continue
            if any(isinstance(n, JUMPS) for n in ast.walk(inner)) or "backward" not in ast.unparse(inner):
                continue
            return outer, inner
    return None


def split(body: str, setup: str, after: str, shared: set[str]) -> tuple[str, dict[str, str]]:
    """The body with its batch loop replaced by a call, and the function; unchanged when that would not be safe.

    `shared` are the roles that will be attributes, which need not be handed over.
    """
    found = batch_loop(body)
    if not found or re.search(r"\bOUTER\b", body):
        return body, {}
    _, inner = found
    lines = body.splitlines()
    first, last = inner.lineno - 2, inner.end_lineno - 1
    loop = textwrap.dedent("\n".join(lines[first:last]))
    margin = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    before, rest = names_above(body, inner.lineno), "\n".join(lines[last:])
    known = stored(setup) | before[1]
    changed = stored(loop) - shared
    outside = before[0] | set(re.findall(r"\$(\w+)", rest)) | loaded(after)
    results = sorted(changed & (outside | (loaded(loop) & known)))
    surely = {
        r for r in results if r in known or r in roles(bound([inner.target] if isinstance(inner, ast.For) else []))
    }
    surely |= {r for r in results if r in roles(bound([s for s in inner.body if isinstance(s, (ast.Assign, ast.For))]))}
    if set(results) - surely or set(results) & names_of_walrus(loop):
        return body, {}
    value = ", ".join(f"${r}" for r in results)
    text = "def $train_epoch(FREE_train_epoch):\n" + textwrap.indent(loop, "    ")
    text += f"\n    return {value}" if results else ""
    call = (f"{value} = " if results else "") + "$train_epoch(FREE_train_epoch)"
    # What the loop both reads and changes has to come in as an argument.
    arguments = ", ".join([*(f"${r}" for r in sorted(changed & known)), "FREE_train_epoch"])
    text, call = text.replace("FREE_train_epoch", arguments, 1), call.replace("FREE_train_epoch", arguments)
    return "\n".join([*lines[:first], margin + call, *lines[last:]]), {"train_epoch": text}


def names_of_walrus(text: str) -> set[str]:
    return roles({n.target.id for s in parsed(text) for n in ast.walk(s) if isinstance(n, ast.NamedExpr)})


def names_above(body: str, line: int) -> tuple[set[str], set[str]]:
    """The roles read and those bound in the lines above one."""
    names = [n for s in parsed(body) for n in ast.walk(s) if isinstance(n, ast.Name) and n.lineno < line]
    bound_there = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return roles({n.id for n in names if not isinstance(n.ctx, ast.Store)}), roles(bound_there)
