"""Comments on the calls that the Trainer makes.

Those that say no more than the call does, such as `# backward pass`, go with it. All others go above the `return` that
hands the Trainer the loss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import libcst as cst

from refactorer.emit.edits import Edit, Removed
from refactorer.outline.comments import comments_of, lines_above

#: One of these makes a comment one on the calls, the others may stand around it: no word is about anything else.
_CALLS = """
adjust backward backwards backprop backpropagate backpropagation backpropagating propagate propagation optimize
optimise optimizer optimiser optimization optimisation optim sgd descend descent gradient gradients grad grads
zero_grad step steps update updates updating zero zeros zeroing 反向传播 向后传播 梯度清零
"""
_AROUND = """
a all an and apply applying back batch before after by calculate calculated calculates calculating clear clearing
clears compute computed computes computing current do each every existing for from in it its iteration learning loss
make model models net network new next of on one our out pass parameter parameters params perform performing
performs phase previous reset resets resetting respect run running set single stored take takes taking that the
their them then this to train training up using variables w we weight weights with wrt your
"""
_MODES = """
a and be change disable disables dropout enable enables eval evaluate evaluating evaluation for in inference into is it
its mode model models net network of off on our put puts set sets switch switches switching test testing the this to
train training turn turns valid validate validating validation we which with
"""
_OF_MODES = frozenset(_MODES.split())
_ABOUT_CALLS = frozenset(_CALLS.split())
_KNOWN = _ABOUT_CALLS | frozenset(_AROUND.split())
_OF_RATES = frozenset(["rate", "rates", "schedule", "scheduler", "schedulers"])
_NUMBER = re.compile(r"^\W*(step\s*)?\d+\s*[.):]\s*", re.IGNORECASE)
_WORD = re.compile(r"\w+")


def says_no_more(comment: str) -> bool:
    """Whether a comment only says that gradients are cleared or computed, or that the optimizer steps.

    It may be numbered, decorated, or a call that was commented out.
    """
    words = _words(comment)
    return bool(words & _ABOUT_CALLS) and words <= _KNOWN


def says_only_rate(comment: str) -> bool:
    """Whether a comment only says that a scheduler steps, such as `# update learning rate`."""
    words = _words(comment)
    return bool(words & _ABOUT_CALLS) and words <= _KNOWN | _OF_RATES


def _words(comment: str) -> set[str]:
    plain = _NUMBER.sub("", comment.lower()).replace("w.r.t", "wrt").replace("back-prop", "backprop")
    return {word for word in _WORD.findall(plain) if word.strip("_")}


def says_only_mode(comment: str) -> bool:
    """Whether a comment only says that the mode of a model is switched."""
    words = set(_WORD.findall(comment.lower()))
    return "mode" in words and words <= _OF_MODES


def without_switch(line: cst.CSTNode) -> Removed | None:
    """What is left of a line that switches modes: a comment goes with it if it says no more, such as `# eval mode`."""
    apart, own = lines_above(line)
    said = [part.comment.value for part in own if part.comment is not None]
    same = bool(said) and all(map(says_only_mode, said))
    return Removed([*apart, *comments_of(line.with_changes(leading_lines=()))]) if same else None


def remove(
    body: Sequence[cst.CSTNode], zeros: Sequence[int], steps: Sequence[int]
) -> tuple[dict[cst.CSTNode, Edit], list[cst.EmptyLine]]:
    """Edits that take calls out of a body, by their indices, and the comments on them that are worth keeping.

    A comment above `zero_grad` may be about the lines that follow it without a gap: then it stays there.
    """
    gone = {*zeros, *steps}
    edits: dict[cst.CSTNode, Edit] = {}
    remarks: list[cst.EmptyLine] = []
    for index in sorted(gone):
        line = body[index]
        behind = _worth_keeping(comments_of(line.with_changes(leading_lines=())))
        if _opens_other_lines(body, index, gone, steps):
            edits[line] = Removed([*getattr(line, "leading_lines", ()), *behind])
        else:
            apart, own = lines_above(line)
            edits[line] = Removed(apart)
            remarks += [*_worth_keeping(own), *behind]
    return edits, remarks


def without_step(line: cst.CSTNode) -> Removed:
    """What is left of a line that steps a scheduler, perhaps under a condition: the comments that say more."""
    inner = line.body.body if isinstance(line, cst.If) else ()
    apart, own = lines_above(line)
    behind = [comments_of(part) for part in (line.with_changes(leading_lines=()), *inner)]
    kept = (line for comment in (own, *behind) for line in _worth_keeping(comment, says_only_rate))
    return Removed([*apart, *kept])


def _worth_keeping(
    comment: list[cst.EmptyLine], says_less: Callable[[str], bool] = says_no_more
) -> list[cst.EmptyLine]:  # fmt: skip
    """The lines of one comment: all of them, unless each says no more than the call."""
    said = [line.comment.value for line in comment if line.comment is not None]
    return [] if all(map(says_less, said)) else comment


def _opens_other_lines(body: Sequence[cst.CSTNode], index: int, gone: set[int], steps: Sequence[int]) -> bool:
    """Whether lines that stay follow a call, and the calls next to it, without a gap."""
    while index in gone:
        if index in steps:
            return False
        index += 1
    return index < len(body) and not getattr(body[index], "leading_lines", ())
