"""Narrows a divergence down to the first batch, module output, gradient or parameter that differs.

Both versions run again, only up to the step that differs first. This time the tracer records what every module returns
at that step, and each gradient and parameter by itself; in a first run that would cost too much.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from refactorer.verify import channels as ch
from refactorer.verify.evidence import Found, first_pair
from refactorer.verify.execute import Run
from refactorer.verify.places import shown, source
from refactorer.verify.trace import Trace
from refactorer.verify.verdict import NOT_EQUIVALENT, Cause, Divergence, Verdict

if TYPE_CHECKING:
    from refactorer.verify.bench import Bench

CLOSELY = "REFACTORER_TRACE_OUTPUTS"
# Where there are values behind the one that differs. A printed line or a file has no part that could be looked at.
NARROWED = (ch.LOSSES, ch.GRADIENTS, ch.NORMS, ch.PARAMETERS, ch.BUFFERS, ch.STATE, ch.FORWARDS, ch.BATCHES)


def with_origin(verdict: Verdict, bench: Bench, content: bytes, title: str | None) -> Verdict:
    """The verdict with what differs first, where a closer look can tell.

    Raises `TooLarge` or `OSError` when the project cannot be copied or the interpreter cannot be started.
    """
    first = verdict.first
    if verdict.outcome != NOT_EQUIVALENT or first is None or first.channel not in NARROWED:
        return verdict
    one, two = look_closely(bench, content, title, first)
    origin = find_origin(one, two)
    if origin is None:
        return verdict
    return replace(verdict, origin=origin)


def look_closely(bench: Bench, content: bytes, title: str | None, first: Divergence) -> tuple[Run, Run]:
    """Runs both versions up to the step of a divergence, with the tracer looking at every module."""
    step = max(1, first.step)
    settings = replace(bench.settings, steps=step, env={**bench.settings.env, CLOSELY: str(step)})
    closer = type(bench)(bench.project, bench.folder, settings)
    return closer.run("original-closely"), closer.run("converted-closely", content, title)


def find_origin(one: Run, two: Run) -> Cause | None:
    """The first batch that differs; else the first output of a module; else the first gradient or parameter."""
    for name, look in (("batch", _batch), ("forward value", _output), ("update", _update)):
        found = look(one.trace, two.trace)
        if found:
            places = [getattr(item, "place", None) for item in (found.original, found.converted)]
            runs = list(zip(places, (one, two), strict=True))
            return Cause(name, found.text, *[shown(*pair) for pair in runs], *[source(*pair) for pair in runs])
    return None


def _batch(one: Trace, two: Trace) -> Found | None:
    size = min(len(one.batches), len(two.batches))  # where the runs are cut, one may be a batch ahead
    pair = first_pair(one.batches[:size], two.batches[:size], lambda batch: batch.checksum)
    if pair is None or pair[0] is None or pair[1] is None:
        return None
    index = one.batches.index(pair[0]) + 1
    return Found(f"The first value that differs is batch {index}, of iteration {pair[0].loader} of a loader.", *pair)


def _output(one: Trace, two: Trace) -> Found | None:
    size = min(len(one.modules), len(two.modules))
    pair = first_pair(one.modules[:size], two.modules[:size], lambda output: (output.module, output.checksum))
    first, other = pair or (None, None)
    if first is None or other is None:
        return None
    part = f"{first.name} ({first.module})" if first.name else first.module
    text = f"The first value that differs is the output of {part}, called after {first.step} steps"
    if first.module != other.module:
        text += f"; the converted version calls {other.module} there"
    return Found(f"{text}.", first, other)


def _update(one: Trace, two: Trace) -> Found | None:
    for a, b in zip(one.updates, two.updates, strict=False):
        for index, (left, right) in enumerate(zip(a.parameters, b.parameters, strict=False), 1):
            if left == right:
                continue
            what = "shape" if left[0] != right[0] else "gradient" if left[1] != right[1] else "value"
            text = f"The first value that differs is the {what} of parameter {index}, of shape {left[0]}"
            return Found(f"{text}, at step {a.step}.", a, b)
    return None
