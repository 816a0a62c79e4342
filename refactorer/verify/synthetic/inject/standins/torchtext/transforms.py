"""Transforms of tokens, as modules."""

from __future__ import annotations

from typing import Any, NoReturn

import torch

from . import functional


class Sequential(torch.nn.Sequential):
    """One transform after the other."""

    def forward(self, input: Any) -> Any:
        """What the last transform gives."""
        for module in self:
            input = module(input)
        return input


class VocabTransform(torch.nn.Module):
    """Tokens to indices."""

    def __init__(self, vocab: Any) -> None:
        super().__init__()
        self.vocab = vocab

    def forward(self, input: Any) -> Any:
        """The indices of a list of tokens, or of several lists."""
        if input and isinstance(input[0], (list, tuple)):
            return [self.vocab(list(row)) for row in input]
        return self.vocab(input)


class ToTensor(torch.nn.Module):
    """Indices to a tensor."""

    def __init__(self, padding_value: int | None = None, dtype: torch.dtype = torch.long) -> None:
        super().__init__()
        self.padding_value, self.dtype = padding_value, dtype

    def forward(self, input: Any) -> torch.Tensor:
        """A tensor of shape (N,), or (N, longest)."""
        return functional.to_tensor(input, self.padding_value, self.dtype)


class Truncate(torch.nn.Module):
    """No more than some tokens."""

    def __init__(self, max_seq_len: int) -> None:
        super().__init__()
        self.max_seq_len = max_seq_len

    def forward(self, input: Any) -> Any:
        """The first tokens."""
        return functional.truncate(input, self.max_seq_len)


class AddToken(torch.nn.Module):
    """A token more at the beginning or the end."""

    def __init__(self, token: Any, begin: bool = True) -> None:
        super().__init__()
        self.token, self.begin = token, begin

    def forward(self, input: Any) -> Any:
        """The longer list or lists."""
        return functional.add_token(input, self.token, self.begin)


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchtext has no transform {name!r}: install torchtext to verify this script")
