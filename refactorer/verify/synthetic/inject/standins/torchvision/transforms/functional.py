"""Operations on images: PIL images where Pillow is installed, tensors of shape (..., C, H, W) always.

All are computed on tensors; an image of Pillow is turned into one and back. Results need not have torchvision's bits.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import torch

pillow: Any = None
with contextlib.suppress(ModuleNotFoundError):
    pillow = importlib.import_module("PIL.Image")


class InterpolationMode(Enum):
    """How pixels between pixels are computed."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def pil_to_tensor(picture: Any) -> torch.Tensor:
    """The uint8 tensor (C, H, W) of an image."""
    if isinstance(picture, torch.Tensor):
        return picture
    if hasattr(picture, "__array_interface__"):
        import numpy

        array = torch.from_numpy(numpy.array(picture))
        array = array[..., None] if array.dim() == 2 else array
        return array.permute(2, 0, 1).contiguous()
    raise TypeError(f"pic should be a PIL Image, an array or a tensor, not {type(picture).__name__}")


def to_tensor(picture: Any) -> torch.Tensor:
    """The image as float32 between 0 and 1; what holds floats already keeps its values."""
    tensor = pil_to_tensor(picture)
    return tensor.to(torch.get_default_dtype()).div(255) if tensor.dtype == torch.uint8 else tensor


def to_pil_image(picture: Any, mode: Any = None) -> Any:
    """An image of Pillow; the uint8 tensor itself where Pillow is not installed."""
    tensor = pil_to_tensor(picture)
    if tensor.is_floating_point():
        tensor = tensor.mul(255).to(torch.uint8)
    tensor = tensor[None] if tensor.dim() == 2 else tensor
    if pillow is None:
        return tensor
    array = tensor[0].numpy() if len(tensor) == 1 else tensor.permute(1, 2, 0).contiguous().numpy()
    image = pillow.fromarray(array)
    return image.convert(mode) if mode else image


