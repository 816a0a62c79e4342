"""Compares two files written by `torch.save`: their keys, and every tensor bit for bit.

Nothing that a file names is imported or called: what is not a tensor or a plain container is read as inert data.
"""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from refactorer.verify.tolerance import Tolerance


class Inert:
    """Stands for an object of any class: its name, the arguments it was made from and its state."""

    name = ""

    args: Any
    kwargs: Any
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Keeps what the object would have been made from; unpickling may skip `__init__`."""
        self = super().__new__(cls)
        self.args, self.kwargs, self.state, self.items = args, kwargs, None, []
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    # The methods that unpickling calls on an object.
    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        """An item of a list."""
        self.items.append(value)

    def extend(self, values: Any) -> None:
        """Items of a list."""
        self.items.extend(values)

    def contents(self) -> dict[str, Any]:
        """All that the file says about the object."""
        return {"args": self.args, "kwargs": self.kwargs, "state": self.state, "items": self.items}


_BUILTINS = {"set", "frozenset", "complex", "bytearray", "slice", "range"}
_TORCH = {
    ("torch.nn.parameter", "Parameter"),
    ("torch.serialization", "_get_layout"),
    ("torch.storage", "TypedStorage"),
    ("torch.storage", "UntypedStorage"),
}


class _Unpickler(pickle.Unpickler):
    """Finds torch's own rebuilding functions and types; everything else becomes `Inert`."""

    def find_class(self, module: str, name: str) -> Any:
        import torch

        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return super().find_class("builtins", name)
        if module == "torch._utils" and name.startswith("_rebuild_"):
            return super().find_class(module, name)
        if module == "torch" and isinstance(getattr(torch, name, None), (torch.dtype, type)):
            return super().find_class(module, name)
        if (module, name) in _TORCH:
            return super().find_class(module, name)
        return type(name, (Inert,), {"name": f"{module}.{name}"})


def difference(original: Path, converted: Path, tolerance: Tolerance) -> str | None:
    """The first thing that differs, in words; None when the contents agree.

    Raises any exception when a file is not one that `torch.save` wrote.
    """
    return _differ(_load(original), _load(converted), "", tolerance, set())


def _load(path: Path) -> Any:
    import torch

    module: Any = SimpleNamespace(Unpickler=_Unpickler, load=_read, __name__="inert")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=module)


def _read(file: Any, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


def _differ(a: Any, b: Any, where: str, tolerance: Tolerance, seen: set[tuple[int, int]]) -> str | None:
    import torch

    place = where or "the object"
    if (id(a), id(b)) in seen:
        return None
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return _tensors(a, b, place, tolerance)
    if _kind(a) != _kind(b):
        return f"{place} is {_kind(a)} in the original and {_kind(b)} in the converted version"
    if isinstance(a, Inert):
        a, b = a.contents(), b.contents()
    if isinstance(a, (dict, list, tuple)):
        seen.add((id(a), id(b)))
    if isinstance(a, dict):
        return _dicts(a, b, where, tolerance, seen)
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return f"{place} has {len(a)} items in the original and {len(b)} in the converted version"
        pairs = enumerate(zip(a, b, strict=True))
        differences = (_differ(x, y, f"{where}[{i}]", tolerance, seen) for i, (x, y) in pairs)
        return next((text for text in differences if text), None)
    if isinstance(a, float) and tolerance.close(a, b):
        return None
    return None if repr(a) == repr(b) else f"{place}: {a!r} != {b!r}"


def _kind(value: Any) -> str:
    return value.name if isinstance(value, Inert) else type(value).__name__


def _dicts(
    a: dict[Any, Any], b: dict[Any, Any], where: str, tolerance: Tolerance, seen: set[tuple[int, int]]
) -> str | None:
    for left, right, side in ((a, b, "original"), (b, a, "converted version")):
        missing = [key for key in left if key not in right]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            return f"key {missing[0]!r}{more} only in the {side}" + (f", in {where}" if where else "")
    for key in a:
        text = _differ(a[key], b[key], f"{where}[{key!r}]", tolerance, seen)
        if text:
            return text
    return None


def _tensors(a: Any, b: Any, place: str, tolerance: Tolerance) -> str | None:
    import torch

    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{place}: {a.dtype} {tuple(a.shape)} != {b.dtype} {tuple(b.shape)}"
    a, b = (t.detach().to_dense() if t.layout != torch.strided else t.detach() for t in (a, b))
    if torch.equal(a.contiguous().reshape(-1).view(torch.uint8), b.contiguous().reshape(-1).view(torch.uint8)):
        return None
    loose = a.is_floating_point() and not tolerance.exact
    if loose and torch.allclose(b, a, rtol=tolerance.rtol, atol=tolerance.atol, equal_nan=True):
        return None
    apart = (a.double() - b.double()).abs() if not a.is_complex() else (a - b).abs()
    return f"{place}: {int((apart != 0).sum())} of {apart.numel()} values differ, by up to {apart.max().item():.6g}"
