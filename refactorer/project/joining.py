"""Lines of several files in one text, and where each of them comes from."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from dataclasses import dataclass

from refactorer.project.definitions import Definition
from refactorer.project.modules import Function
from refactorer.project.names import Added, Names
from refactorer.project.script import Script


@dataclass(frozen=True)
class Place:
    """A line of a file; the path is empty for the script itself."""

    path: str
    line: int


def joined(script: Script, lines: list[str], made: list[Definition], names: Names) -> tuple[str, tuple[Place, ...]]:
    """The lines of the script, with new imports behind those that led to the functions, and then the functions."""
    functions = [one.function for one in made]
    new: defaultdict[int, list[tuple[str, Place]]] = defaultdict(list)
    for added in sorted(names.added, key=lambda added: added.order):
        line = min(_import_line(script, one, functions) for one in functions if one.module == added.module)
        new[_after_libraries(script, line) if _is_of_python(added) else line].append((added.code, Place("", line)))
    in_front = _line_in_front(script, functions)
    for one in made:
        path = names.modules.file_of(one.function).path
        code = one.code.rstrip("\n").split("\n")
        new[in_front] += [(part, Place(path, line)) for part, line in zip(code, one.lines)]
    if lines[in_front].strip():
        new[in_front] += [("", Place("", in_front))] * 2
    end = "\r" if script.program.module.default_newline == "\r\n" else ""
    text: list[str] = []
    places: list[Place] = []
    for number, line_of_script in enumerate(lines, start=1):
        text += [line_of_script, *(code + end for code, _ in new[number])]
        places += [Place("", number), *(place for _, place in new[number])]
    return "\n".join(text), tuple(places)


def _import_line(script: Script, function: Function, functions: list[Function]) -> int:
    """The last line of the import that leads the script to a function, or to the nearest one that calls it."""
    nearest = [function]
    for one in nearest:
        for use in script.of(one):
            return _last_line(next(node for node in script.facts.tree.body if node.lineno == use.imported.line))
        callers = (other for other in functions if one in script.modules.callees(other))
        nearest += [other for other in callers if other not in nearest]
    raise AssertionError(function)


def _line_in_front(script: Script, functions: list[Function]) -> int:
    """The last line of the statement in front of the first one that mentions one of the functions."""
    positions = [script.program.position(use.node)[0] for one in functions for use in script.of(one)]
    in_front = [node for node in script.facts.tree.body if _last_line(node) < min(positions)]
    return _last_line(in_front[-1])


def _after_libraries(script: Script, before: int) -> int:
    """The last line of the last `import` of a module of Python's own in front of a line, or else that line."""
    found = [
        one.line for one in script.facts.imports if one.whole and 0 < one.line < before and _is_standard(one.module)
    ]
    return _last_line(next(node for node in script.facts.tree.body if node.lineno == found[-1])) if found else before


def _is_of_python(added: Added) -> bool:
    return added.code.startswith("import ") and _is_standard(added.code.split()[1])


def _is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
