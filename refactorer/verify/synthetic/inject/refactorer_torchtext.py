"""The data sets of torchtext, generated, in the forms that its documentation gives for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

# Found beside this file, whose folder is on the path of the verified script.
import refactorer_samples as samples  # type: ignore[import-not-found]
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]

# name: (number of classes, words in a sentence); rows are (label from 1, text)
CLASSIFIED = {
    "AG_NEWS": (4, 40),
    "AmazonReviewFull": (5, 80),
    "AmazonReviewPolarity": (2, 80),
    "DBpedia": (14, 50),
    "IMDB": (2, 120),
    "SogouNews": (5, 80),
    "YahooAnswers": (10, 80),
    "YelpReviewFull": (5, 90),
    "YelpReviewPolarity": (2, 90),
}
LANGUAGE = {"WikiText2": 25, "WikiText103": 25, "PennTreebank": 20}
TRANSLATED = {"Multi30k": 12, "IWSLT2016": 20, "IWSLT2017": 20}
# Two sentences with a label from 0: (label, one, other)
PAIRS = {"MRPC": 20, "QQP": 11}
TAGS = ("NOUN", "VERB", "ADJ", "ADV", "PRON", "DET")


class Rows(list[Any]):
    """Samples in a list, with the methods of a data pipe that scripts call on one."""

    def __next__(self) -> Any:
        """The next sample; the older data sets are their own iterators."""
        if not hasattr(self, "_rest"):
            self._rest = iter(self)
        return next(self._rest)

    def shuffle(self, *args: Any, **kwargs: Any) -> Rows:
        """Itself: the loader shuffles."""
        return self

    def sharding_filter(self) -> Rows:
        """Itself: there is one part."""
        return self

    def batch(self, batch_size: int, drop_last: bool = False) -> Rows:
        """The samples in lists of `batch_size`."""
        end = len(self) - len(self) % batch_size if drop_last else len(self)
        return Rows(self[at : at + batch_size] for at in range(0, end, batch_size))

    def map(self, function: Callable[[Any], Any]) -> Rows:
        """The function's result for each sample."""
        return Rows(map(function, self))


def _classified(name: str, split: str, count: int, **_: Any) -> Rows:
    classes, words = CLASSIFIED[name]
    labels = samples.labels(count, classes, name, split).tolist()
    return Rows((label + 1, text) for label, text in zip(labels, samples.sentences(labels, words, name, split)))


def _sst2(name: str, split: str, count: int) -> Rows:
    labels = samples.labels(count, 2, name, split).tolist()
    texts = samples.sentences(labels, 12, name, split)
    return Rows((text,) if split == "test" else (text, label) for text, label in zip(texts, labels))


def _cola(name: str, split: str, count: int) -> Rows:
    labels = samples.labels(count, 2, name, split).tolist()
    return Rows(("gj04", label, text) for label, text in zip(labels, samples.sentences(labels, 9, name, split)))


def _pairs(name: str, split: str, count: int) -> Rows:
    labels = samples.labels(count, 2, name, split).tolist()
    texts = [samples.sentences(labels, PAIRS[name], name, split, part) for part in ("one", "other")]
    return Rows(zip(labels, *texts))


def _lines(name: str, split: str, count: int) -> Rows:
    return Rows(samples.sentences([0] * count, LANGUAGE[name], name, split))


def _translated(name: str, split: str, count: int, language_pair: Any = ("de", "en"), **_: Any) -> Rows:
    """The second language has the words of the first, each with an ending of its own, in their order."""
    texts = samples.sentences([0] * count, TRANSLATED[name], name, split)
    sides = [[_in_language(text, language) for text in texts] for language in language_pair]
    return Rows(zip(*sides))


def _in_language(text: str, language: str) -> str:
    words = text.removesuffix(".").split()
    return " ".join(word if language == "en" else f"{word}{language[:1]}" for word in words) + "."


def _tagged(name: str, split: str, count: int) -> Rows:
    texts = [text.removesuffix(".").split() for text in samples.sentences([0] * count, 12, name, split)]
    tags = [[TAGS[sum(map(ord, word)) % len(TAGS)] for word in words] for words in texts]
    return Rows([words, tag, [one[:2] for one in tag]] for words, tag in zip(texts, tags))


Maker = Callable[..., Rows]
KNOWN: dict[str, tuple[Maker, tuple[str, ...]]] = {
    **dict.fromkeys(CLASSIFIED, (_classified, ("train", "test"))),
    **dict.fromkeys(LANGUAGE, (_lines, ("train", "valid", "test"))),
    **dict.fromkeys(TRANSLATED, (_translated, ("train", "valid", "test"))),
    "MRPC": (_pairs, ("train", "test")),
    "QQP": (_pairs, ("train", "dev", "test")),
    "SST2": (_sst2, ("train", "dev", "test")),
    "CoLA": (_cola, ("train", "dev", "test")),
    "UDPOS": (_tagged, ("train", "valid", "test")),
}


def replace(datasets: Any) -> None:
    """Changes the functions of a module that is, or stands for, `torchtext.datasets`."""
    for name in KNOWN:
        if hasattr(datasets, name):
            setattr(datasets, name, functools.partial(_made, name))


def _made(name: str, root: Any = None, split: Any = None, **kwargs: Any) -> Any:
    """The rows of one split, or of several in a tuple."""
    make, splits = KNOWN[name]
    chosen = (split,) if isinstance(split, str) else tuple(split or splits)
    unknown = [part for part in chosen if part not in splits]
    if unknown:
        raise ValueError(f"{name} has the splits {', '.join(splits)}, not {unknown[0]!r}")
    found = []
    for part in chosen:
        count = synthetic.samples(part == "train")
        synthetic.tell(f"{name}: {count} sentences for {part}")
        found.append(make(name, part, count, **kwargs))
    return found[0] if isinstance(split, str) else tuple(found)
