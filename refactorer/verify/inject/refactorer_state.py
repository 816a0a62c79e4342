"""Exact summaries of tensors, optimizers and random generators, as JSON values. None of them draws a random number."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Iterable, Mapping
from typing import Any


def checksum(tensor: Any, start: int = 0) -> int:
    """CRC-32 over the bits of a tensor of any dtype, device and layout."""
    import torch

    tensor = tensor.detach()
    if hasattr(tensor, "to_local"):
        tensor = tensor.to_local()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    bits = tensor.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
    return zlib.crc32(bits.numpy(), start)


def fingerprint(value: Any, start: int = 0, depth: int = 0) -> int:
    """CRC-32 over the tensors, arrays, numbers and texts in nested containers, in their order; never raises."""
    import torch

    if isinstance(value, torch.Tensor):
        try:
            return checksum(value, zlib.crc32(f"{value.dtype}{tuple(value.shape)}".encode(), start))
        except Exception:  # a tensor without memory of its own (fake, nested, of a user's class) has no bits to read
            return zlib.crc32(type(value).__name__.encode(), start)
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return zlib.crc32(repr(value).encode(), start)
    if hasattr(value, "__array_interface__") and hasattr(value, "tobytes"):  # an array, or a picture of PIL
        holds_objects = getattr(getattr(value, "dtype", None), "hasobject", False)
        return start if holds_objects else zlib.crc32(value.tobytes(), start)
    return _of_container(value, zlib.crc32(type(value).__name__.encode(), start), depth)


def _of_container(value: Any, start: int, depth: int) -> int:
    if depth > 8:
        return start
    if isinstance(value, Mapping):
        value = [item for pair in value.items() for item in pair]
    elif not isinstance(value, (list, tuple)):
        value = list(vars(value).values()) if hasattr(value, "__dict__") and not callable(value) else []
    for item in value:
        start = fingerprint(item, start, depth + 1)
    return start


def value(tensor: Any, weight: Any = None) -> dict[str, Any]:
    """A value that `backward()` starts from: its bits if it is a number, its float64 sum and checksum if not."""
    import torch

    if type(tensor) is torch.Tensor and weight is None and tensor.dtype is torch.float32 and not tensor.shape:
        return {
            "v": float(tensor.item()).hex(),
            "d": "float32",
            "n": [],
            "c": None,
        }  # the usual loss, at a third of the cost
    if not isinstance(tensor, torch.Tensor):
        return {"v": "nan", "d": type(tensor).__name__, "n": [], "c": None}
    with torch.no_grad():
        single = tensor.numel() == 1 and not tensor.is_complex()
        number = tensor.item() if single else (tensor.real if tensor.is_complex() else tensor).double().sum().item()
        parts = None if single else checksum(tensor)
        if isinstance(weight, torch.Tensor):
            parts = checksum(weight, parts or 0)
    return {"v": float(number).hex(), "d": str(tensor.dtype)[6:], "n": list(tensor.shape), "c": parts}


def norm(tensors: list[Any]) -> str:
    """Euclidean norm over all tensors, as float hex; only compared with the same sum in another run."""
    import torch

    total = 0.0
    with torch.no_grad():
        for tensor in tensors:
            tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
            tensor = tensor.coalesce().values() if tensor.is_sparse else tensor
            wide = tensor if tensor.dtype in (torch.float32, torch.float64) or tensor.is_complex() else tensor.float()
            total += float(torch.linalg.vector_norm(wide)) ** 2
    return float(total**0.5).hex()


def parameters(optimizer: Any) -> list[Any]:
    """All parameters of an optimizer, in its order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Checksum and norm of all parameters, the norm of their gradients, checksum of the state, and the settings."""
    found = parameters(optimizer)
    bits = 0
    for parameter in found:
        bits = checksum(parameter, bits)
    return {
        "p": bits,
        "pn": norm([p.detach() for p in found]),
        "g": norm(_gradients(found)),
        "st": fingerprint([optimizer.state[p] for p in found if p in optimizer.state]),
        "set": settings(optimizer),
    }


def rates(optimizer: Any) -> list[str | None]:
    """The learning rate of every parameter group, as float hex; None in a group that has none."""
    return [float(group["lr"]).hex() if "lr" in group else None for group in optimizer.param_groups]


def settings(optimizer: Any) -> str:
    """What the optimizer was made with besides its learning rates: the same text for the same settings."""
    left_out = {"params", "lr", "initial_lr"}
    groups = [
        ", ".join(f"{key}={group[key]}" for key in sorted(group.keys() - left_out) if _plain(group[key]))
        for group in optimizer.param_groups
    ]
    sizes = [
        f"{len(g['params'])} tensors, {sum(p.numel() for p in g['params'])} values" for g in optimizer.param_groups
    ]
    return "; ".join(f"{size}, {text}" for size, text in zip(sizes, groups, strict=True))


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def by_parameter(parameters: Iterable[Any]) -> list[list[Any]]:
    """Shape, checksum of the gradient and checksum of the value of each parameter."""
    return [[list(p.shape), None if p.grad is None else checksum(p.grad), checksum(p)] for p in parameters]


def gradients_of(optimizers: Iterable[Any]) -> str:
    """Norm of all gradients that lie on the parameters of some optimizers, as float hex."""
    known = {id(p): p for optimizer in optimizers for p in parameters(optimizer)}
    return norm(_gradients(known.values()))


def _gradients(parameters: Iterable[Any]) -> list[Any]:
    return [p.grad.detach() for p in parameters if p.grad is not None]


def scheduler(scheduler: Any) -> dict[str, Any]:
    """The epoch of a scheduler, a checksum of its attributes, the rates that it gives and those it starts from."""
    plain = {key: item for key, item in sorted(vars(scheduler).items()) if key[0] != "_" and _plain(item)}
    base = getattr(scheduler, "base_lrs", [])
    rates = [float(rate) for rate in getattr(scheduler, "_last_lr", [])] if base else []
    made = {"n": getattr(scheduler, "last_epoch", None), "c": zlib.crc32(repr(plain).encode())}
    return {**made, "lr": rates, "base": [float(rate) for rate in base]}


def generators() -> dict[str, int]:
    """Checksum of the state of each global random generator that exists in this process."""
    _, words, gauss = random.getstate()
    found = {"random": zlib.crc32(repr(gauss).encode(), hash(words) & 0xFFFFFFFF)}
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        found["numpy"] = _numpy_state(numpy)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        found["torch"] = zlib.crc32(torch.get_rng_state().numpy())
        if torch.cuda.is_initialized():
            found["torch on the GPU"] = zlib.crc32(torch.cuda.get_rng_state().numpy())
    return found


def seed() -> int:
    """The number that torch was seeded with last; asking for it draws nothing."""
    import torch

    return int(torch.initial_seed())


def _numpy_state(numpy: Any) -> int:
    state = numpy.get_state()
    if isinstance(state, dict):
        return zlib.crc32(repr(state).encode())
    _, key, position, has_gauss, cached = state
    return zlib.crc32(key, hash((int(position), int(has_gauss), float(cached))) & 0xFFFFFFFF)


def rank() -> int:
    """Rank of this process in its process group; 0 without one."""
    import torch.distributed as group

    return group.get_rank() if group.is_available() and group.is_initialized() else 0


def peak_memory() -> dict[str, int | None]:
    """Highest resident memory of this process and highest memory on its GPU, in bytes; None where unknown."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_initialized() else None
    return {"rss": _peak_resident(), "gpu": gpu}


def _peak_resident() -> int | None:
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
