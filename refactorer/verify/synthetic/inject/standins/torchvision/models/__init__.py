"""Some models of torchvision, with its names of parameters and its initial weights; nothing is pretrained."""

from __future__ import annotations

from typing import NoReturn

from .resnet import ResNet, resnet18, resnet34, resnet50, resnet101
from .vgg import VGG, AlexNet, alexnet, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "VGG", "AlexNet", "ResNet", "alexnet", "resnet18", "resnet34", "resnet50", "resnet101", "vgg11", "vgg11_bn",
    "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"the stand-in for torchvision has no model {name!r}: install torchvision to verify this script")
