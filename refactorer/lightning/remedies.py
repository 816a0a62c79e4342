"""What helps against a trap: a module that hands out its batches one by one and as they are, or keeps its gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from refactorer.diagnostics import Diagnostic
from refactorer.lightning.traps import CODE
from refactorer.options import Options

_REMEDIES = {
    "loader": {"loader"}, "epoch start": {"loader"}, "break": {"loader"}, "gradients": {"gradients"},
    "None": {"loader", "lists"}, "batches": {"batches"},
}  # fmt: skip
_MOVES = "N105"  # the step moves a batch that Lightning hands on as it is


def with_remedy(form: Options, diagnostics: Iterable[Diagnostic]) -> Options | None:
    """The same form with what may help against the trap that refused it; None where nothing does."""
    for diagnostic in diagnostics:
        more = _REMEDIES.get(diagnostic.message.split(":")[0], set()) if diagnostic.code == CODE else set()
        if not more <= form.remedies:
            skipped = form.skipped | {_MOVES} if "batches" in more else form.skipped
            return replace(form, remedies=form.remedies | more, skipped=skipped)
    return None
