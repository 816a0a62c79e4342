"""Putting templates together."""

from __future__ import annotations

import textwrap


def indent(text: str) -> str:
    return textwrap.indent(text, "    ")


def joined(*pieces: str) -> str:
    """The pieces one below the other, without those that are empty."""
    return "\n".join(piece for piece in pieces if piece)


def listed(found: set[str]) -> str:
    """Roles in a fixed order, with commas."""
    return ", ".join(f"${role}" for role in sorted(found))
