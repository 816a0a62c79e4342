"""The changed file: the class in its place, the Trainer where the loop was, what is no longer needed taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

from refactorer.emit.driver_lines import bind_first, training_lines
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.emit.headings import staying_and_going, worth_keeping
from refactorer.emit.layout import evenly_indented, with_aligned, without_gaps
from refactorer.emit.lightning_lines import for_lightning
from refactorer.emit.module_class import ClassWriter
from refactorer.emit.new_names import Names, choose_names
from refactorer.emit.own_lines import take_over
from refactorer.emit.targets import LIGHTNING, RUNTIME, Target
from refactorer.emit.trimmed import with_trimmed
from refactorer.emit.unused_imports import without_unused
from refactorer.emit.unused_types import without_unused_types
from refactorer.idioms.configure import Configuration
from refactorer.idioms.device.models import unmoved
from refactorer.outline.blocks import is_docstring
from refactorer.outline.epochs import Epochs
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.plain_starts import without
from refactorer.outline.refusal import Refusal

Statement = TypeVar("Statement", cst.ClassDef, cst.FunctionDef, cst.BaseCompoundStatement | cst.SimpleStatementLine)


def assemble(
    outline: Outline, roles: Roles, configuration: Configuration, homes: Homes, epochs: Epochs, target: Target = RUNTIME
) -> cst.Module:
    """The whole file with the training replaced."""
    program = outline.program
    names = choose_names(outline, roles, target)
    moves = unmoved(outline, roles, configuration, homes)
    take_over(outline, roles, homes, epochs, configuration.moved, moves)
    writer = ClassWriter(outline, roles, configuration, homes)
    taken = (*configuration.moved, *homes.initial.values())
    edits: dict[cst.CSTNode, Edit] = {**moves, **_without_needless(outline, homes)}
    edits.update({line: Removed(staying_and_going(line)[0]) for line in taken})
    edits.update(outline.driver_edits)
    written = writer.write(names.module, names.base)
    if target is LIGHTNING:
        written = for_lightning(outline, written, not roles.optimizers and not homes.optimizers)
    written = evenly_indented(without_gaps(_with_comments(outline, written), program), program)
    edits.update(dict.fromkeys(outline.consumed))
    edits.update(_place_class(outline, written))
    loop_lines = training_lines(outline, roles, homes, epochs, names, edits, target)
    edits[outline.site.epoch_loop] = loop_lines
    bind_first(outline, homes, edits)
    module = with_aligned(apply(program.module, edits), names.module, _sources(outline, configuration))
    module = _two_blank_lines_after(with_trimmed(module, names.module), names.module)
    module = _with_import(module, names, target)
    for line in outline.imports:
        module = _with_line(module, names, line)
    return without_unused(program, without_unused_types(program, module))


def _without_needless(outline: Outline, homes: Homes) -> dict[cst.CSTNode, Edit]:
    """The lines in front of the training that bind what the Trainer supplies, as far as they bind more."""
    return {
        line: without(outline, line, homes.needless) or Removed(staying_and_going(line)[0])
        for line in homes.needless.values()
    }


def _sources(outline: Outline, configuration: Configuration) -> list[cst.CSTNode]:
    """The statements at the top level of the original that the class is made of."""
    program, found = outline.program, []
    for node in (outline.site.epoch_loop, *outline.consumed, *outline.methods.values(), *configuration.moved):
        while program.parent[node] is not program.module:
            node = program.parent[node]
        found.append(node)
    return list(dict.fromkeys(found))


def _with_import(module: cst.Module, names: Names, target: Target) -> cst.Module:
    """Adds the import behind the last one in front of the class: what is set before torch is imported counts."""
    plain = names.base == target.base
    package, *parts = target.names
    wanted = set(parts) if plain else {package}
    if wanted <= {full for i in _imports_before(module, names)[:-1] for full in _imported(module.body[i])}:
        return module
    return _with_line(module, names, f"from {package} import {target.base}, Trainer" if plain else f"import {package}")


def _imports_before(module: cst.Module, names: Names) -> list[int]:
    """The places of the imports in front of the new class, and last the place for one more."""
    at = next((i for i, node in enumerate(module.body) if _defines(node, names.module)), len(module.body))
    imports = [i for i in range(at) if _is_import(module.body[i])]
    return [*imports, imports[-1] + 1 if imports else at]


def _with_line(module: cst.Module, names: Names, text: str) -> cst.Module:
    """Adds an import behind the last one in front of the class, unless the very line is there."""
    *imports, at = _imports_before(module, names)
    if any(module.code_for_node(module.body[i]).strip() == text for i in imports):
        return module
    return module.with_changes(body=[*module.body[:at], cst.parse_statement(text), *module.body[at:]])


def _defines(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.ClassDef) and node.name.value == name


def _is_import(node: cst.CSTNode) -> bool:
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(small, (cst.Import, cst.ImportFrom))


def _imported(node: cst.CSTNode) -> list[str]:
    """The dotted names that an import line binds, as far as it is about the runtime."""
    assert isinstance(node, cst.SimpleStatementLine)
    found = []
    for small in node.body:
        if isinstance(small, cst.ImportFrom) and not isinstance(small.names, cst.ImportStar):
            source = cst.helpers.get_full_name_for_node(small.module) if small.module else None
            found += [f"{source}.{alias.evaluated_name}" for alias in small.names]
        elif isinstance(small, cst.Import):
            found += [alias.evaluated_name for alias in small.names]
    return found


# --- the class ----------------------------------------------------------------------------------------------------


def _with_comments(outline: Outline, written: cst.ClassDef) -> cst.ClassDef:
    """Puts the comments that were kept above the methods, and at the ends of their bodies."""
    body = []
    for method in written.body.body:
        assert isinstance(method, cst.FunctionDef)
        above = worth_keeping(outline.above.get(method.name.value, []), method.name.value)
        footer = outline.footers.get(method.name.value, [])
        if footer:
            method = method.with_changes(body=_with_footer(method.body, footer))
        body.append(method.with_changes(leading_lines=[*method.leading_lines, *above]) if above else method)
    return written.with_changes(body=written.body.with_changes(body=body))


def _with_footer(block: cst.BaseSuite, footer: Sequence[cst.EmptyLine]) -> cst.BaseSuite:
    """A body with comments at its end, or above what it returns, behind which nothing is read."""
    *lines, last = block.body
    small = last.body[0] if isinstance(last, cst.SimpleStatementLine) and len(last.body) == 1 else None
    if not lines or not isinstance(small, cst.Return) or small.value is None:
        return block.with_changes(footer=footer)
    above = [*footer, *last.leading_lines]  # type: ignore[union-attr]
    return block.with_changes(body=[*lines, last.with_changes(leading_lines=above)])


def _place_class(outline: Outline, written: cst.ClassDef) -> dict[cst.CSTNode, Edit]:
    program, functions = outline.program, outline.site.functions
    function = functions[-1] if functions else None
    if function is not None and program.parent[function] is program.module:
        return {function: _spaced(written.with_changes(leading_lines=function.leading_lines))}
    top: cst.CSTNode = outline.site.epoch_loop
    while program.parent[top] is not program.module:
        top = program.parent[top]
    if isinstance(top, cst.FunctionDef):
        above, own = _own_comments(top)
        return {top: [_spaced(written.with_changes(leading_lines=above)), _spaced(top.with_changes(leading_lines=own))]}
    earlier = [
        node for node in program.module.body
        if isinstance(node, (cst.ClassDef, cst.FunctionDef)) and node not in outline.consumed
        and program.order[node] < program.order[top]
    ]  # fmt: skip
    anchor = earlier[-1] if earlier else _line_before(outline, top)
    return {anchor: [anchor, _spaced(written)]} if anchor is not None else {}


def _line_before(outline: Outline, top: cst.CSTNode) -> cst.CSTNode | None:
    """The last import in front of the training, with the text that describes the file: new classes go behind it."""
    body = outline.program.module.body
    imports = [
        n for n in body
        if isinstance(n, cst.SimpleStatementLine) and any(isinstance(s, (cst.Import, cst.ImportFrom)) for s in n.body)
        and outline.program.order[n] < outline.program.order[top]
    ]  # fmt: skip
    if not imports:
        raise Refusal("R403", top, "there is no import in front of the training", "import torch at the top of the file")
    at = list(body).index(imports[-1])
    while is_docstring(body[at + 1]):
        at += 1
    return body[at]


def _own_comments(node: cst.FunctionDef) -> tuple[list[cst.EmptyLine], list[cst.EmptyLine]]:
    """The lines above a function that belong to what stands in front of it, and its own: those behind a blank line."""
    lines = list(node.leading_lines)
    blanks = [i for i, line in enumerate(lines) if line.comment is None]
    at = blanks[-1] if blanks and any(line.comment is not None for line in lines[: blanks[-1]]) else 0
    return lines[:at], lines[at:]


def _spaced(node: Statement) -> Statement:
    """A statement with two blank lines above it, or above its comments, where it has fewer."""
    lines = list(node.leading_lines)
    blank = next((i for i, line in enumerate(lines) if line.comment is not None), len(lines))
    return node.with_changes(leading_lines=[cst.EmptyLine(indent=False)] * max(0, 2 - blank) + lines)


def _two_blank_lines_after(module: cst.Module, name: str) -> cst.Module:
    body = list(module.body)
    for index, node in enumerate(body[:-1]):
        if isinstance(node, cst.ClassDef) and node.name.value == name:
            body[index + 1] = _spaced(body[index + 1])
    return module.with_changes(body=body)
