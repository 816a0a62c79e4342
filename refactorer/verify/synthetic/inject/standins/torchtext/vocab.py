"""Vocabularies, and vectors of words."""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import refactorer_synthetic as synthetic  # type: ignore[import-not-found]
import torch


class Vocab(torch.nn.Module):
    """Tokens and their indices; an unknown token has the default index, or is an error where none was set."""

    def __init__(self, tokens: Iterable[str]) -> None:
        super().__init__()
        self._itos = list(tokens)
        self._default: int | None = None
        self._number()

    def _number(self) -> None:
        self._stoi = {token: index for index, token in enumerate(self._itos)}

    def __len__(self) -> int:
        return len(self._itos)

    def __contains__(self, token: str) -> bool:
        return token in self._stoi

    def __getitem__(self, token: str) -> int:
        """The index of a token."""
        index = self._stoi.get(token, self._default)
        if index is None:
            raise RuntimeError(f"Token {token} not found and default index is not set")
        return index

    def forward(self, tokens: Sequence[str]) -> list[int]:
        """The indices of tokens."""
        return [self[token] for token in tokens]

    lookup_indices = forward

    def set_default_index(self, index: int | None) -> None:
        """What an unknown token becomes."""
        self._default = index

    def get_default_index(self) -> int | None:
        """What an unknown token becomes; None where it is an error."""
        return self._default

    def insert_token(self, token: str, index: int) -> None:
        """Puts a token at an index; those behind it move up."""
        self._itos.insert(index, token)
        self._number()

    def append_token(self, token: str) -> None:
        """Puts a token at the end."""
        self.insert_token(token, len(self))

    def lookup_token(self, index: int) -> str:
        """The token at an index."""
        return self._itos[index]

    def lookup_tokens(self, indices: Iterable[int]) -> list[str]:
        """The tokens at some indices."""
        return [self._itos[index] for index in indices]

    def get_itos(self) -> list[str]:
        """All tokens by their index."""
        return list(self._itos)

    def get_stoi(self) -> dict[str, int]:
        """All indices by their token."""
        return dict(self._stoi)


def vocab(
    ordered_dict: Mapping[str, int],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
) -> Vocab:
    """A vocabulary of the tokens that occur at least `min_freq` times, in their order."""
    special = list(specials or [])
    tokens = [token for token, count in ordered_dict.items() if count >= min_freq and token not in special]
    return Vocab(special + tokens if special_first else tokens + special)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A vocabulary of all tokens, the most frequent first, then in the order of the alphabet."""
    counts = Counter(token for tokens in iterator for token in tokens)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if max_tokens is not None:
        ordered = ordered[: max_tokens - len(specials or [])]
    return vocab(OrderedDict(ordered), min_freq, specials, special_first)


class Vectors:
    """Vectors of words: each word has one of its own, drawn from a normal distribution with a seed made from it."""

    def __init__(self, name: str = "", cache: Any = None, dim: int = 300, **kwargs: Any) -> None:
        self.dim = dim
        synthetic.tell(f"vectors of {type(self).__name__} {name}: random, of {dim} values")

    def __getitem__(self, token: str) -> torch.Tensor:
        """The vector of a word, of shape (dim,)."""
        drawn = torch.Generator().manual_seed(zlib.crc32(token.encode()))
        return torch.randn(self.dim, generator=drawn) * 0.4

    def get_vecs_by_tokens(self, tokens: str | Sequence[str], lower_case_backup: bool = False) -> torch.Tensor:
        """The vector of a word, or those of several in rows."""
        if isinstance(tokens, str):
            return self[tokens]
        return torch.stack([self[token] for token in tokens])


class GloVe(Vectors):
    """In the place of GloVe's vectors."""

    def __init__(self, name: str = "840B", dim: int = 300, **kwargs: Any) -> None:
        super().__init__(name, dim=dim)


class FastText(Vectors):
    """In the place of fastText's vectors."""

    def __init__(self, language: str = "en", **kwargs: Any) -> None:
        super().__init__(language)
