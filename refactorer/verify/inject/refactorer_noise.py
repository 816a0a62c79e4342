"""Rounds what every layer gives, forward and backward, at random, as a coarser number format would.

Each value is multiplied by `1 + e`, where `e` is uniform between plus and minus REFACTORER_TRACE_NOISE, the unit
roundoff of that format (Monte Carlo arithmetic: Parker, 1997). Several such runs show how far rounding alone moves a
training. The numbers come from a generator of their own, seeded by REFACTORER_TRACE_NOISE_SEED.
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
    unit = float(os.environ["REFACTORER_TRACE_NOISE"])
    seed = int(os.environ.get("REFACTORER_TRACE_NOISE_SEED", "0"))
    generators: dict[Any, Any] = {}

    def rounded(tensor: Any) -> Any:
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return tensor
        drawn = generators.get(tensor.device)
        if drawn is None:
            drawn = generators[tensor.device] = torch.Generator(tensor.device).manual_seed(seed)
        with torch.no_grad():
            noise = torch.rand(tensor.shape, generator=drawn, device=tensor.device, dtype=tensor.dtype)
            factor = (noise * 2 - 1) * unit + 1
        return tensor * factor

    def forward(module: Any, args: Any, output: Any) -> Any:
        if next(module.children(), None) is not None:
            return None
        if isinstance(output, torch.Tensor):
            return rounded(output)
        if type(output) is tuple:
            return tuple(rounded(part) for part in output)
        return None

    torch.nn.modules.module.register_module_forward_hook(forward)
