"""Pretrained weights are not here: models keep their initial ones, and the report says so."""

from __future__ import annotations

from typing import Any

# On the path of the verified script, as this package is.
import refactorer_synthetic  # type: ignore[import-not-found]


def not_pretrained(weights: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that ask for weights, in today's spelling or the older one."""
    if kwargs.pop("pretrained", False) or weights:
        refactorer_synthetic.tell("initial weights for pretrained ones, which the stand-in does not have")
    return kwargs
