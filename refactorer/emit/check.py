"""A look at finished text that needs no LibCST tree: names that nothing binds."""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator

_ALWAYS = frozenset(dir(builtins))


def unbound_names(text: str) -> set[str]:
    """The global names that a file uses but neither binds nor finds among the builtins.

    Private names in a class (`__name`) appear as Python mangles them, since that is what is looked up.

    Raises:
        SyntaxError: the text is not valid Python.
    """
    module = symtable.symtable(text, "<string>", "exec")
    used: set[str] = set()
    bound: set[str] = set()
    for table in _tables(module):
        outermost = table is module
        for symbol in table.get_symbols():
            if not (outermost or symbol.is_global()):
                continue
            if symbol.is_assigned() or symbol.is_imported() or (outermost and symbol.is_namespace()):
                bound.add(symbol.get_name())
            if symbol.is_referenced():
                used.add(symbol.get_name())
    return used - bound - _ALWAYS


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _tables(inner)
