"""Rules that find a cause in which values differ first: batches, outputs, losses, gradients, parameters, results."""

from __future__ import annotations

from collections import Counter

from refactorer.verify import channels as ch
from refactorer.verify.evidence import Evidence, Found
from refactorer.verify.trace import Mark, same_random


def seed(e: Evidence) -> Found | None:
    """torch was seeded with another number."""
    one, two = (e.until(trace.losses, late=False) for trace in e.traces)
    pair = next(((a, b) for a, b in zip(one, two, strict=False) if a.seed != b.seed), None)
    if pair is None:
        return None
    numbers = [str(value.seed) for value in pair]
    return Found(f"torch is seeded with {numbers[0]} in the original and with {numbers[1]} in the converted version.")


def scaling(e: Evidence) -> Found | None:
    """The loss is the same before a GradScaler multiplies it."""
    one, two = e.losses or (None, None)
    if one is None or two is None or one.loss != two.loss or (one.unscaled is None and two.unscaled is None):
        return None
    return Found(
        f"The loss itself is the same, {one.loss!r}: a GradScaler multiplies it by another factor in one version, or "
        "in one version only.",
        one,
        two,
    )


def precision(e: Evidence) -> Found | None:
    """Something was computed in another type."""
    one, two = (e.until(trace.forwards, late=False) for trace in e.traces)
    casts = next(((a, b) for a, b in zip(one, two, strict=False) if a.precision != b.precision), None)
    types = [(a, b) for a, b in [e.losses or (None, None)] if a and b and a.dtype != b.dtype]
    if casts is None and not types:
        return None
    names = [item.precision for item in casts] if casts else [value.dtype for value in types[0]]
    text = f"The original computes in {names[0]} and the converted version in {names[1]}: the precision differs."
    return Found(text, *(casts or types[0]))


def data_order(e: Evidence) -> Found | None:
    """The batches differ although the same random numbers were drawn when their loader began."""
    loads = _loads(e)
    if loads is None or e.batch is None or e.batch[0] is None or e.batch[1] is None:
        return None
    if (
        not same_random(loads[0].random, loads[1].random)
        or e.batch[0].rows != e.batch[1].rows
        or loads[0].amount != loads[1].amount
    ):
        return None
    return Found(
        "The batches differ although the random state was the same when their loader began: shuffling is on in one "
        "version only, or another sampler or generator orders the data.",
        *loads,
    )


def _loads(e: Evidence) -> tuple[Mark, Mark] | None:
    """The iterations of loaders that gave the batches that differ, if they are the same ones in both versions."""
    one, two = e.batch or (None, None)
    if one is None or two is None or one.loader != two.loader or not one.loader:
        return None
    return e.traces[0].loaders[one.loader - 1], e.traces[1].loaders[one.loader - 1]


def batches(e: Evidence) -> Found | None:
    """The batches are of other sizes, or one version gets more of them."""
    if len(e.until(e.traces[0].loaders)) != len(e.until(e.traces[1].loaders)):
        return None  # one version iterates a loader more
    loads = e.loader
    one, two = loads or (None, None)
    amounts = bool(one and two and one.step == two.step and one.amount != two.amount)
    sizes = bool(_loads(e) and e.batch and e.batch[0] and e.batch[1] and e.batch[0].rows != e.batch[1].rows)
    if not amounts and not sizes:
        return None
    return Found(
        "The loaders give other batches: another batch size, drop_last, a limit on the batches, or another data set.",
        *(loads if loads and amounts else e.batch or (None, None)),
    )


def random(e: Evidence) -> Found | None:
    """Random numbers were drawn elsewhere."""
    if e.first.channel == ch.RANDOM and e.first.original and e.first.converted:
        texts = (e.first.original, e.first.converted)
        one, two = (dict(part.rsplit(" ", 1) for part in text.split(", ")) for text in texts)
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        return Found(
            f"The training agrees up to here, but the state of {' and '.join(names)} does not: random numbers are "
            "drawn more often or less often in one version (an iteration of a loader, a sample for printing, a sanity "
            "check)."
        )
    if not e.whole or e.first.channel not in (ch.LOSSES, ch.GRADIENTS, ch.PRINTED, ch.FORWARDS, ch.BATCHES):
        return None
    loads, states = _loads(e), e.losses
    if not any(pair and not same_random(pair[0].random, pair[1].random) for pair in (loads, states)):
        return None
    if e.first.step <= 1:
        return Found(
            "The very first loss differs and so do the random numbers drawn before it: another seed or shuffle, "
            "dropout that is on in one version only (train() or eval()), or objects made in another order."
        )
    return Found(
        "The parameters agree up to here, but random numbers were drawn differently since the step before: an "
        "evaluation or another iteration of a loader was left out or added, a seed is set elsewhere, or dropout is on "
        "in one version only (train() or eval())."
    )


