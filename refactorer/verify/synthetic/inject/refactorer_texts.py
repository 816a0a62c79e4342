"""Text data sets, generated: those of torchtext, and the well-known ones of Hugging Face's `datasets`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

# Found beside this file, whose folder is on the path of the verified script.
import refactorer_samples as samples  # type: ignore[import-not-found]
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]

# name: (number of classes, words in a sentence); labels of torchtext's data sets begin with 1
CLASSIFIED = {
    "AG_NEWS": (4, 40),
    "AmazonReviewFull": (5, 80),
    "AmazonReviewPolarity": (2, 80),
    "CoLA": (2, 9),
    "DBpedia": (14, 50),
    "IMDB": (2, 120),
    "SogouNews": (5, 80),
    "SST2": (2, 12),
    "YahooAnswers": (10, 80),
    "YelpReviewFull": (5, 90),
    "YelpReviewPolarity": (2, 90),
}
LANGUAGE = {"WikiText2": 25, "WikiText103": 25, "PennTreebank": 20}


class Rows(list[Any]):
    """Samples in a list, with the methods of a data pipe that scripts call on one."""

    def shuffle(self, *args: Any, **kwargs: Any) -> Rows:
        """Itself: the loader shuffles."""
        return self

    def sharding_filter(self) -> Rows:
        """Itself: there is one part."""
        return self

    def batch(self, size: int) -> Rows:
        """The samples in lists of `size`."""
        return Rows(self[at : at + size] for at in range(0, len(self), size))

    def map(self, function: Any) -> Rows:
        """The function's result for each sample."""
        return Rows(map(function, self))


def replace_torchtext(datasets: Any) -> None:
    """Changes the functions of a module that is, or stands for, `torchtext.datasets`."""
    for name in [*CLASSIFIED, *LANGUAGE]:
        if hasattr(datasets, name):
            setattr(datasets, name, functools.partial(_torchtext, name))


def _torchtext(name: str, root: Any = None, split: Any = ("train", "test"), **kwargs: Any) -> Any:
    splits = (split,) if isinstance(split, str) else tuple(split)
    made = tuple(_rows(name, part) for part in splits)
    return made[0] if isinstance(split, str) else made


def _rows(name: str, split: str) -> Rows:
    count = synthetic.samples(split == "train")
    synthetic.tell(f"{name}: {count} sentences for {split}")
    if name in LANGUAGE:
        return Rows(samples.sentences([0] * count, LANGUAGE[name], name, split))
    classes, words = CLASSIFIED[name]
    labels = samples.labels(count, classes, name, split).tolist()
    return Rows((label + 1, text) for label, text in zip(labels, samples.sentences(labels, words, name, split)))


@dataclass(frozen=True)
class Table:
    """The columns of a data set of Hugging Face: texts with their length in words, one image, one label."""

    classes: int
    label: str = "label"
    texts: tuple[tuple[str, int], ...] = ()
    image: str = ""
    channels: int = 3
    size: int = 32
    splits: tuple[str, ...] = ("train", "test")


TABLES = {
    "ag_news": Table(4, texts=(("text", 40),)),
    "beans": Table(3, "labels", image="image", size=500, splits=("train", "validation", "test")),
    "cifar10": Table(10, image="img"),
    "cifar100": Table(100, "fine_label", image="img"),
    "dbpedia_14": Table(14, texts=(("title", 3), ("content", 50))),
    "emotion": Table(6, texts=(("text", 18),), splits=("train", "validation", "test")),
    "fashion_mnist": Table(10, image="image", channels=1, size=28),
    "glue/cola": Table(2, texts=(("sentence", 9),), splits=("train", "validation", "test")),
    "glue/mrpc": Table(2, texts=(("sentence1", 20), ("sentence2", 20)), splits=("train", "validation", "test")),
    "glue/qnli": Table(2, texts=(("question", 11), ("sentence", 28)), splits=("train", "validation", "test")),
    "glue/qqp": Table(2, texts=(("question1", 11), ("question2", 11)), splits=("train", "validation", "test")),
    "glue/rte": Table(2, texts=(("sentence1", 40), ("sentence2", 9)), splits=("train", "validation", "test")),
    "glue/sst2": Table(2, texts=(("sentence", 12),), splits=("train", "validation", "test")),
    "imdb": Table(2, texts=(("text", 120),), splits=("train", "test", "unsupervised")),
    "mnist": Table(10, image="image", channels=1, size=28),
    "rotten_tomatoes": Table(2, texts=(("text", 20),), splits=("train", "validation", "test")),
    "sst2": Table(2, texts=(("sentence", 12),), splits=("train", "validation", "test")),
    "tweet_eval": Table(4, texts=(("text", 18),), splits=("train", "validation", "test")),
    "wikitext": Table(0, texts=(("text", 25),), splits=("train", "validation", "test")),
    "yelp_polarity": Table(2, texts=(("text", 90),)),
    "yelp_review_full": Table(5, texts=(("text", 90),)),
}


def replace_hugging_face(module: Any) -> None:
    """Changes `datasets.load_dataset`; only well-known names have a table, others go on to the library."""
    load = module.load_dataset

    @functools.wraps(load)
    def load_dataset(path: str, name: str | None = None, *args: Any, split: Any = None, **kwargs: Any) -> Any:
        short = path.rpartition("/")[2]
        known = next((key for key in (f"{short}/{name}", short) if key in TABLES), None)
        if known is None:
            return load(path, name, *args, split=split, **kwargs)
        table = TABLES[known]
        if split is None:
            return module.DatasetDict({part: _made(module, known, table, part) for part in table.splits})
        if isinstance(split, (list, tuple)):
            return [_cut(_made(module, known, table, _base(part)), str(part)) for part in split]
        return _cut(_made(module, known, table, _base(split)), str(split))

    module.load_dataset = load_dataset


def _base(split: Any) -> str:
    return str(split).partition("[")[0].partition("+")[0]


def _cut(data: Any, split: str) -> Any:
    """The part of the samples that `train[:10%]` names; with two bounds, those between them."""
    _, bracket, rest = split.partition("[")
    if not bracket:
        return data
    low, _, high = rest.rstrip("]").partition(":")
    begin, end = _bound(low, 0, len(data)), _bound(high, len(data), len(data))
    return data.select(range(begin, max(end, begin + 1)))


def _bound(text: str, default: int, size: int) -> int:
    if not text:
        return default
    number = int(text.rstrip("%"))
    at = round(size * number / 100) if text.endswith("%") else number
    return min(max(at + size if at < 0 else at, 0), size)


def _made(module: Any, name: str, table: Table, split: str) -> Any:
    count = synthetic.samples(split == "train")
    labels = samples.labels(count, max(table.classes, 1), name, split)
    columns: dict[str, Any] = {}
    for text, words in table.texts:
        columns[text] = samples.sentences(labels.tolist(), words, name, split, text)
    if table.image:
        pixels = samples.images(labels, table.channels, table.size, table.size, name, split)
        columns[table.image] = [samples.image(picture) for picture in pixels]
    made = dict(columns)
    if table.classes:
        made[table.label] = labels.tolist()
    synthetic.tell(f"{name}: {count} samples for {split}, {table.classes} classes")
    data = module.Dataset.from_dict(made)
    return data.cast_column(table.label, module.ClassLabel(num_classes=table.classes)) if table.classes else data
