"""Vocabularies as they were before torchtext 0.9."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import torch


class Vocab:
    """Tokens and their indices: the special ones, then the most frequent, then in the order of the alphabet."""

    def __init__(self, counter: Counter[Any], max_size: int | None = None, min_freq: int = 1,
                 specials: Sequence[str] = ("<unk>", "<pad>"), vectors: Any = None, unk_init: Any = None,
                 **kwargs: Any) -> None:  # fmt: skip
        self.freqs = counter
        ordered = sorted(counter.items(), key=lambda item: (-item[1], str(item[0])))
        tokens = [token for token, count in ordered if count >= max(min_freq, 1) and token not in specials]
        self.itos: list[Any] = [*specials, *tokens[:max_size]]
        known = {token: index for index, token in enumerate(self.itos)}
        self.stoi: Any = defaultdict(int, known) if "<unk>" in known else known
        self.vectors: torch.Tensor | None = None
        if vectors is not None:
            self.load_vectors(vectors)

    def __len__(self) -> int:
        return len(self.itos)

    def load_vectors(self, vectors: Any, **kwargs: Any) -> None:
        """A vector for each token: of an object with vectors, or of one that a name such as 'glove.6B.100d' means."""
        from ..vocab import Vectors

        if isinstance(vectors, str):
            size = vectors.rpartition(".")[2].removesuffix("d")
            vectors = Vectors(vectors, dim=int(size) if size.isdigit() else 300)
        self.vectors = torch.stack([vectors[str(token)] for token in self.itos])
