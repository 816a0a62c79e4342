"""Checkpoints that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it when it is complete and on the disk.

    Lightning writes to the system's temporary folder and moves the file, which copies it where that folder is on
    another disk: a full disk would then leave half a checkpoint in place of the one before. Remote places
    (``s3://``) stay Lightning's.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save; see :meth:`lightning_fabric.plugins.io.torch_io.TorchCheckpointIO.save_checkpoint`.

        Raises:
            OSError: it could not be written; the message names the place, and what was there before still is.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(checkpoint, target)
        except (OSError, RuntimeError) as error:
            # torch wraps what the system said in a RuntimeError
            reason = error if isinstance(error, OSError) else error.__context__
            if not isinstance(reason, OSError):
                raise
            said = f"the checkpoint could not be written, and none was replaced: {reason.strerror}"
            raise OSError(reason.errno, said, str(path)) from error


def take_over(strategy: Any) -> None:
    """Have the strategy write its checkpoints so, unless it has a way of its own."""
    if type(strategy.checkpoint_io) is TorchCheckpointIO:
        strategy.checkpoint_io = AtomicCheckpointIO()


def _write(checkpoint: dict[str, Any], target: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _umask() -> int:
    """The process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
