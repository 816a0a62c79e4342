"""Fields turn texts into tensors, data sets hold examples, iterators make batches of them."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Iterator as Iterating
from pathlib import Path
from typing import Any

import torch

from ..data.utils import get_tokenizer
from .vocab import Vocab


class Field:
    """How one column is split into tokens, numbered and padded.

    `process` gives an int64 tensor of shape (longest, N), (N, longest) with `batch_first`, or (N,) where the column
    holds no sequence; with `include_lengths` a tensor of lengths too.
    """

    def __init__(self, sequential: bool = True, use_vocab: bool = True, init_token: str | None = None,
                 eos_token: str | None = None, fix_length: int | None = None, dtype: torch.dtype = torch.long,
                 preprocessing: Callable[[Any], Any] | None = None, postprocessing: Any = None, lower: bool = False,
                 tokenize: Any = None, tokenizer_language: str = "en", include_lengths: bool = False,
                 batch_first: bool = False, pad_token: str | None = "<pad>", unk_token: str | None = "<unk>",
                 pad_first: bool = False, truncate_first: bool = False, stop_words: Iterable[str] | None = None,
                 is_target: bool = False) -> None:  # fmt: skip
        self.sequential, self.use_vocab, self.init_token, self.eos_token = sequential, use_vocab, init_token, eos_token
        self.fix_length, self.dtype, self.preprocessing, self.postprocessing = (
            fix_length, dtype, preprocessing, postprocessing,
        )  # fmt: skip
        self.lower, self.tokenize = lower, get_tokenizer(tokenize, tokenizer_language)
        self.include_lengths, self.batch_first, self.is_target = include_lengths, batch_first, is_target
        self.unk_token, self.pad_token = unk_token, pad_token if sequential else None
        self.pad_first, self.truncate_first, self.stop_words = pad_first, truncate_first, set(stop_words or ())
        self.vocab: Any = None

    def preprocess(self, value: Any) -> Any:
        """The tokens of a text, or the value itself."""
        if self.sequential and isinstance(value, str):
            value = self.tokenize(value.rstrip("\n"))
        if self.lower:
            value = [token.lower() for token in value] if self.sequential else value.lower()
        if self.sequential and self.stop_words:
            value = [token for token in value if token not in self.stop_words]
        return self.preprocessing(value) if self.preprocessing else value

    def build_vocab(self, *sources: Any, **kwargs: Any) -> None:
        """Numbers the tokens of data sets, or of columns of them."""
        counts: Counter[Any] = Counter()
        for source in sources:
            columns = source.columns(self) if isinstance(source, Dataset) else [source]
            for column in columns:
                for value in column:
                    counts.update(value if self.sequential else [value])
        special = [self.unk_token, self.pad_token, self.init_token, self.eos_token, *kwargs.pop("specials", [])]
        self.vocab = Vocab(counts, specials=[token for token in dict.fromkeys(special) if token is not None], **kwargs)

    def pad(self, batch: Iterable[Sequence[Any]]) -> tuple[list[list[Any]], list[int]]:
        """Texts of one length, and how long they were."""
        rows = [list(row) for row in batch]
        extra = (self.init_token is not None) + (self.eos_token is not None)
        size = max(map(len, rows)) if self.fix_length is None else max(self.fix_length - extra, 0)
        padded, lengths = [], []
        for row in rows:
            cut = row[-size:] if self.truncate_first else row[:size]
            cut = [token for token in [self.init_token] if token] + cut + [token for token in [self.eos_token] if token]
            rest = [self.pad_token] * (size + extra - len(cut))
            padded.append(rest + cut if self.pad_first else cut + rest)
            lengths.append(len(cut))
        return padded, lengths

    def process(self, batch: Iterable[Any], device: Any = None) -> Any:
        """The tensor of a batch."""
        values: list[Any]
        values, lengths = self.pad(batch) if self.sequential else (list(batch), [])
        if self.use_vocab:
            index = self.vocab.stoi
            values = [[index[token] for token in row] if self.sequential else index[row] for row in values]
        elif not self.sequential:
            number: Any = float if self.dtype.is_floating_point else int
            values = [number(value) for value in values]
        if self.postprocessing is not None:
            values = self.postprocessing(values, self.vocab)
        found = torch.tensor(values, dtype=self.dtype, device=device)
        found = found.t().contiguous() if self.sequential and not self.batch_first else found
        return (found, torch.tensor(lengths, device=device)) if self.include_lengths else found


class LabelField(Field):
    """A column of labels: no sequence, and no token for what is unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"sequential": False, "unk_token": None, "is_target": True, **kwargs})


class Example:
    """One row: an attribute for each field."""

    @classmethod
    def fromlist(cls, data: Iterable[Any], fields: Iterable[Any]) -> Example:
        """An example of values in the order of the fields; a field of None leaves its value out."""
        made = cls()
        for named, value in zip(fields, data):
            if named is not None and named[1] is not None:
                setattr(made, named[0], named[1].preprocess(value.rstrip("\n") if isinstance(value, str) else value))
        return made


