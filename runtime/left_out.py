"""Steps that hand back no loss: the batch is left out, or the loss is None, which no script trains on either."""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType, FunctionType
from typing import Any

from runtime.groups import is_joined
from runtime.module import Module

_HINT = "training_step returned a loss that is None; a `return` without a value leaves a batch out"


def check(trainer: Any) -> None:
    """A step handed back None.

    Raises:
        AttributeError: it was the loss, of which a script asks ``backward()``.
        RuntimeError: there are several processes, which the script did not start by itself to skip batches together.
    """
    module = trainer.lightning_module
    if isinstance(module, Module) and not _may_leave_out(type(module)):
        _refuse_loss()
    if trainer.world_size > 1 and not is_joined(trainer.strategy):
        raise RuntimeError(
            "training_step returned None: with several processes every process has to step, otherwise they wait for"
            " each other forever. Return a loss for every batch, or train with devices=1."
        )


def _refuse_loss() -> None:
    """Raise what ``loss.backward()`` raises, with a hint."""
    loss: Any = None
    try:
        loss.backward()
    except AttributeError as error:
        if sys.version_info >= (3, 11):
            error.add_note(_HINT)
        raise


def _may_leave_out(module: type) -> bool:
    """Whether ``training_step``, or a method of the module that it names, has a way out without a value."""
    step = module.training_step  # type: ignore[attr-defined]
    if not isinstance(step, FunctionType) or step.__code__.co_name != "training_step" or hasattr(step, "__wrapped__"):
        return True
    named = (getattr(module, name, None) for name in step.__code__.co_names if not hasattr(Module, name))
    codes = [step.__code__, *(method.__code__ for method in named if isinstance(method, FunctionType))]
    return "super" in step.__code__.co_names or any(map(_returns_nothing, codes))


@functools.cache
def _returns_nothing(code: CodeType) -> bool:
    """Whether some way through a function ends with ``return``, with ``return None``, or with its last line.

    A function that returns from inside a ``with`` block has such a way too: the block may swallow an exception.
    """
    loads_none = False
    for instruction in dis.get_instructions(code):
        is_none = instruction.argval is None
        if instruction.opname == "RETURN_CONST" and is_none:  # Python 3.12 and 3.13
            return True
        if instruction.opname == "RETURN_VALUE" and loads_none:
            return True
        loads_none = instruction.opname == "LOAD_CONST" and is_none
    return False
