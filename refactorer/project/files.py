"""The other files of a project, as values: the core never looks at the disk.

Files go by the reference that the script would import them by: `engine`, `utils.train`, or `.engine` where the script
itself uses relative imports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from refactorer.project.facts import Facts

SCRIPT = "."
"""The reference that imports of the script itself start from."""


@dataclass(frozen=True)
class OtherFile:
    """The text of another file; `package` says that it is the `__init__.py` of a package."""

    path: str
    text: str
    package: bool = False


@dataclass(frozen=True)
class Others:
    """The files that the imports of a script lead to, directly or through others, by reference.

    The mapping may look for a file when it is asked for it. One of the path of the script is the script itself.

    `used` are the names of the script, and its methods as `.method`, that files of the project use, and `replaced`
    looks for the names of any modules that they bind to something else.
    """

    files: Mapping[str, OtherFile] = field(default_factory=lambda: MappingProxyType({}))
    used: tuple[str, ...] = ()
    replaced: Callable[[], frozenset[str]] = frozenset


ALONE = Others()
"""A script that is not known to have other files around it."""


def reference_from(base: str, package: bool, level: int, name: str) -> str | None:
    """What an import that stands in one module means, seen from the script; None above the top of a package.

    `level` is the number of dots of a relative import, `package` whether the module is the `__init__.py` of one.
    """
    if not level:
        return name
    dots, parts = _split(base)
    parts = parts if package else parts[:-1]
    for _ in range(level - 1):
        dots, parts = (dots, parts[:-1]) if parts else (dots + 1 if dots else -1, [])
        if dots < 0:
            return None
    wanted = [*parts, *(name.split(".") if name else [])]
    return "." * dots + ".".join(wanted) if dots or parts else None


def member_of(reference: str, name: str) -> str:
    """The reference of a name in a module, or in the packages that only dots lead to."""
    return f"{reference}{'' if reference.endswith('.') else '.'}{name}"


def parents_of(reference: str) -> list[str]:
    """The packages that an import of a module runs first, outermost first."""
    dots, parts = _split(reference)
    return ["." * dots + ".".join(parts[:count]) for count in range(1, len(parts))]


def references_of(base: str, package: bool, facts: Facts, *, at_import: bool = False) -> list[str]:
    """All modules that the imports of a file may run, packages first; names in modules look like modules here.

    With `at_import`, imports in the bodies of functions are left out.
    """
    wanted: dict[str, None] = {}
    for one in facts.imports:
        reference = reference_from(base, package, one.level, one.module) if one.at_import or not at_import else None
        if reference is None:
            continue
        inner = member_of(reference, one.name) if one.name not in ("", "*") else ""
        for name in filter(None, (reference, inner)):
            wanted.update(dict.fromkeys([*parents_of(name), name]))
    return [name for name in wanted if name.strip(".")]


def _split(reference: str) -> tuple[int, list[str]]:
    name = reference.lstrip(".")
    return len(reference) - len(name), name.split(".") if name else []
