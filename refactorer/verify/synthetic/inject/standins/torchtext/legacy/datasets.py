"""Data sets with fields; what they hold is generated."""

from __future__ import annotations

from typing import Any, NoReturn

import refactorer_samples as samples  # type: ignore[import-not-found]
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]
import refactorer_torchtext as torchtext  # type: ignore[import-not-found]

from .data import Dataset, Example


def _told(name: str, split: str) -> int:
    count: int = synthetic.samples(split == "train")
    synthetic.tell(f"{name}: {count} sentences for {split}")
    return count


class _Classified(Dataset):
    """Texts with a label, which is a word."""

    labels: tuple[str, ...] = ("neg", "pos")
    words = 20
    parts: tuple[str, ...] = ("train", "test")
    names: tuple[str, ...] = ("text", "label")

    @classmethod
    def splits(cls, *fields: Any, **kwargs: Any) -> tuple[Any, ...]:
        """One data set for each part; the fields of texts come first."""
        chosen = [*fields, *(kwargs[key] for key in ("text_field", "label_field") if key in kwargs)]
        return tuple(cls._made(part, list(zip(cls.names, chosen))) for part in cls.parts)

    @classmethod
    def _made(cls, part: str, fields: list[Any]) -> Any:
        labels = samples.labels(_told(cls.__name__, part), len(cls.labels), cls.__name__, part).tolist()
        texts = [samples.sentences(labels, cls.words, cls.__name__, part, name) for name in cls.names[:-1]]
        rows = zip(*texts, (cls.labels[label] for label in labels))
        return cls([Example.fromlist(row, fields) for row in rows], fields)

    @staticmethod
    def sort_key(example: Any) -> int:
        """Examples of about one length make a batch."""
        return len(getattr(example, "text", None) or example.premise)


class IMDB(_Classified):
    """Reviews of films."""

    words = 120


class SST(_Classified):
    """Sentences of reviews."""

    labels, parts = ("negative", "positive", "neutral"), ("train", "validation", "test")


class TREC(_Classified):
    """Questions."""

    labels, words = ("ENTY", "HUM", "DESC", "NUM", "LOC", "ABBR"), 10


class SNLI(_Classified):
    """Pairs of sentences."""

    labels, parts = ("entailment", "contradiction", "neutral"), ("train", "validation", "test")
    names, words = ("premise", "hypothesis", "label"), 12


class Multi30k(Dataset):
    """Sentences in two languages."""

    @classmethod
    def splits(cls, exts: Any, fields: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Training, validation and test data; `exts` such as ('.de', '.en') name the languages."""
        pair = tuple(ext.lstrip(".") for ext in exts)
        named = list(zip(("src", "trg"), fields)) if not isinstance(fields[0], (list, tuple)) else list(fields)
        made = []
        for part in ("train", "valid", "test"):
            rows = torchtext._translated("Multi30k", part, _told("Multi30k", part), language_pair=pair)
            made.append(cls([Example.fromlist(row, named) for row in rows], named))
        return tuple(made)

    @staticmethod
    def sort_key(example: Any) -> tuple[int, int]:
        """Examples of about one length make a batch."""
        return len(example.src), len(example.trg)


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchtext has no data set {name!r}: install torchtext to verify this script")
