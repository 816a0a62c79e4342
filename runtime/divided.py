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
from functools import cache
from itertools import takewhile
from types import CodeType
from typing import Any

from runtime.module import Module

_SHARING = ("sum_across_ranks", "log", "log_dict", "all_gather")
_STAGES = ("train", "training", "validation", "test", "predict")


def divides_data(module: Any, stage: str) -> bool:
    """Whether an evaluation of `module` is divided; `stage` is "validation" or "test"."""
    kind: Any = type(module)
    return not isinstance(module, Module) or _shares_results(kind, stage)


@cache
def _shares_results(kind: Any, stage: str) -> bool:
    """Whether the code of a class of modules, but for the hooks of other stages, shares what it finds."""
    others = tuple(f"{prefix}{other}_" for other in _STAGES if other != stage for prefix in ("", "on_"))
    own = takewhile(lambda one: one is not Module, kind.__mro__)
    members = ((name, member) for one in own for name, member in vars(one).items())
    return any(_shares(code) for name, member in members if not name.startswith(others) for code in _codes(member))


def _codes(member: Any) -> Iterator[CodeType]:
    """The code of a method, without its decorators."""
    code = getattr(inspect.unwrap(member), "__code__", None) if callable(member) else None
    if isinstance(code, CodeType):
        yield code


def _shares(code: CodeType, own: str = "") -> bool:
    """Whether code asks its own object, `self`, to share something with the other processes."""
    own = own or next(iter(code.co_varnames), "")
    before: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.argval in _SHARING and before == own and instruction.opname.startswith("LOAD_"):
            return True
        before = instruction.argval
    return any(_shares(inner, own) for inner in code.co_consts if isinstance(inner, CodeType))
