"""What `torch.cuda` says and does where a GPU is pretended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from tests.pretended.device import GPU, PretendedGpu, place, put, tensors_in

_KINDS = ("Float", "Double", "Half", "Byte", "Char", "Short", "Int", "Long", "Bool", "BFloat16")


def install(gpu: PretendedGpu) -> None:
    """Replaces what asks the driver, for the rest of this process."""
    for name, value in _asked(gpu).items():
        setattr(torch.cuda, name, value)
    torch.cuda.random.manual_seed = torch.cuda.manual_seed
    torch.cuda.random.manual_seed_all = torch.cuda.manual_seed_all
    torch.accelerator.is_available = lambda: False
    for kind in _KINDS:
        setattr(torch.cuda, f"{kind}Tensor", _type(kind))
    _parameters()
    _loading()
    _parallel()
    torch.compile = lambda model=None, **_: model if model is not None else (lambda given: given)


def _asked(gpu: PretendedGpu) -> dict[str, Any]:
    def answer(value: Any) -> Any:
        return lambda *_, **__: value

    def seed(number: int) -> None:
        gpu.generator.seed(int(number))

    def restore(state: torch.Tensor, device: object = None) -> None:
        gpu.generator.state = state

    properties = SimpleNamespace(name="Pretended", total_memory=2**34, major=8, minor=0, multi_processor_count=1)
    return {
        "is_available": answer(True), "device_count": answer(1), "current_device": answer(0),
        "set_device": answer(None),
        "is_initialized": answer(True), "init": answer(None), "_lazy_init": answer(None), "empty_cache": answer(None),
        "synchronize": answer(None), "get_device_name": answer("Pretended"),
        "get_device_properties": answer(properties),
        "get_device_capability": answer((8, 0)), "memory_allocated": answer(0), "max_memory_allocated": answer(0),
        "memory_reserved": answer(0), "max_memory_reserved": answer(0), "reset_peak_memory_stats": answer(None),
        "is_bf16_supported": answer(True), "manual_seed": seed, "manual_seed_all": seed,
        "memory_stats": answer({}), "ipc_collect": answer(None),
        "get_rng_state": lambda device=None: gpu.generator.state.clone(), "set_rng_state": restore,
        "get_rng_state_all": lambda: [gpu.generator.state.clone()],
        "set_rng_state_all": lambda states: restore(states[0]),
    }  # fmt: skip


def _type(kind: str) -> type:
    plain = getattr(torch, f"{kind}Tensor")

    class OnGpu(type):
        def __call__(cls, *args: Any) -> torch.Tensor:
            given = [arg.detach().clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
            return put(plain(*given), GPU)

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, torch.Tensor) and place(value) != "cpu" and value.dtype == plain.dtype

    return OnGpu(f"{kind}Tensor", (), {"__module__": "torch.cuda", "dtype": plain.dtype})


def _parameters() -> None:
    made = nn.Parameter.__new__

    def new(cls: type, data: Any = None, requires_grad: bool = True) -> Any:
        parameter = made(cls, data, requires_grad)
        return put(parameter, place(data)) if isinstance(data, torch.Tensor) else parameter

    nn.Parameter.__new__ = new
    meta = type(torch.autograd.Variable)
    wrapped = torch.autograd.Variable

    class Meta(meta):  # type: ignore[misc, valid-type]
        def __call__(cls, data: Any = None, *args: Any, **options: Any) -> Any:
            tensor = wrapped(data, *args, **options)
            return put(tensor, place(data)) if isinstance(data, torch.Tensor) else tensor

    torch.autograd.Variable = Meta("Variable", (), {})
    torch.autograd.variable.Variable = torch.autograd.Variable


def _loading() -> None:
    loaded = torch.load

    def load(file: Any, map_location: Any = None, **options: Any) -> Any:
        options["weights_only"] = False
        value = loaded(file, map_location="cpu", **options)
        for tensor in tensors_in(value):
            if map_location is not None and not isinstance(map_location, dict):
                chosen = map_location(tensor, place(tensor)) if callable(map_location) else map_location
                put(
                    tensor,
                    place(chosen)
                    if isinstance(chosen, torch.Tensor)
                    else str(torch.device(chosen)).replace("cuda:0", "cuda").replace("cuda", GPU),
                )
        return value

    torch.load = load


def _parallel() -> None:
    def scatter(self: Any, inputs: Any, kwargs: Any, device_ids: Any) -> Any:
        return (_moved(inputs),), (_moved(kwargs),)

    nn.DataParallel.scatter = scatter


def _moved(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(GPU)
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item) for item in value)
    if isinstance(value, dict):
        return {key: _moved(item) for key, item in value.items()}
    return value
