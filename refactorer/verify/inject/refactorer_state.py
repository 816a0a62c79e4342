"""Exact summaries of tensors, optimizers and random generators, as JSON values. None of them draws a random number."""

from __future__ import annotations

import random
import sys
import zlib
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


def value(tensor: Any, weight: Any = None) -> dict[str, Any]:
    """A value that `backward()` starts from: its bits if it is a number, its float64 sum and checksum if not."""
    import torch

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


def of_optimizer(optimizer: Any) -> dict[str, Any]:
    """Checksum and norm of all parameters, the norm of their gradients, the learning rate of every group."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    bits = 0
    for parameter in parameters:
        bits = checksum(parameter, bits)
    return {
        "p": bits,
        "pn": norm([p.detach() for p in parameters]),
        "g": norm([p.grad.detach() for p in parameters if p.grad is not None]),
        "lr": [float(group["lr"]).hex() if "lr" in group else None for group in optimizer.param_groups],
    }


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
