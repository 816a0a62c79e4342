"""The data sets of torchvision, generated: the classes stay what they are, but make samples instead of reading files.

Each class gets another `__init__`, `__getitem__` and `__len__`, so every name under which a script finds it is the same
class, and its subclasses work. Data sets that are not in the table below stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Found beside this file, whose folder is on the path of the verified script.
import refactorer_samples as samples  # type: ignore[import-not-found]
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]
import torch

TRAIN = ("root", "train", "transform", "target_transform", "download")
SPLIT = ("root", "split", "transform", "target_transform", "download")
FOR_TRAINING = {"train", "trainval", "all", "unlabeled", "train+unlabeled", "extra", "train_noval"}


@dataclass(frozen=True)
class Spec:
    """What the samples of a data set look like, and its positional arguments.

    `layout` is how the class keeps its images: `tensor` (N, H, W), `rows` an array (N, H, W, C), `planes` an array
    (N, C, H, W); empty where it reads them from files one by one.
    """

    channels: int
    size: int
    classes: int
    arguments: tuple[str, ...]
    layout: str = ""


GREY = Spec(1, 28, 10, TRAIN, "tensor")
SPECS = {
    "MNIST": GREY,
    "FashionMNIST": GREY,
    "KMNIST": GREY,
    "EMNIST": Spec(1, 28, 10, ("root", "split"), "tensor"),
    "QMNIST": Spec(1, 28, 10, ("root", "what", "compat", "train"), "tensor"),
    "USPS": Spec(1, 16, 10, TRAIN, "rows"),
    "CIFAR10": Spec(3, 32, 10, TRAIN, "rows"),
    "CIFAR100": Spec(3, 32, 100, TRAIN, "rows"),
    "SVHN": Spec(3, 32, 10, SPLIT, "planes"),
    "STL10": Spec(3, 96, 10, ("root", "split", "folds", "transform", "target_transform", "download"), "planes"),
    "Caltech101": Spec(3, 224, 101, ("root", "target_type", "transform", "target_transform", "download")),
    "Caltech256": Spec(3, 224, 257, ("root", "transform", "target_transform", "download")),
    "CelebA": Spec(3, 218, 10177, ("root", "split", "target_type", "transform", "target_transform", "download")),
    "DTD": Spec(3, 300, 47, ("root", "split", "partition", "transform", "target_transform", "download")),
    "EuroSAT": Spec(3, 64, 10, ("root", "transform", "target_transform", "download")),
    "FGVCAircraft": Spec(3, 224, 100, ("root", "split", "annotation_level", *SPLIT[2:])),
    "Flowers102": Spec(3, 224, 102, SPLIT),
    "Food101": Spec(3, 224, 101, SPLIT),
    "GTSRB": Spec(3, 48, 43, SPLIT),
    "ImageNet": Spec(3, 256, 1000, ("root", "split")),
    "Imagenette": Spec(3, 256, 10, ("root", "split", "size", "download", "transform", "target_transform")),
    "LSUN": Spec(3, 256, 10, ("root", "classes", "transform", "target_transform")),
    "Omniglot": Spec(1, 105, 964, ("root", "background", "transform", "target_transform", "download")),
    "OxfordIIITPet": Spec(3, 224, 37, ("root", "split", "target_types", "transforms", *SPLIT[2:])),
    "PCAM": Spec(3, 96, 2, SPLIT),
    "Places365": Spec(3, 256, 365, ("root", "split", "small", "download", "transform", "target_transform")),
    "RenderedSST2": Spec(3, 224, 2, SPLIT),
    "StanfordCars": Spec(3, 224, 196, SPLIT),
    "SUN397": Spec(3, 224, 397, ("root", "transform", "target_transform", "download")),
}
FOLDERS = {
    "ImageFolder": ("root", "transform", "target_transform", "loader", "is_valid_file"),
    "DatasetFolder": ("root", "loader", "extensions", "transform", "target_transform", "is_valid_file"),
}
EMNIST_CLASSES = {"byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10}


def replace(datasets: Any) -> None:
    """Changes the classes of a module that is, or stands for, `torchvision.datasets`."""
    for name, spec in SPECS.items():
        if hasattr(datasets, name):
            _change(getattr(datasets, name), _initialiser(name, spec))
    for name, arguments in FOLDERS.items():
        if hasattr(datasets, name):
            _change(getattr(datasets, name), _folder_initialiser(arguments))


def _change(cls: Any, initialise: Callable[..., None]) -> None:
    cls.__init__, cls.__getitem__, cls.__len__, cls._label = initialise, _item, _length, _label
    cls.extra_repr = lambda self: "generated samples"


def _length(self: Any) -> int:
    return len(self._pixels)


def _label(self: Any, index: int) -> Any:
    return self._targets[index]


def _item(self: Any, index: int) -> tuple[Any, Any]:
    """An image and its label, both transformed."""
    index = int(index)
    picture, label = samples.image(self._pixels[index]), self._label(index)
    if self.transforms is not None and self.transform is None and self.target_transform is None:
        return self.transforms(picture, label)  # type: ignore[no-any-return]
    if self.transform is not None:
        picture = self.transform(picture)
    return picture, label if self.target_transform is None else self.target_transform(label)


def _initialiser(name: str, spec: Spec) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(spec.arguments, args)), **kwargs}
        train = _for_training(given)
        classes = _classes(name, spec, given)
        _fill(self, given, train, classes, (spec.channels, spec.size, spec.size), name)
        _keep(self, name, spec, classes)
        if name == "CelebA":
            _attributes(self, given.get("target_type", "attr"))

    return __init__


def _folder_initialiser(arguments: tuple[str, ...]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(arguments, args)), **kwargs}
        root = os.fspath(given["root"])
        names = _subfolders(root) or ["class0", "class1"]
        train = not any(word in root.lower() for word in ("test", "val"))
        _fill(self, given, train, len(names), (3, 256, 256), "ImageFolder", os.path.basename(root))
        self.classes, self.class_to_idx = names, {name: i for i, name in enumerate(names)}
        self.targets, self.loader = self._targets, given.get("loader")
        paths = (os.path.join(root, names[label], f"{i}.png") for i, label in enumerate(self._targets))
        self.samples = self.imgs = list(zip(paths, self._targets))

    return __init__


def _subfolders(root: str) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir()) if os.path.isdir(root) else []


def _for_training(given: dict[str, Any]) -> bool:
    split = given.get("split", given.get("what", given.get("classes")))
    if "train" in given or "background" in given or split is None:
        return bool(given.get("train", given.get("background", True)))
    return split in FOR_TRAINING or "train" in str(split)


def _classes(name: str, spec: Spec, given: dict[str, Any]) -> int:
    if name == "EMNIST":
        return EMNIST_CLASSES.get(str(given.get("split")), spec.classes)
    if name == "LSUN" and isinstance(given.get("classes"), (list, tuple)):
        return len(given["classes"])
    return spec.classes


def _fill(self: Any, given: dict[str, Any], train: bool, classes: int, shape: tuple[int, int, int], *name: str) -> None:
    """Makes the samples, and keeps the arguments that every data set of torchvision keeps."""
    count = synthetic.samples(train)
    labels = samples.labels(count, classes, *name, train)
    self.root, self.train, self.split = given.get("root"), train, given.get("split")
    self.transform, self.target_transform = given.get("transform"), given.get("target_transform")
    self.transforms = given.get("transforms")
    self._pixels = samples.images(labels, *shape, *name, train)
    self._targets = labels.tolist()
    part = "training" if train else "testing"
    size = " x ".join(map(str, shape))
    synthetic.tell(f"{' '.join(name)}: {count} samples for {part}, {size}, {classes} classes")


def _keep(self: Any, name: str, spec: Spec, classes: int) -> None:
    """The attributes that scripts read past `__getitem__`: data, targets or labels, names of the classes."""
    if name == "EMNIST" and self.split == "letters":
        self._targets = [label + 1 for label in self._targets]
    if spec.layout == "tensor":
        self.data, self.targets = self._pixels[:, 0], torch.tensor(self._targets)
    elif spec.layout == "rows":
        rows = self._pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.data, self.targets = rows[..., 0] if spec.channels == 1 else rows, self._targets
    elif spec.layout == "planes":
        self.data, self.labels = self._pixels.numpy(), torch.tensor(self._targets).numpy()
    else:
        self.targets = self._targets
    if not isinstance(getattr(type(self), "classes", None), (list, property)):
        self.classes = [str(label) for label in range(classes)]
    if not isinstance(getattr(type(self), "class_to_idx", None), property):
        self.class_to_idx = {label: i for i, label in enumerate(self.classes)}


def _attributes(self: Any, target_type: Any) -> None:
    """CelebA's labels: 40 attributes, an identity, a box or landmarks, one or several of them."""
    drawn, count = samples.generator("CelebA", self.train), len(self._targets)
    self._pixels = self._pixels[..., 20:198].contiguous()
    self.attr = torch.randint(0, 2, (count, 40), generator=drawn)
    self.identity = torch.tensor(self._targets)[:, None]
    self.bbox = torch.randint(1, 178, (count, 4), generator=drawn)
    self.landmarks_align = torch.randint(1, 178, (count, 10), generator=drawn)
    kinds = {"attr": self.attr, "identity": self.identity[:, 0], "bbox": self.bbox, "landmarks": self.landmarks_align}
    wanted = [kinds[kind] for kind in (target_type if isinstance(target_type, list) else [target_type])]
    self._targets = list(wanted[0] if len(wanted) == 1 else zip(*wanted))