def _on_tensors(picture: Any, operation: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(picture, torch.Tensor):
        return operation(picture)
    return to_pil_image(operation(pil_to_tensor(picture)))


def get_image_size(picture: Any) -> list[int]:
    """Width and height."""
    if not isinstance(picture, torch.Tensor) and hasattr(picture, "size"):
        return list(picture.size)
    tensor = pil_to_tensor(picture)
    return [tensor.shape[-1], tensor.shape[-2]]


def normalize(tensor: torch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> torch.Tensor:
    """`(tensor - mean) / std` for each channel."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"img should be a tensor, not {type(tensor).__name__}")
    low, wide = (torch.as_tensor(values, dtype=tensor.dtype).view(-1, 1, 1) for values in (mean, std))
    return tensor.sub_(low).div_(wide) if inplace else (tensor - low) / wide


def resize(picture: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, **kwargs: Any) -> Any:
    """To (height, width), or with one number so that the shorter side has that length."""
    width, height = get_image_size(picture)
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) == 1:
        short = min(width, height)
        sizes = [height * sizes[0] // short, width * sizes[0] // short]
    if sizes == [height, width]:
        return picture
    mode = getattr(interpolation, "value", "bilinear")
    smooth = mode in ("bilinear", "bicubic")
    options: dict[str, Any] = {"mode": mode, "antialias": True} if smooth else {"mode": "nearest"}

    def operation(tensor: torch.Tensor) -> torch.Tensor:
        lead = tensor.reshape(-1, *tensor.shape[-3:]).float()
        found = torch.nn.functional.interpolate(lead, size=tuple(sizes), **options)
        found = found.round().clamp(0, 255) if not tensor.is_floating_point() else found
        return found.reshape(*tensor.shape[:-2], *sizes).to(tensor.dtype)

    return _on_tensors(picture, operation)


def crop(picture: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of the image; what lies outside is black."""

    def operation(tensor: torch.Tensor) -> torch.Tensor:
        rows, columns = tensor.shape[-2:]
        edges = [max(-left, 0), max(left + width - columns, 0), max(-top, 0), max(top + height - rows, 0)]
        wide = torch.nn.functional.pad(tensor, edges) if any(edges) else tensor
        y, x = top + edges[2], left + edges[0]
        return wide[..., y : y + height, x : x + width]

    return _on_tensors(picture, operation)


def center_crop(picture: Any, size: Any) -> Any:
    """The middle of the image."""
    height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
    columns, rows = get_image_size(picture)
    return crop(picture, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def resized_crop(picture: Any, top: int, left: int, height: int, width: int, size: Any,
                 interpolation: Any = InterpolationMode.BILINEAR, **kwargs: Any) -> Any:  # fmt: skip
    """A part of the image, resized."""
    return resize(crop(picture, top, left, height, width), size, interpolation)


def pad(picture: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A frame around the image: one width, two (left and right, top and bottom), or four."""
    sides = [padding] * 4 if isinstance(padding, int) else list(padding)
    sides = sides * 2 if len(sides) == 2 else sides * 4 if len(sides) == 1 else sides
    left, top, right, bottom = sides
    mode = {"constant": "constant", "edge": "replicate"}.get(padding_mode, padding_mode)

    def operation(tensor: torch.Tensor) -> torch.Tensor:
        edges = [left, right, top, bottom]
        if mode == "constant":
            return torch.nn.functional.pad(tensor, edges, value=float(fill if isinstance(fill, (int, float)) else 0))
        return torch.nn.functional.pad(tensor.float()[None], edges, mode=mode)[0].to(tensor.dtype)

    return _on_tensors(picture, operation)


def hflip(picture: Any) -> Any:
    """Left and right exchanged."""
    return _on_tensors(picture, lambda tensor: tensor.flip(-1))


def vflip(picture: Any) -> Any:
    """Top and bottom exchanged."""
    return _on_tensors(picture, lambda tensor: tensor.flip(-2))


def rotate(picture: Any, angle: float, *args: Any, **kwargs: Any) -> Any:
    """Turned by an angle in degrees, against the clock, around the middle; the nearest pixel is taken."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def operation(tensor: torch.Tensor) -> torch.Tensor:
        height, width = tensor.shape[-2:]
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        y, x = torch.meshgrid(torch.arange(height) - middle_y, torch.arange(width) - middle_x, indexing="ij")
        from_x = (cosine * x - sine * y + middle_x).round().long()
        from_y = (sine * x + cosine * y + middle_y).round().long()
        inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
        return tensor[..., from_y.clamp(0, height - 1), from_x.clamp(0, width - 1)] * inside

    return _on_tensors(picture, operation)


def rgb_to_grayscale(picture: Any, num_output_channels: int = 1) -> Any:
    """Luma of the three channels, once or three times."""

    def operation(tensor: torch.Tensor) -> torch.Tensor:
        weights = torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)
        grey = (tensor[..., :3, :, :].float() * weights).sum(-3, keepdim=True) if tensor.shape[-3] >= 3 else tensor
        return grey.to(tensor.dtype).expand(*tensor.shape[:-3], num_output_channels, -1, -1)

    return _on_tensors(picture, operation)


def _blend(picture: Any, factor: float, other: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    def operation(tensor: torch.Tensor) -> torch.Tensor:
        most = 1.0 if tensor.is_floating_point() else 255.0
        wide = tensor.float()
        return (factor * wide + (1 - factor) * other(wide)).clamp(0, most).to(tensor.dtype)

    return _on_tensors(picture, operation)


def adjust_brightness(picture: Any, factor: float) -> Any:
    """Mixed with black."""
    return _blend(picture, factor, torch.zeros_like)


def adjust_contrast(picture: Any, factor: float) -> Any:
    """Mixed with its mean grey."""
    return _blend(picture, factor, lambda tensor: rgb_to_grayscale(tensor).mean().expand_as(tensor))


def adjust_saturation(picture: Any, factor: float) -> Any:
    """Mixed with its grey image."""
    return _blend(picture, factor, lambda tensor: rgb_to_grayscale(tensor).expand_as(tensor))
