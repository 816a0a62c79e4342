"""The usual transforms, with torchvision's names, arguments and draws from torch's generator."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch

from . import functional
from . import functional as F
from .functional import InterpolationMode

__all__ = ["InterpolationMode", "functional"]


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img


class Lambda:
    """A function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class ToTensor:
    """Float tensor between 0 and 1."""

    def __call__(self, pic: Any) -> torch.Tensor:
        return F.to_tensor(pic)


class PILToTensor:
    """uint8 tensor."""

    def __call__(self, pic: Any) -> torch.Tensor:
        return F.pil_to_tensor(pic)


class ToPILImage:
    """Image of Pillow."""

    def __init__(self, mode: Any = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)


class ConvertImageDtype(torch.nn.Module):
    """Float tensors between 0 and 1, or uint8."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.is_floating_point() or not self.dtype.is_floating_point:
            return image.to(self.dtype)
        return image.to(self.dtype) / 255


class Normalize(torch.nn.Module):
    """`(tensor - mean) / std` for each channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(torch.nn.Module):
    """To a size."""

    def __init__(self, size: Any, interpolation: Any = InterpolationMode.BILINEAR, **kwargs: Any) -> None:
        super().__init__()
        self.size, self.interpolation = size, interpolation

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation)


class CenterCrop(torch.nn.Module):
    """The middle."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = size

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(torch.nn.Module):
    """A frame."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(torch.nn.Module):
    """A part of a fixed size, anywhere."""

    def __init__(self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0,
                 padding_mode: str = "constant") -> None:  # fmt: skip
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else (size[0], size[-1])
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        width, height = F.get_image_size(img)
        if self.pad_if_needed:
            more = [max(self.size[1] - width, 0), max(self.size[0] - height, 0)]
            img = F.pad(img, more, self.fill, self.padding_mode) if any(more) else img
            width, height = F.get_image_size(img)
        down, right = height - self.size[0], width - self.size[1]
        if down < 0 or right < 0:
            raise ValueError(f"Required crop size {self.size} is larger than input image size {(height, width)}")
        top = int(torch.randint(0, down + 1, (1,))) if down or right else 0
        left = int(torch.randint(0, right + 1, (1,))) if down or right else 0
        return F.crop(img, top, left, *self.size)


class RandomResizedCrop(torch.nn.Module):
    """A part of any size, anywhere, resized."""

    def __init__(self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3 / 4, 4 / 3),
                 interpolation: Any = InterpolationMode.BILINEAR, **kwargs: Any) -> None:  # fmt: skip
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else (size[0], size[-1])
        self.scale, self.ratio, self.interpolation = scale, ratio, interpolation

    def forward(self, img: Any) -> Any:
        columns, rows = F.get_image_size(img)
        for _ in range(10):
            area = rows * columns * float(torch.empty(1).uniform_(*self.scale))
            ratio = math.exp(float(torch.empty(1).uniform_(math.log(self.ratio[0]), math.log(self.ratio[1]))))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= columns and 0 < height <= rows:
                top = int(torch.randint(0, rows - height + 1, (1,)))
                left = int(torch.randint(0, columns - width + 1, (1,)))
                return F.resized_crop(img, top, left, height, width, self.size, self.interpolation)
        return F.resize(F.center_crop(img, min(rows, columns)), self.size, self.interpolation)


class RandomHorizontalFlip(torch.nn.Module):
    """Mirrored with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if torch.rand(1) < self.p else img


class RandomVerticalFlip(RandomHorizontalFlip):
    """Upside down with probability `p`."""

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if torch.rand(1) < self.p else img


class RandomRotation(torch.nn.Module):
    """Turned by a random angle."""

    def __init__(self, degrees: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)

    def forward(self, img: Any) -> Any:
        return F.rotate(img, float(torch.empty(1).uniform_(*self.degrees)))


class Grayscale(torch.nn.Module):
    """Grey."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(torch.nn.Module):
    """Grey with probability `p`, with as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        if torch.rand(1) >= self.p:
            return img
        return F.rgb_to_grayscale(img, F.pil_to_tensor(img).shape[-3])


class ColorJitter(torch.nn.Module):
    """Brightness, contrast and saturation changed by random factors; hue is left as it is."""

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.ranges = [_around(value) for value in (brightness, contrast, saturation)]

    def forward(self, img: Any) -> Any:
        operations = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)
        for index in torch.randperm(3).tolist():
            low, high = self.ranges[index]
            if (low, high) != (1.0, 1.0):
                img = operations[index](img, float(torch.empty(1).uniform_(low, high)))
        return img


def _around(value: Any) -> tuple[float, float]:
    if isinstance(value, (int, float)):
        return max(1 - float(value), 0.0), 1 + float(value)
    return float(value[0]), float(value[1])


class RandomApply(torch.nn.Module):
    """Some transforms, with probability `p`."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        if torch.rand(1) <= self.p:
            for transform in self.transforms:
                img = transform(img)
        return img


class RandomChoice(torch.nn.Module):
    """One of some transforms."""

    def __init__(self, transforms: Any, p: Any = None) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](img)


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"the stand-in for torchvision has no transform {name!r}: install torchvision to verify this script"
    )
