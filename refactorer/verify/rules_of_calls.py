"""Rules that find a cause in which calls were made, how often, and when."""

from __future__ import annotations

from collections import Counter
from typing import Any

from refactorer.verify import channels as ch
from refactorer.verify.evidence import Evidence, Found, Pair
from refactorer.verify.trace import Call, Forward, Mark, Trace, Value


def stopped(e: Evidence) -> str | None:
    """The converted version ended with an exception, so everything after it is missing."""
    error = e.converted.error
    if not error or (e.first.converted is not None and e.first.channel in ch.NUMERIC):
        return None
    return f"The converted version stopped after {e.converted.trace.count} steps with {error}"


def mode(e: Evidence) -> Found | None:
    """As many modules ran in both versions, and not as many of them in training mode."""
    pair = next((p for p in zip(*_losses(e), strict=False) if _other_modes(*p)), None)
    found: Any = pair or _other_mode(e)
    if found is None:
        return None
    text = (
        "Some modules ran in training mode in one version and in evaluation mode in the other: a train() or an eval() "
        "is missing, or comes too early or too late, so dropout and batch normalisation work differently."
    )
    one_switch, two_switch = e.last("mode")
    if one_switch or two_switch:
        return Found(text, one_switch or found[0], two_switch or found[1])
    return Found(text, *found)


def _other_mode(e: Evidence) -> tuple[Forward, Forward] | None:
    """The outermost modules whose outputs differ first, if they ran in different modes."""
    one, two = e.forward or (None, None)
    if one is None or two is None or one.training == two.training:
        return None
    if (one.module, one.gradients) != (two.module, two.gradients):
        return None
    return one, two


def _losses(e: Evidence) -> tuple[list[Value], list[Value]]:
    one, two = (e.until(trace.losses, late=False) for trace in e.traces)
    return one, two


def _other_modes(one: Value, two: Value) -> bool:
    return bool(one.modes and two.modes and one.modes != two.modes and sum(one.modes) == sum(two.modes))


def evaluation(e: Evidence) -> Found | None:
    """Loaders were iterated at other times, or more or fewer outputs were computed without gradients."""
    one, two = (_evaluations(trace, e) for trace in e.traces)
    loads = e.loader
    counts = [len(e.until(trace.loaders)) for trace in e.traces]
    if counts[0] != counts[1]:
        return Found(
            f"Before this, the original iterated its loaders {counts[0]} times and the converted version {counts[1]} "
            "times. Each iteration draws from the random state, so a skipped or an additional evaluation moves the "
            "shuffling.",
            *(loads or (None, None)),
        )
    if loads and loads[0] and loads[1] and loads[0].step != loads[1].step:
        return Found("A loader is iterated at another step: an evaluation was moved.", *loads)
    cut = _batches_per_loader(e, training=False)
    if cut:
        return Found(
            f"An evaluation gets {cut[0][1]} batches in the original and {cut[1][1]} in the converted version.",
            cut[0][0],
            cut[1][0],
        )
    if one != two and e.batch is None:
        return Found(
            f"Before this, the original ran {one} models or criteria without gradients and the converted version {two}:"
            " an evaluation was left out, added, or cut short."
        )
    return None


def _evaluations(trace: Trace, e: Evidence) -> int:
    return sum(not forward.gradients for forward in e.until(trace.forwards))


def ends(e: Evidence) -> Found | None:
    """One version ends before the other, and they agree as far as both go."""
    if e.whole or e.first.channel not in (ch.LOSSES, ch.PARAMETERS, ch.NORMS):
        return None
    skipped, added = "converted version ends: epochs or batches are skipped", "original ends: there are more batches"
    what = f"The versions agree as far as both go, then the {skipped if e.first.converted is None else added}"
    more = "compare the number of epochs, where the loops break, and how the last short batch is treated"
    return Found(f"{what}; {more}.")


def count(e: Evidence) -> Found | None:
    """One version takes more batches from a loader than the other before it goes on."""
    pair = _batches_per_loader(e)
    if pair is None:
        return None
    return Found(
        f"An iteration of a loader gives {pair[0][1]} batches in the original and {pair[1][1]} in the converted "
        "version: batches are skipped, or the loop is left at another moment.",
        pair[0][0],
        pair[1][0],
    )


Taken = tuple[Mark, int]


def _batches_per_loader(e: Evidence, training: bool = True) -> tuple[Taken, Taken] | None:
    """The first iterations that gave other numbers of batches before the divergence, if they trained or did not."""
    one, two = (_taken(trace, e) for trace in e.traces)
    for index, (a, b) in enumerate(zip(one, two, strict=False)):
        if a[1] != b[1]:
            return (a, b) if _trains(e, index) == training else None
    return None


def _taken(trace: Trace, e: Evidence) -> list[Taken]:
    counts = Counter(batch.loader for batch in e.until(trace.batches))
    return [(mark, counts[index]) for index, mark in enumerate(e.until(trace.loaders), 1)]


def _trains(e: Evidence, index: int) -> bool:
    """Whether steps are taken while a loader is iterated in the original; the last one may just have begun."""
    marks = e.traces[0].loaders
    after = marks[index + 1].step if index + 1 < len(marks) else e.traces[0].count
    return after > marks[index].step


def accumulation(e: Evidence) -> Found | None:
    """Another number of backwards before one step."""
    one, two = (_backwards(values) for values in _losses(e))
    step = next((s for s in sorted(one.keys() | two.keys()) if one[s] != two[s]), None)
    if step is None or step > e.first.step or not (one[step] and two[step]):
        return None
    if len(_optimizers(e.traces[0])) > 1:
        return None  # between several optimizers it is the order of the calls that counts
    return Found(
        f"Step {step} adds up the gradients of {one[step]} backwards in the original and of {two[step]} in the "
        "converted version: the accumulation window differs, or a backward is left out."
    )


