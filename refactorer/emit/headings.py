"""Comments on loops and calls that are gone, which say no more than the name of the step that took their place.

`# train for one epoch` is not even true above `training_step`. What names other data than the step does, such as
`# evaluate on the test set` above `validation_step`, stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from refactorer.outline.comments import lines_above
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP

_STEPS = {
    STEP: "train trains training",
    VALIDATION_STEP: "eval evaluate evaluating evaluation val valid validate validating validation",
    TEST_STEP: "eval evaluate evaluating evaluation test testing",
}
_AROUND = """
a all an batch batches cycle data dataset do each epoch epochs every for in iterate iterating iteration iterations
loader loop loops main mini minibatch minibatches mode model net network of on one our over perform phase run s set
single stage start step steps the through
"""
_OF_TRAINING = {"train", "trains", "training"}
_KNOWN = {step: frozenset(f"{own} {_AROUND}".split()) for step, own in _STEPS.items()}
#: Remarks to tools are about the line that they stand on.
_PRAGMA = re.compile(r"#\s*(noqa|type:\s*ignore|pylint:|pragma:)")
_WORD = re.compile(r"[^\W_]+")


def says_no_more(comment: str, step: str) -> bool:
    """Whether a comment has no words but those that the name of a step implies."""
    words = _words(comment)
    return bool(_PRAGMA.match(comment)) or (bool(words) and words <= _KNOWN.get(step, frozenset()))


def worth_keeping(above: Sequence[cst.EmptyLine], hook: str) -> Sequence[cst.EmptyLine]:
    """The comments above a hook: all of them, unless each says no more than its name."""
    said = [line.comment.value for line in above if line.comment is not None]
    return [] if all(says_no_more(text, hook) for text in said) else above


def staying_and_going(line: cst.CSTNode) -> tuple[list[cst.EmptyLine], list[cst.EmptyLine]]:
    """The comments above a line that moves into the class: those that the place of the training keeps, and the others.

    `# Training` above `best = 0` is about all that follows, not about this line.
    """
    apart, own = lines_above(line)
    said = [part.comment.value for part in own if part.comment is not None]
    heads = bool(said) and all(says_no_more(text, STEP) and _OF_TRAINING & _words(text) for text in said)
    return (list(getattr(line, "leading_lines", ())), []) if heads else (apart, own)


def _words(comment: str) -> set[str]:
    return set(_WORD.findall(comment.lower()))
