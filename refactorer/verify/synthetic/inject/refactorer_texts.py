"""The well-known data sets of Hugging Face's `datasets`, generated."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

# Found beside this file, whose folder is on the path of the verified script.
import refactorer_samples as samples  # type: ignore[import-not-found]
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]


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
