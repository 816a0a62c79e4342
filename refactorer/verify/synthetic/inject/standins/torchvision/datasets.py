"""Data sets by the names that torchvision gives them; what they hold is generated."""

from __future__ import annotations

from typing import Any, NoReturn

# On the path of the verified script, as this package is.
import refactorer_vision  # type: ignore[import-not-found]
import torch


class VisionDataset(torch.utils.data.Dataset[Any]):
    """What all data sets of torchvision inherit."""

    def __init__(
        self, root: Any = None, transforms: Any = None, transform: Any = None, target_transform: Any = None
    ) -> None:
        self.root, self.transforms, self.transform, self.target_transform = (
            root, transforms, transform, target_transform,
        )  # fmt: skip


class FakeData(VisionDataset):
    """Random images, as torchvision's class of this name makes them, from a seed for each index."""

    def __init__(self, size: int = 1000, image_size: tuple[int, int, int] = (3, 224, 224), num_classes: int = 10,
                 transform: Any = None, target_transform: Any = None, random_offset: int = 0) -> None:  # fmt: skip
        super().__init__(None, None, transform, target_transform)
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """An image of noise and its label."""
        if index >= self.size:
            raise IndexError(f"{type(self).__name__} index out of range")
        drawn = torch.Generator().manual_seed(index + self.random_offset)
        pixels = torch.randint(0, 256, self.image_size, generator=drawn, dtype=torch.uint8)
        label: Any = int(torch.randint(0, self.num_classes, (1,), generator=drawn))
        picture = refactorer_vision.samples.image(pixels)
        if self.transform is not None:
            picture = self.transform(picture)
        return picture, label if self.target_transform is None else self.target_transform(label)


for _name in (*refactorer_vision.SPECS, *refactorer_vision.FOLDERS):
    globals()[_name] = type(_name, (VisionDataset,), {"__module__": __name__})


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"the stand-in for torchvision has no data set {name!r}: install torchvision to verify this script"
    )
