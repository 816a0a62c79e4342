"""Whether the processes of a run divide the data of an evaluation among them.

They do where the module adds up what each of them finds: where the hooks of the stage, or methods that these may call,
mention `self.sum_across_ranks`, `self.log`, `self.log_dict` or `self.all_gather`. What a module keeps otherwise, such
as a list of predictions or an average of its own, is known to one process alone; so all of them go over all of the
data, find the same and decide the same. For modules that are not of this runtime, data are always divided, as Lightning
does it.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from runtime.module import Module

_SHARING = ("sum_across_ranks", "log", "log_dict", "all_gather")
_STAGES = ("train", "training", "validation", "test", "predict")


def divides_data(module: Any, stage: str) -> bool:
    """Whether an evaluation of `module` is divided; `stage` is "validation" or "test"."""
    if not isinstance(module, Module):
        return True
    return any(_shares(code) for kind in _own_classes(module) for code in _codes(kind, stage))


def _own_classes(module: Module) -> Iterator[type]:
    """The classes of a module below the runtime's own."""
    for kind in type(module).__mro__:
        if kind is Module:
            return
        yield kind


def _codes(kind: type, stage: str) -> Iterator[CodeType]:
    """The code of a class, but for the hooks of other stages."""
    others = tuple(f"{prefix}{other}_" for other in _STAGES if other != stage for prefix in ("", "on_"))
    for name, member in vars(kind).items():
        code = getattr(inspect.unwrap(member), "__code__", None) if callable(member) else None
        if code is not None and not name.startswith(others):
            yield code


def _shares(code: CodeType) -> bool:
    """Whether code asks the object that it is a method of to share something with the other processes."""
    own = code.co_varnames[:1]
    before: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.argval in _SHARING and before in own and instruction.opname.startswith("LOAD_"):
            return True
        before = instruction.argval
    return False
