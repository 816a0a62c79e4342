"""Whether the files of a project leave torch's default types and default device as they are.

A script cannot tell from its own text: any file that it imports may set them when it is imported, or later.
"""

from __future__ import annotations

import re

from refactorer.idioms.known.elsewhere import is_library
from refactorer.project.facts import Facts, facts_of
from refactorer.project.files import SCRIPT, parents_of, reference_from
from refactorer.project.modules import Modules

_ASKS = re.compile(r"\btorch\.cuda\.\w*Tensor\b")
_MAY_SET = re.compile(r"set_default_|import_module|__import__|\bexec\s*\(|\brun_path\b|\brun_module\b")


def keeps_default_types(text: str, modules: Modules) -> bool:
    """Whether all that a script imports is known, and none of it sets a default; False where nothing asks for it."""
    if not _ASKS.search(text) or _MAY_SET.search(text):
        return False
    waiting, seen = [(SCRIPT, facts_of(text))], {SCRIPT}
    while waiting:
        base, facts = waiting.pop()
        found = _imported(base, facts, modules) if facts is not None else None
        if found is None:
            return False
        for reference in found - seen:
            file = modules.file(reference)
            if file is None or _MAY_SET.search(file.text):
                return False
            seen.add(reference)
            waiting.append((reference, modules.facts(reference)))
    return True


def _imported(base: str, facts: Facts, modules: Modules) -> set[str] | None:
    """The files of the project that the imports of a file run; None if one may run something that is not known."""
    found: set[str] = set()
    for one in facts.imports:
        reference = reference_from(base, base == SCRIPT or modules.is_package(base), one.level, one.module)
        if reference is None:
            return None
        inner = f"{reference}{'' if reference.endswith('.') else '.'}{one.name}"
        run = {name for name in (*parents_of(reference), reference, inner) if modules.file(name) is not None}
        if not run.intersection((reference, inner)) and (one.level or not is_library(reference)):
            return None
        found |= run
    return found