class Dataset(torch.utils.data.Dataset[Any]):
    """Examples, and their fields by name. The name of a field gives its column."""

    sort_key: Any = None

    def __init__(self, examples: Sequence[Example], fields: Any, filter_pred: Any = None) -> None:
        self.examples = [one for one in examples if filter_pred is None or filter_pred(one)]
        self.fields: dict[str, Any] = {named[0]: named[1] for named in _pairs(fields) if named and named[1]}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Any:
        """One example."""
        return self.examples[index]

    def __iter__(self) -> Iterating[Example]:
        return iter(self.examples)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("fields", {}):
            return (getattr(example, name) for example in self.examples)
        raise AttributeError(name)

    def columns(self, field: Field) -> list[Any]:
        """The columns that a field is made for."""
        return [getattr(self, name) for name, other in self.fields.items() if other is field]

    def split(self, split_ratio: Any = 0.7, random_state: Any = None, **kwargs: Any) -> tuple[Dataset, ...]:
        """Parts in random order, as large as the ratios say."""
        shares = [split_ratio, 1 - split_ratio] if isinstance(split_ratio, float) else list(split_ratio)
        drawn = random.Random()
        drawn.setstate(random_state or random.getstate())
        order = drawn.sample(self.examples, len(self))
        ends = [round(len(self) * sum(shares[: i + 1]) / sum(shares)) for i in range(len(shares))]
        parts = [order[low:high] for low, high in zip([0, *ends], ends)]
        made = [Dataset(part, list(self.fields.items())) for part in parts if part]
        for part in made:
            part.sort_key = self.sort_key
        return tuple(made)


def _pairs(fields: Any) -> list[Any]:
    return list(fields.values()) if isinstance(fields, dict) else list(fields)


class TabularDataset(Dataset):
    """The rows of the script's own csv, tsv or json file."""

    def __init__(self, path: Any, format: str, fields: Any, skip_header: bool = False, **kwargs: Any) -> None:
        with open(path, newline="", encoding="utf8") as file:
            if format.lower() == "json":
                rows = [json.loads(line) for line in file]
                examples = [Example.fromlist([row[key] for key in fields], fields.values()) for row in rows]
            else:
                lines = csv.reader(file, delimiter="\t" if format.lower() == "tsv" else ",")
                header = next(lines) if skip_header or isinstance(fields, dict) else []
                chosen = [fields.get(name) for name in header] if isinstance(fields, dict) else fields
                examples = [Example.fromlist(line, chosen) for line in lines]
        super().__init__(examples, fields, kwargs.get("filter_pred"))

    @classmethod
    def splits(cls, path: Any = ".", train: Any = None, validation: Any = None, test: Any = None,
               **kwargs: Any) -> tuple[Any, ...]:  # fmt: skip
        """One data set for each file that is named."""
        return tuple(cls(Path(path) / name, **kwargs) for name in (train, validation, test) if name)


class Batch:
    """The tensors of some examples, as attributes with the names of their fields."""

    def __init__(self, examples: Sequence[Example], dataset: Dataset, device: Any) -> None:
        self.batch_size, self.dataset, self.fields = len(examples), dataset, list(dataset.fields)
        for name, field in dataset.fields.items():
            setattr(self, name, field.process([getattr(example, name) for example in examples], device))

    def __len__(self) -> int:
        return self.batch_size

    def __iter__(self) -> Iterating[Any]:
        """The inputs, then the targets; each a tensor, a tuple of several, or None."""
        for wanted in (False, True):
            names = [name for name, field in self.dataset.fields.items() if field.is_target is wanted]
            found = [getattr(self, name) for name in names]
            yield found[0] if len(found) == 1 else tuple(found) or None


class Iterator:
    """Batches of a data set, in random order for training. Its shuffling leaves the script's `random` alone."""

    buckets = False

    def __init__(self, dataset: Dataset, batch_size: int, sort_key: Any = None, device: Any = None,
                 batch_size_fn: Any = None, train: bool = True, repeat: bool = False, shuffle: bool | None = None,
                 sort: bool | None = None, sort_within_batch: bool | None = None) -> None:  # fmt: skip
        self.dataset, self.batch_size, self.device, self.train, self.repeat = dataset, batch_size, device, train, repeat
        self.sort_key = sort_key or dataset.sort_key
        self.shuffle = train if shuffle is None else shuffle
        self.sort = not train if sort is None else sort
        self.sort_within_batch = self.sort if sort_within_batch is None else sort_within_batch
        self.epoch = self.iterations = 0
        self.drawn = random.Random()
        self.drawn.setstate(random.getstate())

    @classmethod
    def splits(cls, datasets: Sequence[Dataset], batch_sizes: Any = None, **kwargs: Any) -> tuple[Any, ...]:
        """One iterator for each data set; the first one is for training."""
        sizes = batch_sizes or [kwargs["batch_size"]] * len(datasets)
        kwargs = {key: value for key, value in kwargs.items() if key != "batch_size"}
        return tuple(cls(one, size, train=not i, **kwargs) for i, (one, size) in enumerate(zip(datasets, sizes)))

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterating[Batch]:
        while True:
            self.epoch += 1
            for examples in self._batches():
                self.iterations += 1
                if self.sort_within_batch and self.sort_key is not None:
                    examples = sorted(examples, key=self.sort_key, reverse=True)
                yield Batch(examples, self.dataset, self.device)
            if not self.repeat:
                return

    def init_epoch(self) -> None:
        """Nothing is to be prepared."""

    def _batches(self) -> list[list[Example]]:
        order = self.drawn.sample(self.dataset.examples, len(self.dataset)) if self.shuffle else self.dataset.examples
        if self.sort_key is not None and (self.sort or self.buckets):
            order = sorted(order, key=self.sort_key)
        found = [list(order[at : at + self.batch_size]) for at in range(0, len(order), self.batch_size)]
        return self.drawn.sample(found, len(found)) if self.shuffle and self.buckets else found


class BucketIterator(Iterator):
    """Batches of examples of about one length."""

    buckets = True
