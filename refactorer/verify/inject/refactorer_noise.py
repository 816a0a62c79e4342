"""Rounds what every layer gives, forward and backward, at random, as a coarser number format would.

Each value is multiplied by `1 + e`, where `e` is uniform between plus and minus the unit roundoff of the format that
REFACTORER_TRACE_NOISE names, or of the value's own if that is coarser (Monte Carlo arithmetic: Parker, 1997). Several
such runs show how far rounding alone moves a training. The numbers come from a generator of their own, seeded by
REFACTORER_TRACE_NOISE_SEED.
"""

from __future__ import annotations

import os
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_plugins as plugins  # type: ignore[import-not-found]


def start(tracer: Any) -> None:
    """Begins when torch is imported."""
    plugins.after("torch", _install)


def _install(torch: Any) -> None:
    coarse = getattr(torch, os.environ["REFACTORER_TRACE_NOISE"])
    seed = int(os.environ.get("REFACTORER_TRACE_NOISE_SEED", "0"))
    generators: dict[Any, Any] = {}

    def rounded(tensor: Any) -> Any:
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return tensor
        drawn = generators.get(tensor.device)
        if drawn is None:
            drawn = generators[tensor.device] = torch.Generator(tensor.device).manual_seed(seed)
        with torch.no_grad():
            wide = torch.promote_types(tensor.dtype, torch.float32)
            noise = torch.rand(tensor.shape, generator=drawn, device=tensor.device, dtype=wide)
            unit = max(torch.finfo(coarse).eps, torch.finfo(tensor.dtype).eps) / 2
            factor = (noise * 2 - 1) * unit + 1
        return (tensor * factor).to(tensor.dtype)

    def forward(module: Any, args: Any, output: Any) -> Any:
        if next(module.children(), None) is not None:
            return None
        if isinstance(output, torch.Tensor):
            return rounded(output)
        if type(output) is tuple:
            return tuple(rounded(part) for part in output)
        return None

    torch.nn.modules.module.register_module_forward_hook(forward)
