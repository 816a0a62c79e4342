"""A GPU that is not there: each tensor remembers where it would be, and is computed on the CPU.

What a GPU would refuse raises here too: tensors of two places in one operation, and arrays of what is on the GPU. What
is drawn there comes from a generator of its own. `done` counts which operation ran where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

GPU = "cuda:0"
PLACE = "_pretended_place"
_ARRAYS = ("numpy", "__array__")
_KEEPING = ("copy_", "__setitem__", "set_", "backward", "lstm", "gru", "rnn_tanh", "rnn_relu")
_ASKING = (
    "item",
    "tolist",
    "__bool__",
    "__len__",
    "size",
    "dim",
    "numel",
    "is_floating_point",
    "__hash__",
    "__int__",
    "__float__",
    "_has_compatible_shallow_copy_type",
    "_has_torch_function",
    "is_same_size",
    "is_set_to",
    "stride",
    "is_contiguous",
    "data_ptr",
    "nelement",
    "requires_grad_",
    "element_size",
    "is_complex",
)


class Generator:
    """The state of the generator of the GPU, which takes the place of the CPU's while something is drawn there."""

    def __init__(self) -> None:
        self.seed(torch.initial_seed())

    def seed(self, seed: int) -> None:
        """Other numbers than the CPU's for the same seed, so that one cannot pass for the other."""
        self.state = torch.Generator().manual_seed((seed + 7919) % 2**63).get_state()

    def __enter__(self) -> None:
        self.outer = torch.get_rng_state()
        torch.set_rng_state(self.state)

    def __exit__(self, *error: object) -> None:
        self.state = torch.get_rng_state()
        torch.set_rng_state(self.outer)


def place(tensor: torch.Tensor) -> str:
    """Where a tensor would be."""
    return tensor.__dict__.get(PLACE, "cpu")


