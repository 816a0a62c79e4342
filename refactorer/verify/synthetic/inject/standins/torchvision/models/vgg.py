"""VGG (Simonyan and Zisserman, 2014, arXiv:1409.1556) and AlexNet (Krizhevsky, 2014, arXiv:1404.5997)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .initial import not_pretrained

# Channels of the convolutions between the poolings.
STAGES = {
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    13: ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}


class VGG(nn.Module):
    """Convolutions of 3 by 3, then three linear layers."""

    def __init__(self, features: nn.Module, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features, self.avgpool = features, nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(4096, num_classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))  # type: ignore[no-any-return]


class AlexNet(nn.Module):
    """Five convolutions, then three linear layers."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(True), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(True),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(True),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, num_classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))  # type: ignore[no-any-return]


def _features(depth: int, normalised: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = 3
    for stage in STAGES[depth]:
        for out in stage:
            norm = [nn.BatchNorm2d(out)] if normalised else []
            layers += [nn.Conv2d(width, out, 3, padding=1), *norm, nn.ReLU(True)]
            width = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _maker(depth: int, normalised: bool) -> Any:
    def make(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
        return VGG(_features(depth, normalised), **not_pretrained(weights, kwargs))

    make.__name__ = f"vgg{depth}" + ("_bn" if normalised else "")
    return make


vgg11, vgg13, vgg16, vgg19 = (_maker(depth, False) for depth in STAGES)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_maker(depth, True) for depth in STAGES)


def alexnet(weights: Any = None, progress: bool = True, **kwargs: Any) -> AlexNet:
    """AlexNet."""
    return AlexNet(**not_pretrained(weights, kwargs))
