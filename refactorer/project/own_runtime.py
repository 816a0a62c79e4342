"""Projects with a module `runtime` of their own: Python finds it before the one that a result is driven by."""

from __future__ import annotations

from refactorer.diagnostics import Diagnostic
from refactorer.project.modules import Modules

_NAME, _NEEDED = "runtime", ("Module", "Trainer")


def own_runtime(modules: Modules) -> str | None:
    """The path of the project's own `runtime`; a copy of the bundled one does not count."""
    file, facts = modules.file(_NAME), modules.facts(_NAME)
    if file is None or (facts is not None and all(facts.bindings(name) for name in _NEEDED)):
        return None
    return file.path


def hidden_by(own: str, path: str) -> Diagnostic:
    """What is said of a script whose project has a `runtime` of its own."""
    message = f"{own} would be imported in the place of the module `runtime` that the result needs"
    return Diagnostic("R502", message, "rename it, or convert with --target lightning", path)
