"""What usually causes a pattern of divergence, in words. Each rule looks at one pattern; all that fit are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from refactorer.verify import channels as ch
from refactorer.verify.execute import Run
from refactorer.verify.verdict import Divergence


@dataclass(frozen=True)
class Evidence:
    """The first divergence with all that may explain it."""

    first: Divergence
    original: Run
    converted: Run

    @property
    def values(self) -> tuple[float, float] | None:
        """The two numbers that differ, when the divergence is between two losses."""
        one, two = self.original.trace.losses, self.converted.trace.losses
        index = self.first.index
        if self.first.channel != ch.LOSSES or index >= len(one) or index >= len(two):
            return None
        return one[index].value, two[index].value

    @property
    def random_equal(self) -> bool:
        """Whether both versions had drawn the same random numbers when the differing loss was made."""
        one, two = self.original.trace.losses, self.converted.trace.losses
        index = self.first.index
        return index < len(one) and index < len(two) and one[index].random == two[index].random


Rule = Callable[[Evidence], "str | None"]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Adds a rule to those that are asked."""
    RULES.append(function)
    return function


def usual_causes(evidence: Evidence) -> tuple[str, ...]:
    """The texts of all rules that fit; an exception explains everything that is missing after it."""
    failed = stopped(evidence)
    if failed and evidence.first.converted is None:
        return (failed,)
    return tuple(text for text in (check(evidence) for check in RULES) if text)


@rule
def stopped(e: Evidence) -> str | None:
    """The converted version ended with an exception, so everything after it is missing."""
    error = e.converted.error
    return f"The converted version stopped after {len(e.converted.trace.steps)} steps with {error}" if error else None


@rule
def count(e: Evidence) -> str | None:
    """One version has more values than the other and they agree as far as both go."""
    if e.first.original is not None and e.first.converted is not None:
        return None
    if e.first.channel not in (ch.LOSSES, ch.PARAMETERS, ch.NORMS):
        return None
    skipped, added = "converted version ends: epochs or batches are skipped", "original ends: there are more batches"
    return (
        "The versions agree as far as both go, then the "
        + (skipped if e.first.converted is None else added)
        + "; compare the number of epochs, where the loops break, and how the last short batch is treated."
    )


@rule
def scaled(e: Evidence) -> str | None:
    """The loss is a whole multiple of the other."""
    values = e.values
    if values is None or not all(values):
        return None
    for ratio, text in ((values[1] / values[0], "times"), (values[0] / values[1], "times smaller than")):
        if 1.5 < ratio < 1e7 and abs(ratio - round(ratio)) < 1e-4 * ratio:
            what = f"The loss is {round(ratio)} {text} the original's: "
            if text == "times":
                return what + "a mean over the batch became a sum (reduction), or a division by a count is missing."
            return what + "a sum became a mean, or the loss is divided once more (accumulation, number of processes)."
    return None


@rule
def first_loss(e: Evidence) -> str | None:
    """The versions start differently."""
    if e.first.channel != ch.LOSSES or e.first.step != 1 or e.values is None:
        return None
    if e.random_equal:
        return (
            "The very first loss differs although both versions drew the same random numbers: the data, the initial "
            "weights, the forward pass or the loss function is not the same."
        )
    return (
        "The very first loss differs and so do the random numbers drawn before it: another seed or shuffle, dropout "
        "that is on in one version only (train() or eval()), or objects made in another order."
    )


@rule
def later_loss(e: Evidence) -> str | None:
    """The loss is the first to differ, later than at the first step."""
    if e.first.channel != ch.LOSSES or e.first.step <= 1 or e.values is None:
        return None
    if e.random_equal:
        return (
            "The loss differs first here, with the same parameters and the same random numbers: the model's mode "
            "(train() or eval()), buffers such as batch statistics, other data, or a condition that counts steps."
        )
    return (
        "The parameters agree up to here, but random numbers were drawn differently since the step before: an "
        "evaluation or another iteration of a loader was left out or added, a seed is set elsewhere, or dropout is on "
        "in one version only (train() or eval())."
    )


@rule
def loaders(e: Evidence) -> str | None:
    """Another number of loader iterations came before the divergence."""
    one, two = ([m for m in run.trace.loaders if m.step < max(e.first.step, 1)] for run in (e.original, e.converted))
    if len(one) == len(two) or e.first.channel not in (ch.LOSSES, ch.RANDOM, ch.PRINTED):
        return None
    return (
        f"Before this, the original iterated its loaders {len(one)} times and the converted version {len(two)} times. "
        "Each iteration draws from the random state, so a skipped or an additional evaluation moves the shuffling."
    )


@rule
def gradients(e: Evidence) -> str | None:
    """The loss is equal and its gradients are not."""
    if e.first.channel != ch.NORMS or e.first.original is None or e.first.converted is None:
        return None
    if e.first.step == 1:
        return (
            "The first loss is equal and its gradients are not: clipping of the gradients, their scaling, frozen "
            "parameters or detached tensors differ."
        )
    return (
        "The loss is equal and the gradients are not: a missing or misplaced zero_grad() lets gradients add up, or "
        "clipping or accumulation differs."
    )


@rule
def rates(e: Evidence) -> str | None:
    """The scheduler is the first to differ."""
    if e.first.channel != ch.RATES:
        return None
    return (
        "The learning rate differs first: the scheduler is stepped at another place (each batch or each epoch, before "
        "or after the evaluation), another number of times, or with other arguments."
    )


@rule
def parameters(e: Evidence) -> str | None:
    """All that goes into a step is equal and its result is not."""
    if e.first.channel != ch.PARAMETERS or e.first.original is None or e.first.converted is None:
        return None
    return (
        "Loss, gradients and learning rate of this step are equal and the parameters after it are not: the optimizer's "
        "other arguments (weight decay, momentum, betas), its class or its parameter groups differ, or something "
        "changes the parameters by hand."
    )


@rule
def random(e: Evidence) -> str | None:
    """Only the random state differs."""
    if e.first.channel != ch.RANDOM or not (e.first.original and e.first.converted):
        return None
    texts = (e.first.original, e.first.converted)
    one, two = (dict(part.rsplit(" ", 1) for part in text.split(", ")) for text in texts)
    names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    return (
        f"The training agrees up to here, but the state of {' and '.join(names)} does not: random numbers are drawn "
        "more often or less often in one version (an iteration of a loader, a sample for printing, a sanity check)."
    )


@rule
def printed(e: Evidence) -> str | None:
    """Only what is printed differs."""
    if e.first.channel != ch.PRINTED:
        return None
    if e.first.converted is None or e.first.original is None:
        return "A line is printed by one version only, at the end; all that was trained before it is equal."
    return (
        "Everything trained up to here is equal: a print was dropped, added or moved, or it shows a quantity that is "
        "computed differently (an average, a counter, an evaluation in another mode)."
    )


@rule
def files(e: Evidence) -> str | None:
    """Only what is saved differs."""
    if e.first.channel != ch.FILES:
        return None
    return (
        "The training is equal and what is saved is not: a state_dict of the wrapped module has other keys, a file is "
        "saved at another moment, or under another name."
    )


@rule
def status(e: Evidence) -> str | None:
    """Only the end differs."""
    if e.first.channel != ch.STATUS:
        return None
    return "Both versions do the same up to the end, where they leave with different exit statuses."
