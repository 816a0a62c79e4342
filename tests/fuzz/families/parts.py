"""What a family composes: the pieces of a script, which a layout puts into modules, functions or classes."""

from __future__ import annotations

from dataclasses import dataclass, field

ALL = ("module", "guard", "main", "function", "function", "closure", "class", "class")
IN_FUNCTION = ("main", "function", "closure", "class")


@dataclass
class Parts:
    """Templates with their choices made; variables are `$roles`.

    `helpers` maps the role of a function to its text, callees first; it and its calls end their arguments with
    `FREE_role`, which becomes whatever the function needs to be handed. `OUTER` stands for `global` or `nonlocal`.
    """

    head: str  # imports, and definitions that need nothing from below
    setup: str
    body: str
    after: str = ""
    helpers: dict[str, str] = field(default_factory=dict)
    layouts: tuple[str, ...] = ALL
    result: str = ""  # what receives the value that the body returns by itself, if it does
    splits: bool = True  # the batch loop may move into a function
    nasty: float = 0.0
