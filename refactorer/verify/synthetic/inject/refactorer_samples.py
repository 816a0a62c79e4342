"""Generated samples: images that show their label under noise, sentences whose words go with their label.

The shapes, types and numbers of classes are those of the data sets; what is in them is not. Labels are balanced, so
that each class has samples wherever there are more samples than classes. Every draw comes from a generator with a fixed
seed of its own.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Any

import torch

NOISE = 48.0
"""Standard deviation of the noise over a class's pattern, in grey levels of 256."""
GRID = 7
"""A pattern is this many by this many patches of one colour."""


def generator(*names: object) -> torch.Generator:
    """A generator whose seed follows from the names, the same in every process."""
    return torch.Generator().manual_seed(zlib.crc32("/".join(map(str, names)).encode()))


def labels(count: int, classes: int, *names: object) -> torch.Tensor:
    """int64 labels of shape (count,), as balanced as can be, in random order."""
    return (torch.arange(count) % classes)[torch.randperm(count, generator=generator("labels", *names))]


def images(classes: torch.Tensor, channels: int, height: int, width: int, *names: object) -> torch.Tensor:
    """uint8 images of shape (N, channels, height, width): the pattern of the class of each, and noise."""
    count = int(classes.max()) + 1 if len(classes) else 1
    patterns = torch.rand(count, channels, GRID, GRID, generator=generator("patterns", channels, count)) * 255
    drawn = generator("noise", *names)
    found = torch.empty(len(classes), channels, height, width, dtype=torch.uint8)
    for index, label in enumerate(classes.tolist()):  # one by one, since large images as floats take much memory
        pattern = torch.nn.functional.interpolate(patterns[label : label + 1], size=(height, width), mode="nearest")
        noise = torch.randn(channels, height, width, generator=drawn) * NOISE
        found[index] = (pattern[0] + noise).clamp(0, 255)
    return found


COMMON = ["the", "of", "and", "to", "in", "is", "was", "that", "it", "for", "with", "as", "on", "be", "at", "by",
          "this", "had", "not", "are", "but", "from", "or", "have", "an", "they"]  # fmt: skip


def sentences(classes: list[int], words: int, *names: object) -> list[str]:
    """One sentence of about `words` words for each label: common words, and words of its class."""
    drawn = generator("sentences", *names)
    return [_sentence(label, words, drawn) for label in classes]


def _sentence(label: int, words: int, drawn: torch.Generator) -> str:
    size = int(torch.randint(max(words // 2, 1), words * 3 // 2 + 1, (1,), generator=drawn))
    picks = torch.randint(0, 40, (size,), generator=drawn).tolist()
    chosen = [COMMON[pick % len(COMMON)] if pick < 26 else f"{_word(label)}{pick - 26}" for pick in picks]
    return " ".join(chosen).capitalize() + "."


def _word(label: int) -> str:
    return "".join("bdfgklmnprst"[int(digit) % 12] + "aeiou"[label % 5] for digit in str(label + 7))


def image(pixels: torch.Tensor) -> Any:
    """A PIL image where Pillow is installed, else the uint8 tensor (channels, height, width) itself."""
    try:
        pillow = importlib.import_module("PIL.Image")
    except ModuleNotFoundError:
        return pixels
    array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).contiguous().numpy()
    return pillow.fromarray(array)
