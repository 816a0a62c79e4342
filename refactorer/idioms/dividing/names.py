"""What the parts of a divided function are called: `train_val` becomes `train` and `validate`."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Collection, Iterable, Sequence

_TRAINING = ("train", "training", "fit", "learn")
_EVALUATIONS = {
    "val": "validate", "valid": "validate", "validate": "validate", "validation": "validate", "dev": "validate",
    "test": "test", "testing": "test",
    "eval": "evaluate", "evaluate": "evaluate", "evaluation": "evaluate",
}  # fmt: skip
_GENERAL = ("step", "epoch", "epochs", "iteration", "iter", "batch", "loop", "phase", "process", "one", "model")
_EMPTY = ("or", "and", "run", "do", "perform")


def training_name(name: str) -> str:
    """The name of the part that trains."""
    bare = name.lstrip("_")
    words = bare.split("_")
    if words[0].lower() in _TRAINING and not _evaluations(words):
        return name
    return name[: len(name) - len(bare)] + "_".join(["train", *_rest(words)])


def evaluating_name(name: str, value: str, calls: Iterable[str]) -> str:
    """The name of a part that evaluates, by the value that it is for and the code of its calls."""
    bare = name.lstrip("_")
    words = bare.split("_")
    seen = {verb for call in calls for verb in _verbs(call)}
    own = _evaluations(words)
    verb = _EVALUATIONS.get(value.lower())
    verb = verb or (own[0] if len(own) == 1 else seen.pop() if len(seen) == 1 else "evaluate")
    return name[: len(name) - len(bare)] + "_".join([verb, *_rest(words)])


def is_of_result(name: str) -> bool:
    """Whether a function is called after what it gives, as `loss_batch`, and not after what it does."""
    return any(
        word.lower() not in (*_GENERAL, *_EMPTY, *_TRAINING, *_EVALUATIONS) for word in name.strip("_").split("_")
    )


def free(wanted: str, taken: Collection[str]) -> str:
    """A name that the file does not use yet."""
    names = [wanted, *([f"{wanted}_epoch"] if "_" not in wanted.strip("_") else [])]
    for name in names:
        if name not in taken and not keyword.iskeyword(name) and not hasattr(builtins, name):
            return name
    while wanted in taken or hasattr(builtins, wanted):
        wanted += "_"
    return wanted


def _evaluations(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_EVALUATIONS[word.lower()] for word in words if word.lower() in _EVALUATIONS))


def _rest(words: Sequence[str]) -> list[str]:
    known = {*_TRAINING, *_EVALUATIONS, *_EMPTY}
    return [word for word in words if word.lower() not in known]


def _verbs(code: str) -> set[str]:
    """What the code of a call says about the data that it evaluates on."""
    text = code.lower()
    found = {verb for word, verb in (("val", "validate"), ("dev", "validate"), ("test", "test")) if word in text}
    return found
