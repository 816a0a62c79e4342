"""The verdict as JSON."""

from __future__ import annotations

import json

from refactorer.verify.verdict import Verdict


def render(verdict: Verdict) -> str:
    """One JSON object; its form is named by its `schema`."""
    return json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