def reduction(e: Evidence) -> Found | None:
    """The loss is a multiple of the other, or both come from the same outputs."""
    values = e.values
    if values is None or not all(values):
        return None
    for ratio, text in ((values[1] / values[0], "times"), (values[0] / values[1], "times smaller than")):
        if 1.5 < ratio < 1e7 and abs(ratio - round(ratio)) < 1e-4 * ratio:
            what = f"The loss is {round(ratio)} {text} the original's: "
            if text == "times":
                return Found(what + "a mean over the batch became a sum (reduction), or a division is missing.")
            return Found(what + "a sum became a mean, or the loss is divided once more (accumulation, processes).")
    return None


def loss_function(e: Evidence) -> Found | None:
    """The model returned the same and the loss differs."""
    if e.losses is None or not e.random_equal or e.batch is not None:
        return None
    if e.forward is not None and not _criterion(e):
        return None
    return Found(
        "Both versions drew the same random numbers and the model returns the same, but the loss made from it differs: "
        "the loss function, its arguments or its targets are not the same."
    )


def _criterion(e: Evidence) -> bool:
    """Whether the first output that differs is that of a module behind another one, whose output agrees."""
    one, two = e.forward or (None, None)
    return bool(one and two and one.module == two.module and "Loss" in one.module)


def data(e: Evidence) -> Found | None:
    """The batches differ, and nothing else explains it."""
    if e.batch is None or not (e.batch[0] and e.batch[1]):
        return None
    return Found("The batches hold other data.", *e.batch)


def weights(e: Evidence) -> Found | None:
    """The same batch, the same random numbers, the same modes, and another output.

    Where a normalisation follows, the loss made from it may be the same, and only its gradients are not.
    """
    if e.batch is not None or e.forward is None or None in e.forward:
        return None
    if not e.random_equal and (e.first.channel != ch.NORMS or not e.whole):
        return None
    return Found(
        "The versions drew the same random numbers and got the same batch, but the model returns something else: its "
        "weights, its buffers, its inputs or the forward pass itself are not the same.",
        *e.forward,
    )


def gradients(e: Evidence) -> str | None:
    """The loss is equal and its gradients are not."""
    if e.first.channel not in (ch.NORMS, ch.GRADIENTS) or not e.whole:
        return None
    return (
        "The loss is equal and its gradients are not: frozen parameters, detached tensors or hooks on gradients "
        "differ, or their scaling does."
    )


def parameters(e: Evidence) -> str | None:
    """All that goes into a step is equal and its result is not."""
    if e.first.channel not in (ch.PARAMETERS, ch.STATE) or not e.whole:
        return None
    if not e.traces[0].steps:
        return (
            "The losses up to here are equal and the parameters are not: the update that the script makes by hand is "
            "another one, is left out, or is made once more."
        )
    return (
        "Loss, gradients, learning rate and settings of this step are equal and the parameters after it are not: "
        "something else changes the parameters or the optimizer's state between two steps."
    )


def buffers(e: Evidence) -> str | None:
    """Only buffers differ."""
    if e.first.channel != ch.BUFFERS:
        return None
    return (
        "The buffers differ and nothing that is trained: batch normalisation has other settings, or a model runs in "
        "training mode once more or once less."
    )


def printed(e: Evidence) -> str | None:
    """A line is missing, or is another sentence."""
    if e.first.channel != ch.PRINTED or (e.whole and not _moved_lines(e)):
        return None
    if not e.whole:
        return "A line is printed by one version only, at the end; all that was trained before it is equal."
    return "A line is printed by one version only, or at another moment; all that was trained before it is equal."


def _moved_lines(e: Evidence) -> bool:
    """Whether the line that differs stands elsewhere in the other version's output."""
    texts = [run.stdout.decode(errors="replace").splitlines() for run in (e.original, e.converted)]
    one, two = (Counter(lines) for lines in texts)
    return len(texts[0]) != len(texts[1]) or one == two


def metric(e: Evidence) -> Found | None:
    """A line shows another number."""
    if e.first.channel != ch.PRINTED or not e.whole:
        return None
    if e.forward is not None:
        return Found(
            "The line shows results of outputs that differ already: an evaluation on other data, in another mode, or "
            "with another model (an average, a counter, the state of another epoch).",
            *e.forward,
        )
    return Found(
        "Everything trained and evaluated up to here is equal: the line shows a quantity that is computed differently "
        "(an average, a counter, a value of another batch or epoch)."
    )


def files(e: Evidence) -> str | None:
    """Only what is saved differs."""
    if e.first.channel != ch.FILES:
        return None
    return (
        "The training is equal and what is saved is not: a state_dict of the wrapped module has other keys, a file is "
        "saved at another moment, or under another name."
    )


def status(e: Evidence) -> str | None:
    """Only the end differs."""
    if e.first.channel != ch.STATUS:
        return None
    return "Both versions do the same up to the end, where they leave with different exit statuses."
