"""What is left of functions that were taken in, once the script is converted."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Union

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import children
from refactorer.emit.edits import Edit, apply
from refactorer.emit.unused_imports import without_names
from refactorer.project.combined import Combined
from refactorer.project.files import SCRIPT, member_of, reference_from
from refactorer.project.merging import merged, source_of
from refactorer.project.modules import Function
from refactorer.project.names import module_import
from refactorer.project.unimported import Unimported, imported_by


def definitions(text: str) -> dict[str, str]:
    """The functions at the top of a file, with their code."""
    return _definitions(cst.parse_module(text))


def changed_copies(combined: Combined, left: Mapping[str, str]) -> list[Function]:
    """The functions whose definitions are left in a result, and cannot be imported in their place.

    They are not what they were, or the script does not import them by itself.
    """
    imported = {one.bound for one in combined.hidden.values()} | combined.mentions.keys()
    found = [one for one in combined.definitions if one.name in left]
    return [one.function for one in found if one.name not in imported or left[one.name].strip() != one.code.strip()]


def settled(combined: Combined, text: str, unimported: Unimported) -> str:
    """A result without the definitions that are what they were, and without imports that served the others.

    What is still defined is imported again, as it was in the script.
    """
    module = cst.parse_module(text)
    kept = _definitions(module).keys() & {one.name for one in combined.definitions}
    edits: dict[cst.CSTNode, Edit] = {
        line: None for line in module.body if isinstance(line, cst.FunctionDef) and line.name.value in kept
    }
    edits.update(_mentions(combined, module, kept))
    for found in _import_lines(module):
        for alias in found.aliases:
            one = combined.hidden.get(_bound(alias))
            if one is not None and one.bound in kept:
                edits[alias] = alias.with_changes(asname=cst.AsName(cst.Name(one.bound)) if one.renamed else None)
    module = apply(module, edits)
    module = _without_served(combined, _without_added(combined, module), unimported)
    return merged(module, {added.code for added in combined.added if not added.binds_module}).code


def _definitions(module: cst.Module) -> dict[str, str]:
    """The functions at the top of a file, with their code."""
    plain = cst.Module([], default_indent=module.default_indent)
    return {
        line.name.value: plain.code_for_node(line.with_changes(leading_lines=[]))
        for line in module.body
        if isinstance(line, cst.FunctionDef)
    }


def _mentions(combined: Combined, node: cst.CSTNode, kept: Set[str]) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Mentions of functions that the script reaches through a module, as they were written."""
    if isinstance(node, cst.Name) and node.value in kept and node.value in combined.mentions:
        yield node, cst.parse_expression(combined.mentions[node.value])
    for child in children(node):
        of_object = isinstance(node, cst.Attribute) and child is node.attr
        keyword = isinstance(node, cst.Arg) and child is node.keyword
        defined = isinstance(node, cst.FunctionDef) and child is node.name
        if not (of_object or keyword or defined):
            yield from _mentions(combined, child, kept)


@dataclass(frozen=True)
class _Line:
    """An import at the top of a file."""

    line: cst.SimpleStatementLine
    small: Union[cst.Import, cst.ImportFrom]
    aliases: tuple[cst.ImportAlias, ...]


def _import_lines(module: cst.Module) -> Iterator[_Line]:
    for line in module.body:
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for small in line.body:
            if isinstance(small, (cst.Import, cst.ImportFrom)) and not isinstance(small.names, cst.ImportStar):
                yield _Line(line, small, tuple(small.names))


def _unread(module: cst.Module) -> set[str]:
    """The names that a file binds and nothing in it reads."""
    program = Program(module)
    variables = program.scope[module].variables.values()
    return {variable.name for variable in variables if not variable.reads}


def _without_added(combined: Combined, module: cst.Module) -> cst.Module:
    """The file without imports that were added and serve nothing any more."""
    unread = _unread(module)
    codes = {added.code for added in combined.added if added.bound in unread}
    for found in list(_import_lines(module)):
        if cst.Module([]).code_for_node(found.small) in codes:
            module = without_names(module, found.line, found.small, list(found.aliases))
    return module


def _without_served(combined: Combined, module: cst.Module, unimported: Unimported) -> cst.Module:
    """The file without the imports that led to functions which are part of it now."""
    gone = combined.hidden.keys() | (combined.through & _unread(module))
    for found in list(_import_lines(module)):
        aliases = [alias for alias in found.aliases if _bound(alias) in gone]
        if not aliases:
            continue
        if len(aliases) < len(found.aliases) or _may_go(combined, module, found, unimported):
            module = without_names(module, found.line, found.small, aliases)
        elif isinstance(found.small, cst.ImportFrom):
            module = apply(module, {found.small: _alone(module, found.small, unimported)})
    return module


def _may_go(combined: Combined, module: cst.Module, found: _Line, unimported: Unimported) -> bool:
    """Whether nobody would miss what an import runs, all of whose names have served."""
    at = module.body.index(found.line)
    above = imported_by(cst.Module(module.body[:at]).code)
    beside = imported_by("\n".join(added.code for added in combined.added if f"{added.code}\n" in module.code))
    return all(unimported.may_go(one, above, beside) for one in _references(found.small, unimported))


def _references(small: cst.Import | cst.ImportFrom, unimported: Unimported) -> list[str]:
    """The modules that an import runs."""
    code = cst.Module([]).code_for_node
    if isinstance(small, cst.Import):
        return [code(alias.name) for alias in small.names]
    source = reference_from(SCRIPT, True, len(small.relative), code(small.module) if small.module else "") or ""
    inner = [member_of(source, alias.evaluated_name) for alias in small.names]  # type: ignore[union-attr]
    return [
        *([] if source.endswith(".") else [source]),
        *(one for one in inner if unimported.modules.file(one) is not None),
    ]


def _alone(module: cst.Module, small: cst.ImportFrom, unimported: Unimported) -> cst.BaseSmallStatement:
    """The import of a module for what it runs, by a name that nothing else has."""
    source = source_of(small)
    if unimported.modules.is_hidden(source):
        return small
    name = source.rpartition(".")[2]
    program = Program(module)
    taken = {one.value for one in program.find(cst.Name) if one in program.variables}.union(dir(builtins))
    numbered = (f"{name}_module_{number}" for number in range(2, len(taken) + 3))
    bound = next(one for one in (name, f"{name}_module", *numbered) if one not in taken)
    line = cst.ensure_type(cst.parse_statement(module_import(source, bound)), cst.SimpleStatementLine)
    return line.body[0]


def _bound(alias: cst.ImportAlias) -> str:
    return (alias.evaluated_alias or alias.evaluated_name).split(".")[0]