def _backwards(values: list[Value]) -> Counter[int]:
    return Counter(value.step for value in values)


def _optimizers(trace: Trace) -> set[str | None]:
    return {step.whose for step in trace.steps}


def zero_grad(e: Evidence) -> Found | None:
    """There were gradients already at a backward of one version, and none, or others, in the other."""
    for one, two in zip(*_losses(e), strict=False):
        if one.gradients is None or two.gradients is None or one.gradients == two.gradients:
            continue
        if one.gradients and two.gradients and e.first.channel != ch.NORMS:
            return None
        more, less = ("converted version", "original") if not one.gradients else ("original", "converted version")
        both = one.gradients and two.gradients
        what = "other gradients are there" if both else f"the {more} still has gradients and the {less} has none"
        text = f"At the backward of step {one.step} {what}: zero_grad() is missing, added or moved."
        calls = e.last("zero")
        return Found(text, calls[0] or one, calls[1] or two)
    return _cleared(e)


def _cleared(e: Evidence) -> Found | None:
    """Gradients of one version are gone before the optimizer steps."""
    if e.first.channel != ch.NORMS or not e.whole:
        return None
    index = e.first.index
    norms = [trace.steps[index].gradient_norm for trace in e.traces]
    if bool(norms[0]) == bool(norms[1]):
        return None
    which = "converted version" if norms[0] else "original"
    text = f"The {which} has no gradients when the optimizer steps: zero_grad() comes between backward and step."
    return Found(text, *e.last("zero"))


def order(e: Evidence) -> Found | None:
    """A step or a backward is missing, comes twice, or they changed places."""
    one, two = (_sequence(trace) for trace in e.traces)
    for index, (a, b) in enumerate(zip(one, two, strict=False)):
        if a[0] > e.first.step or b[0] > e.first.step:
            return None
        if a[1] == b[1]:
            continue
        steps = [trace.steps[min(index, len(trace.steps) - 1)] for trace in e.traces]
        return Found(
            f"Backward and step do not follow each other as in the original: {a[1]} backwards and {b[1]} come before "
            f"step {index + 1}.",
            *steps,
        )
    return None


def _sequence(trace: Trace) -> list[tuple[int, int]]:
    """For each step its number, and how many backwards came before it."""
    done = _backwards(trace.losses)
    return [(step.step, done[step.step]) for step in trace.steps]


def clipping(e: Evidence) -> Found | None:
    """Gradients are clipped in one version only, at other steps, or at another limit."""
    one, two = (e.until(trace.called("clip"), late=False) for trace in e.traces)
    pair: Any = next(((a, b) for a, b in zip(one, two, strict=False) if (a.step, a.detail) != (b.step, b.detail)), None)
    if pair is None and bool(one) != bool(two):
        pair = (one[0] if one else None), (two[0] if two else None)
    if pair is None:
        pair = _clipped_late(e)
    if pair is None:
        return None
    details = [call.detail if call else "no clipping" for call in pair]
    return Found(
        f"Clipping of the gradients differs: {details[0]} in the original, {details[1]} in the converted version; it "
        "belongs behind unscale_() and in front of the step.",
        *pair,
    )


def _clipped_late(e: Evidence) -> tuple[Call, Call] | None:
    """The same calls, one of them on the other side of a step or of `unscale_`."""
    if e.first.channel != ch.NORMS:
        return None
    one, two = (trace.called("clip") for trace in e.traces)
    return next(((a, b) for a, b in zip(one, two, strict=False) if a.step != b.step), None)


def scheduler(e: Evidence) -> Found | None:
    """A scheduler steps at other times or is another one, before the learning rate or a printed rate differs."""
    pair = e.call("sched")
    if pair is None or (e.first.channel not in (ch.RATES, ch.PRINTED, ch.FILES)):
        return None
    before = [len(e.until(trace.called("sched"))) for trace in e.traces]
    if e.first.channel == ch.RATES and before[0] == before[1] and _other_base(pair):
        return None  # it was made for an optimizer with another rate
    return Found(
        "The learning rate differs first: the scheduler is stepped at another place (each batch or each epoch, before "
        f"or after the evaluation), another number of times ({before[0]} and {before[1]} up to here), or with other "
        "arguments.",
        *pair,
    )


def _other_base(pair: Pair[Call]) -> bool:
    """Whether two schedulers start from other learning rates."""
    texts = {call.detail.rpartition("base=")[2] for call in pair if call}
    return len(texts) > 1


def rates(e: Evidence) -> str | None:
    """The learning rate differs although no scheduler does."""
    if e.first.channel != ch.RATES:
        return None
    return (
        "The learning rate differs first, and no scheduler was stepped otherwise: the optimizer is made with another "
        "rate, or the rate is set by hand at another moment."
    )


def optimizer(e: Evidence) -> str | None:
    """The optimizer is of another class or has other settings."""
    settings = e.early(ch.SETTINGS)
    if settings is None or e.first.channel not in (ch.NORMS, ch.RATES, ch.SETTINGS):
        return None
    whose = [trace.steps[settings.index].whose for trace in e.traces if settings.index < len(trace.steps)]
    if e.first.channel != ch.SETTINGS and len(set(whose)) == 1:
        return None
    return (
        "The optimizer is another one: its class, its other arguments (weight decay, momentum, betas) or its parameter "
        "groups differ, or two optimizers are swapped."
    )