def put(tensor: torch.Tensor, where: str) -> torch.Tensor:
    """Notes that a tensor is there from now on."""
    tensor.__dict__[PLACE] = where
    return tensor


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """The tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def named(device: object) -> str:
    """The place that an argument `device` means."""
    if isinstance(device, int):
        return f"cuda:{device}"
    name = str(device)
    return GPU if name == "cuda" else name


class PretendedGpu(TorchFunctionMode):
    """While it is entered, `.cuda()` and `device='cuda'` work, and what would fail on a GPU fails."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Generator()
        self.done: Counter[tuple[str, str]] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if name in ("__get__", "__set__"):
            return self._attribute(func, name, args, kwargs)
        if name in _ASKING:
            return func(*args, **kwargs)
        special = getattr(self, f"_call_{name}", None)
        if special is not None:
            return special(func, args, kwargs)
        return self._any(func, name, args, kwargs)

    # --- attributes -----------------------------------------------------------------------------------------------

    def _attribute(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        attribute = func.__self__.__name__
        tensor = args[0]
        where = place(tensor)
        if name == "__set__":
            if attribute == "data":
                func(*args)
                put(tensor, place(args[1]))
                return None
            if attribute == "grad" and args[1] is not None and place(args[1]) != where:
                raise RuntimeError(f"assigned grad has data located on {place(args[1])}, the tensor is on {where}")
            return func(*args)
        if attribute == "device":
            return torch.device(where)
        if attribute in ("is_cuda", "is_cpu"):
            return where.startswith("cuda") == (attribute == "is_cuda")
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            if attribute == "grad" and PLACE in result.__dict__:
                return result
            put(result, where)
        return result

    # --- moves ----------------------------------------------------------------------------------------------------

    def _moved(self, tensor: torch.Tensor, where: str, *args: Any, **kwargs: Any) -> torch.Tensor:
        if place(tensor) == where:
            result = torch.Tensor.to(tensor, *args, **kwargs) if args or kwargs else tensor
        else:
            result = torch.Tensor.to(tensor, *(args or (tensor.dtype,)), **{**kwargs, "copy": True})
        return result if result is tensor else put(result, where)

    def _call_to(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor, *rest = args
        where = place(tensor)
        if "device" in kwargs:
            device = kwargs.pop("device")
            where = named(device) if device is not None else where
        if "other" in kwargs:
            rest.insert(0, kwargs.pop("other"))
        left: list[Any] = []
        for i, value in enumerate(rest):
            if isinstance(value, torch.Tensor):
                where = place(value)
                left.append(value.dtype)
            elif isinstance(value, (torch.device, str)) or (
                isinstance(value, int) and not isinstance(value, bool) and i == 0
            ):
                where = named(value)
            elif value is not None:
                left.append(value)
        for name in ("non_blocking", "copy"):
            kwargs.pop(name, None)
        left = [value for value in left if not isinstance(value, bool)]
        kind = kwargs.pop("dtype", None)
        if kind is not None:
            left = [kind]
        return self._moved(tensor, where, *left, **kwargs)

    def _call_cuda(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        device = kwargs.get("device", args[1] if len(args) > 1 else None)
        return self._moved(args[0], GPU if device is None or isinstance(device, bool) else named(device))

    def _call_cpu(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._moved(args[0], "cpu")

    def _call_type(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tensor = args[0]
        wanted = kwargs.get("dtype", args[1] if len(args) > 1 else None)
        if wanted is None:
            text = func(tensor)
            return text.replace("torch.", "torch.cuda.") if place(tensor) != "cpu" else text
        if isinstance(wanted, torch.dtype):
            return self._moved(tensor, place(tensor), wanted)
        text = wanted if isinstance(wanted, str) else f"{wanted.__module__}.{wanted.__name__}"
        kind = getattr(torch, text.rsplit(".", 1)[1]).dtype
        return self._moved(tensor, GPU if ".cuda." in text else "cpu", kind)

    def _call_type_as(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._moved(args[0], place(args[1]), args[1].dtype)

    def _call_get_device(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        return int(place(args[0])[5:]) if place(args[0]) != "cpu" else -1

    # --- what is shown ----------------------------------------------------------------------------------------------

    def _call___repr__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        text = func(*args, **kwargs)
        return text if place(args[0]) == "cpu" else f"{text[:-1]}, device='{place(args[0])}')"

    def _call___format__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if args[0].dim() == 0 or args[1]:
            return func(*args, **kwargs)
        return self._call___repr__(torch.Tensor.__repr__, args[:1], {})

    # --- anything else --------------------------------------------------------------------------------------------

    def _call_tensor(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        data = args[0] if args else kwargs.get("data")
        where = place(data) if isinstance(data, torch.Tensor) else "cpu"
        return self._made(func, args, kwargs, where)

    _call_as_tensor = _call_tensor

    def _call__pack_padded_sequence(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if place(args[1]) != "cpu":
            raise RuntimeError("'lengths' argument should be a 1D CPU int64 tensor")
        data, sizes = func(*args, **kwargs)
        return put(data, place(args[0])), sizes

    def _call_from_numpy(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return func(*args, **kwargs)

    def _made(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Any:
        if kwargs.get("device") is not None:
            where = named(kwargs["device"])
        kwargs.pop("device", None)
        return self._run(func, args, kwargs, where)

    def _any(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = list(tensors_in([args, kwargs]))
        where = self._common(name, given)
        if "device" in kwargs:
            return self._made(func, args, kwargs, where)
        if name in _ARRAYS and where != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        self._check_generator(kwargs.get("generator"), where)
        return self._run(func, args, kwargs, where)

    def _check_generator(self, generator: Any, where: str) -> None:
        if generator is not None and getattr(generator, "place", "cpu") != where:
            raise RuntimeError(f"Expected a generator of {where}")

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Any:
        self.done[getattr(func, "__name__", str(func)), where] += 1
        if where == "cpu":
            return func(*args, **kwargs)
        with self.generator:
            result = func(*args, **kwargs)
        for tensor in tensors_in(result):
            put(tensor, where)
        return result

    def _common(self, name: str, given: list[torch.Tensor]) -> str:
        """Where an operation runs.

        Raises:
            RuntimeError: its tensors are in several places.
        """
        if not given:
            return "cpu"
        if name in _KEEPING:
            return place(given[0])
        places = {place(tensor) for tensor in given}
        if len(places) == 1:
            return places.pop()
        if name == "__getitem__":
            if place(given[0]) == "cpu":
                raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
            return place(given[0])
        large = {place(tensor) for tensor in given if tensor.dim() > 0}
        in_place = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
        if len(large) > 1 or large == {"cpu"} or (in_place and place(given[0]) == "cpu") or name in ("cat", "stack"):
            raise RuntimeError(f"Expected all tensors to be on the same device, {name} was given {sorted(places)}")
        return GPU
