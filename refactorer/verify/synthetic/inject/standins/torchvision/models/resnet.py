"""Residual networks (He et al., 2015, arXiv:1512.03385): (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .initial import not_pretrained


def _convolution(width: int, out: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width, out, size, stride, size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions of 3 by 3 with a shortcut."""

    expansion = 1

    def __init__(self, width: int, out: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(width, out, 3, stride), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = _convolution(out, out, 3), nn.BatchNorm2d(out)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + shortcut)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Convolutions of 1 by 1, 3 by 3 and 1 by 1 with a shortcut."""

    expansion = 4

    def __init__(self, width: int, out: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(width, out, 1), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = _convolution(out, out, 3, stride), nn.BatchNorm2d(out)
        self.conv3, self.bn3 = _convolution(out, out * 4, 1), nn.BatchNorm2d(out * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        return self.relu(out + shortcut)  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """Four stages of blocks behind a convolution of 7 by 7."""

    def __init__(self, block: Any, layers: list[int], num_classes: int = 1000) -> None:
        super().__init__()
        self.inplanes = 64
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(block, 64, layers[0], 1)
        self.layer2 = self._stage(block, 128, layers[1], 2)
        self.layer3 = self._stage(block, 256, layers[2], 2)
        self.layer4 = self._stage(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, block: Any, out: int, count: int, stride: int) -> nn.Sequential:
        downsample = None
        if stride != 1 or self.inplanes != out * block.expansion:
            wide = out * block.expansion
            downsample = nn.Sequential(_convolution(self.inplanes, wide, 1, stride), nn.BatchNorm2d(wide))
        blocks = [block(self.inplanes, out, stride, downsample)]
        self.inplanes = out * block.expansion
        return nn.Sequential(*blocks, *(block(self.inplanes, out) for _ in range(count - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))  # type: ignore[no-any-return]


def _make(block: Any, layers: list[int], weights: Any, kwargs: dict[str, Any]) -> ResNet:
    return ResNet(block, layers, **not_pretrained(weights, kwargs))


def resnet18(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """18 layers."""
    return _make(BasicBlock, [2, 2, 2, 2], weights, kwargs)


def resnet34(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """34 layers."""
    return _make(BasicBlock, [3, 4, 6, 3], weights, kwargs)


def resnet50(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """50 layers."""
    return _make(Bottleneck, [3, 4, 6, 3], weights, kwargs)


def resnet101(weights: Any = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """101 layers."""
    return _make(Bottleneck, [3, 4, 23, 3], weights, kwargs)
