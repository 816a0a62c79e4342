"""What a step hands back: the loss in it, and what ``on_train_batch_end`` is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loops.optimization.automatic import ClosureResult
from torch import Tensor

from runtime import held, hooks


def are_wanted(trainer: Any) -> bool:
    """Whether anybody is handed what a step returns, or may ask for its loss later."""
    return hooks.resolve(trainer, "on_train_batch_end") is not None or held.is_heard(trainer)


def loss_of(output: Any) -> Tensor | None:
    """The very tensor that a step returned as its loss; None where it left the batch out.

    Raises:
        MisconfigurationException: the step returned something that holds no loss.
    """
    if isinstance(output, Tensor):  # by far the commonest answer; Lightning checks the others
        return output
    if ClosureResult.from_training_step_output(output).closure_loss is None:
        return None
    loss: Tensor = output["loss"]  # Lightning's is divided by one, and thereby another tensor
    return loss


def outputs_of(output: Any, loss: Tensor) -> dict[str, Any]:
    """The outputs for ``on_train_batch_end``, with a copy of ``loss`` that holds no graph."""
    kept = {"loss": loss.detach().clone()}
    return {**output, **kept} if isinstance(output, Mapping) else kept
