"""Grids of images, and saving them."""

from __future__ import annotations

import math
import os
from typing import Any

import torch

from .transforms import functional as F


@torch.no_grad()
def make_grid(tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False, value_range: Any = None,
              scale_each: bool = False, pad_value: float = 0.0, **kwargs: Any) -> torch.Tensor:  # fmt: skip
    """Images of shape (N, C, H, W), or a list of them, side by side as one image of shape (C, H, W)."""
    images = torch.stack(list(tensor)) if isinstance(tensor, (list, tuple)) else tensor
    images = images[None, None] if images.dim() == 2 else images[None] if images.dim() == 3 else images
    images = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    if normalize:
        parts = images.clone() if scale_each else images.clone()[None]
        images = torch.stack([_normalized(part, value_range) for part in parts]).reshape(images.shape)
    if len(images) == 1:
        return images[0]
    columns = min(nrow, len(images))
    height, width = images.shape[2] + padding, images.shape[3] + padding
    size = (images.shape[1], height * math.ceil(len(images) / columns) + padding, width * columns + padding)
    grid = images.new_full(size, pad_value)
    for index, image in enumerate(images):
        top, left = height * (index // columns) + padding, width * (index % columns) + padding
        grid[:, top : top + image.shape[1], left : left + image.shape[2]] = image
    return grid


def _normalized(images: torch.Tensor, value_range: Any) -> torch.Tensor:
    low, high = value_range or (float(images.min()), float(images.max()))
    return (images.clamp(low, high) - low) / max(high - low, 1e-5)


def save_image(tensor: Any, fp: Any, format: Any = None, **kwargs: Any) -> None:
    """A grid of images as a file: a picture where Pillow is installed, else the pixels in the PPM format."""
    pixels = make_grid(tensor, **kwargs).mul(255).add(0.5).clamp(0, 255).to("cpu", torch.uint8)
    if F.pillow is not None:
        F.to_pil_image(pixels).save(fp, format=format)
        return
    data = b"P6 %d %d 255\n" % (pixels.shape[2], pixels.shape[1]) + bytes(pixels.permute(1, 2, 0).flatten().tolist())
    if isinstance(fp, (str, os.PathLike)):
        with open(fp, "wb") as file:
            file.write(data)
    else:
        fp.write(data)
