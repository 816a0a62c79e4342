"""Functions over tokens and their indices."""

from __future__ import annotations

from typing import Any

import torch


def to_tensor(input: Any, padding_value: int | None = None, dtype: torch.dtype = torch.long) -> torch.Tensor:
    """A list of indices, or lists of them, which are padded at their ends to shape (N, longest)."""
    if padding_value is None or not input or not isinstance(input[0], (list, tuple)):
        return torch.tensor(input, dtype=dtype)
    rows = [torch.tensor(row, dtype=dtype) for row in input]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=float(padding_value))


def truncate(input: Any, max_seq_len: int) -> Any:
    """The first tokens of a list, or of each of several lists."""
    if input and isinstance(input[0], (list, tuple)):
        return [row[:max_seq_len] for row in input]
    return input[:max_seq_len]


def add_token(input: Any, token_id: Any, begin: bool = True) -> Any:
    """A list, or each of several lists, with a token more at its beginning or its end."""
    if input and isinstance(input[0], (list, tuple)):
        return [add_token(row, token_id, begin) for row in input]
    return [token_id, *input] if begin else [*input, token_id]


def str_to_int(input: Any) -> Any:
    """Numbers from their digits."""
    return [str_to_int(item) for item in input] if isinstance(input, (list, tuple)) else int(input)
