"""Where the data would be loaded from; scripts change it, and nothing is loaded."""

from __future__ import annotations

URL: dict[str, str] = {"train": "", "valid": "", "test": ""}
MD5: dict[str, str] = {"train": "", "valid": "", "test": ""}
