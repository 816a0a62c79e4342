"""What usually causes a pattern of divergence: a catalogue of names, each with a rule that looks at one pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refactorer.verify import rules_of_calls as calls
from refactorer.verify import rules_of_values as values
from refactorer.verify.evidence import Evidence, Found
from refactorer.verify.places import shown, source
from refactorer.verify.verdict import Cause

MOST = 3
Rule = Callable[[Evidence], "Found | str | None"]

# From what leaves the surest trace to what is only left over, so that the first that fits is the likeliest.
CATALOGUE: tuple[tuple[str, Rule], ...] = (
    ("exception", calls.stopped),
    ("seed", values.seed),
    ("loss scaling", values.scaling),
    ("precision", values.precision),
    ("number of steps", calls.ends),
    ("mode", calls.mode),
    ("data order", values.data_order),
    ("batches", values.batches),
    ("accumulation", calls.accumulation),
    ("order of calls", calls.order),
    ("number of steps", calls.count),
    ("evaluation", calls.evaluation),
    ("optimizer", calls.optimizer),
    ("zero_grad", calls.zero_grad),
    ("clipping", calls.clipping),
    ("scheduler", calls.scheduler),
    ("learning rate", calls.rates),
    ("random draws", values.random),
    ("reduction", values.reduction),
    ("loss function", values.loss_function),
    ("data", values.data),
    ("weights", values.weights),
    ("gradients", values.gradients),
    ("weights", values.parameters),
    ("buffers", values.buffers),
    ("print", values.printed),
    ("metric", values.metric),
    ("files", values.files),
    ("exit status", values.status),
)


def likely_causes(evidence: Evidence) -> tuple[Cause, ...]:
    """The causes whose rules fit, the likeliest first; an exception explains everything that is missing after it."""
    found = list(_fitting(evidence))
    return tuple(found[:1] if found and found[0].name == "exception" else found[:MOST])


def _fitting(evidence: Evidence) -> Iterator[Cause]:
    names: set[str] = set()
    for name, rule in CATALOGUE:
        found = rule(evidence) if name not in names else None
        if found:
            names.add(name)
            yield _cause(name, found if isinstance(found, Found) else Found(found), evidence)


def _cause(name: str, found: Found, e: Evidence) -> Cause:
    one, two = getattr(found.original, "place", None), getattr(found.converted, "place", None)
    if one is None and two is None:
        first = e.first
        at = (first.original_place, first.converted_place, first.original_source, first.converted_source)
        return Cause(name, found.text, *at)
    places = (shown(one, e.original), shown(two, e.converted))
    return Cause(name, found.text, *places, source(one, e.original), source(two, e.converted))
