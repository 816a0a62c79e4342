"""Tokenizers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import refactorer_synthetic as synthetic  # type: ignore[import-not-found]

_SPACED = re.compile(r"([.,()!?'])")
_WORDS = re.compile(r"\w+|[^\w\s]")


def _basic_english(line: str) -> list[str]:
    """Lower case, punctuation apart, quotes and line breaks of HTML left out."""
    line = line.lower().replace('"', "").replace("<br />", " ")
    return re.sub(r"[;:]", " ", _SPACED.sub(r" \1 ", line)).split()


def _words(line: str) -> list[str]:
    return _WORDS.findall(line)


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] | None, language: str = "en"
) -> Callable[[str], list[str]]:
    """The tokenizer of that name; None splits at spaces. In the place of those of other libraries, words are split."""
    if tokenizer is None:
        return str.split
    if callable(tokenizer):
        return tokenizer
    if tokenizer == "basic_english":
        if language != "en":
            raise ValueError("Basic normalization is only available for English")
        return _basic_english
    synthetic.tell(f"words and punctuation in the place of the tokens of {tokenizer}")
    return _words


def ngrams_iterator(token_list: Iterable[str], ngrams: int) -> Iterator[str]:
    """The tokens, then all pairs of neighbours, and so on up to `ngrams` of them."""
    tokens = list(token_list)
    for size in range(1, ngrams + 1):
        for at in range(len(tokens) - size + 1):
            yield " ".join(tokens[at : at + size])
