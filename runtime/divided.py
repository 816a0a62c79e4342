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
from functools import cache
from types import CellType, CodeType, FunctionType
from typing import Any

from runtime.module import Module

_SUM = "sum_across_ranks"
_SHARING = ("log", "log_dict", "all_gather")
_STAGES = ("train", "training", "validation", "test", "predict")


def divides_data(module: Any, stage: str) -> bool:
    """Whether an evaluation of `module` is divided; `stage` is "validation" or "test"."""
    kind: Any = type(module)
    return not isinstance(module, Module) or _shares_results(kind, stage)


@cache
def _shares_results(kind: Any, stage: str) -> bool:
    """Whether a class of modules shares what it finds, hooks of other stages that nothing mentions aside."""
    others = tuple(f"{prefix}{other}_" for other in _STAGES if other != stage for prefix in ("", "on_"))
    own = [one for one in kind.__mro__ if one not in Module.__mro__]
    members = [(name, code) for one in own for name, member in vars(one).items() for code in _codes(member)]
    asked = [(name, code) for name, code in members if not name.startswith(others)]
    while asked:
        if any(_shares(code) for _, code in asked):
            return True
        members = [pair for pair in members if pair not in asked]
        mentioned = {name for _, code in asked for name in _names(code)}
        asked = [(name, code) for name, code in members if name in mentioned]
    return False


def _codes(member: Any) -> list[CodeType]:
    """The code of a method, and of the functions that its decorators keep."""
    found: dict[CodeType, None] = {}
    left = [member]
    while left:
        one = left.pop()
        one = inspect.unwrap(one) if callable(one) else one
        if isinstance(one, FunctionType) and one.__code__ not in found:
            found[one.__code__] = None
            left += [cell.cell_contents for cell in one.__closure__ or () if _keeps_function(cell)]
    return list(found)


def _keeps_function(cell: CellType) -> bool:
    try:
        return isinstance(cell.cell_contents, FunctionType)
    except ValueError:
        return False


def _names(code: CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _shares(code: CodeType, own: str = "") -> bool:
    """Whether code asks its own object, `self`, to share something with the other processes."""
    own = own or next(iter(code.co_varnames), "")
    before: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":
            continue
        if instruction.argval == _SUM:
            return True
        if instruction.argval in _SHARING and before == own and instruction.opname.startswith("LOAD_"):
            return True
        before = instruction.argval[-1] if isinstance(instruction.argval, tuple) else instruction.argval
    return any(_shares(inner, own) for inner in code.co_consts if isinstance(inner, CodeType))
