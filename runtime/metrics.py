"""Metrics over all processes, from functions that know one process only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric


class FunctionMetric(Metric):
    """Any metric of whole arrays, such as those of ``sklearn.metrics``, over the data of all processes.

    Predictions and targets are kept until the value is asked for, then collected from every process; so the value is
    that of the whole data set, and not a mean of values of its parts. Only the order of the samples differs from that
    of a single process.

    Example:
        >>> from sklearn.metrics import f1_score
        >>> metric = FunctionMetric(f1_score, average="macro")
        >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
        >>> round(metric.compute().item(), 4)
        0.6667

    Args:
        function: Takes targets and predictions as numpy arrays, in this order, and returns a number or an array.
        **arguments: Further arguments of the function.
    """

    full_state_update = False
    predictions: list[Tensor]
    targets: list[Tensor]

    def __init__(self, function: Callable[..., Any], **arguments: Any) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments
        self.add_state("predictions", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Take the predictions and targets of one batch; the first dimension of each counts the samples."""
        self.predictions.append(predictions.detach().cpu())
        self.targets.append(targets.detach().cpu())

    def compute(self) -> Tensor:
        """Return the function's value over everything that was seen."""
        predictions, targets = (torch.cat(state).numpy() for state in (self.predictions, self.targets))
        return torch.as_tensor(self.function(targets, predictions, **self.arguments))

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] | None = None, process_group: Any = None) -> None:
        """Collect as objects: the base class gathers tensors, which a process without data has none of."""
        for name in ("predictions", "targets"):
            parts: list[Any] = [None] * dist.get_world_size(process_group)
            dist.all_gather_object(parts, list(getattr(self, name)), group=process_group)
            setattr(self, name, [tensor for part in parts for tensor in part])
