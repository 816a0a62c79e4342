"""Watches what goes on between two optimizer steps: batches, forwards, modes, clipping, schedulers, buffers.

Nothing here draws a random number, changes a value or keeps an object of the script alive.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import refactorer_state as state  # type: ignore[import-not-found]

Record = Callable[..., None]

WRAPPERS = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "LightningModule")
_passing: dict[type[Any], bool] = {}


class Buffers:
    """The buffers of all modules. Those of a module count once they have changed since it was made."""

    def __init__(self) -> None:
        self.versions: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def note(self, module: Any, *_: Any) -> None:
        """Remembers a module that has buffers, as it is now."""
        try:
            self.versions[module] = _versions(module)
        except TypeError:  # a class of the script's own that cannot be hashed
            return

    def changed(self) -> int:
        """CRC-32 over the buffers of all modules that changed since the last call; 0 when none did."""
        bits = 0
        for module, before in list(self.versions.items()):
            now = _versions(module)
            if now != before:
                self.versions[module] = now
                bits = state.fingerprint([buffer for _, buffer in _buffers(module)], bits)
        return bits


def _buffers(module: Any) -> list[tuple[str, Any]]:
    return [(name, buffer) for name, buffer in module._buffers.items() if buffer is not None]


def _versions(module: Any) -> list[tuple[str, int, int]]:
    return [
        (name, id(buffer), -1 if buffer.is_inference() else buffer._version)
        for name, buffer in _buffers(module)
    ]  # fmt: skip


class Forwards:
    """Calls of modules: how many in which mode, what the outermost return, and on demand what all return."""

    def __init__(self, tracer: Any, every_module: int) -> None:
        self.tracer, self.every_module = tracer, every_module
        self.training = self.evaluating = self.depth = 0
        self.thread = threading.get_ident()
        self.names: dict[int, str] = {}

    def watch(self) -> None:
        """Registers hooks for the modules of the whole process."""
        from torch.nn.modules import module

        module.register_module_forward_pre_hook(self.before)
        module.register_module_forward_hook(self.after, always_call=True)

    def here(self) -> bool:
        """Whether this call counts: not one of a compiler, of a replica or inside a backward."""
        import torch

        if self.tracer.busy or threading.get_ident() != self.thread:
            return False
        return not (torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None)

    def before(self, module: Any, args: Any) -> None:
        """A module is called."""
        if passes_on(type(module)) or not self.here():
            return
        if self.depth == 0 and self.tracing_all():
            self.names = {id(part): name for name, part in module.named_modules()}
        self.depth += 1
        if module.training:
            self.training += 1
        else:
            self.evaluating += 1

    def after(self, module: Any, args: Any, output: Any) -> None:
        """A module returns, or raises."""
        if passes_on(type(module)) or not self.here():
            return
        self.depth = max(0, self.depth - 1)
        if self.depth == 0:
            self.write("fwd", module, output)
        if self.tracing_all():
            self.write("mod", module, output, n=self.names.get(id(module), ""), d=self.depth)

    def tracing_all(self) -> bool:
        """Whether the module is called for the step that is looked at closely."""
        return bool(self.every_module) and self.tracer.done + 1 >= self.every_module

    def write(self, kind: str, module: Any, output: Any, **more: Any) -> None:
        """Records what a module returned."""
        import torch

        began = time.perf_counter()
        bits = state.fingerprint(output)
        self.tracer.spent += time.perf_counter() - began
        more.update(g=torch.is_grad_enabled(), t=module.training, ac=precision())
        self.tracer.record(kind, k=type(module).__name__, c=bits, **more)

    def counts(self) -> list[int]:
        """Calls in training and in evaluation mode since this was asked last."""
        found = [self.training, self.evaluating]
        self.training = self.evaluating = 0
        return found


def passes_on(kind: type[Any]) -> bool:
    """Whether modules of a class only call others: the Trainer may have wrappers where a script has none."""
    found = _passing.get(kind)
    if found is None:
        found = _passing[kind] = any(base.__name__ in WRAPPERS for base in kind.__mro__)
    return found


def precision() -> str:
    """The types that autocast and the defaults of torch give to computations now."""
    import torch

    def cast(device: str) -> str:
        try:
            on = torch.is_autocast_enabled(device)
            return f"{device} {torch.get_autocast_dtype(device)}"[:40] if on else ""
        except (RuntimeError, TypeError):
            return ""

    parts = [cast("cpu"), cast("cuda") if torch.cuda.is_initialized() else ""]
    return " ".join(filter(None, [*parts, str(torch.get_default_dtype())]))


def watch_batches(tracer: Any, loaders: Any) -> None:
    """Records a checksum of each batch that a DataLoader gives."""
    give = loaders._BaseDataLoaderIter.__next__

    @functools.wraps(give)
    def __next__(self: Any) -> Any:
        batch = give(self)
        if tracer.full() and not _in_worker():
            began = time.perf_counter()
            bits = state.fingerprint(batch)
            tracer.spent += time.perf_counter() - began
            tracer.record("batch", c=bits, n=_rows(batch))
        return batch

    loaders._BaseDataLoaderIter.__next__ = __next__


def _in_worker() -> bool:
    from torch.utils.data import get_worker_info

    return get_worker_info() is not None


def _rows(batch: Any) -> int | None:
    """The size of the first dimension of the first tensor of a batch."""
    for item in _leaves(batch):
        if getattr(item, "ndim", 0):
            return int(item.shape[0])
    return None


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and depth < 8:
        for item in value:
            yield from _leaves(item, depth + 1)
    else:
        yield value


def watch_calls(tracer: Any, torch: Any) -> None:
    """Records which calls a step consists of: they tell the cause of a difference, never that there is one."""
    from torch.amp import GradScaler
    from torch.nn import utils
    from torch.optim import Optimizer

    def around(owner: Any, name: str, kind: str, detail: Callable[[Any, Any], dict[str, Any]]) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            with tracer.outermost(kind) as first:
                if first:
                    tracer.record(kind, **detail(args, kwargs))
                return original(*args, **kwargs)

        setattr(owner, name, call)

    for name in ("clip_grad_norm_", "clip_grad_value_"):
        around(utils, name, "clip", functools.partial(_clip, name))
    around(GradScaler, "unscale_", "unscale", lambda args, kwargs: {})
    around(Optimizer, "zero_grad", "zero", lambda args, kwargs: {})
    around(torch.nn.Module, "zero_grad", "zero", lambda args, kwargs: {})
    _watch_modes(tracer, torch)


def _clip(name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    limit = args[1] if len(args) > 1 else kwargs.get("max_norm", kwargs.get("clip_value"))
    kind = args[2] if len(args) > 2 else kwargs.get("norm_type", 2.0)
    return {"k": name, "v": repr(float(limit)) + (f", norm_type={kind}" if float(kind) != 2.0 else "")}


def _watch_modes(tracer: Any, torch: Any) -> None:
    train = torch.nn.Module.train

    @functools.wraps(train)
    def call(self: Any, mode: bool = True) -> Any:
        with tracer.outermost("mode") as first:
            if first and any(part.training != mode for part in self.modules()):
                tracer.record("mode", on=bool(mode))
            return train(self, mode)

    torch.nn.Module.train = call


def watch_schedulers(tracer: Any, schedulers: Any) -> None:
    """Records each step of a scheduler, also of classes that the script defines."""
    base = schedulers.LRScheduler
    known: set[type] = set()

    def wrap(owner: type) -> None:
        original = vars(owner)["step"]

        @functools.wraps(original)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            with tracer.outermost("sched") as first:
                result = original(self, *args, **kwargs)
                if first:
                    tracer.record("sched", k=type(self).__name__, **state.scheduler(self))
                return result

        owner.step = step  # type: ignore[attr-defined]

    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        for owner in cls.__mro__:
            if owner not in known and "step" in vars(owner):
                known.add(owner)
                wrap(owner)
        return object.__new__(cls)

    base.__new__ = staticmethod(__new__)


def watch_buffers(tracer: Any, torch: Any) -> None:
    """Notes every module that gets a buffer, and every copy of one."""
    from torch.nn.modules import module

    buffers: Buffers = tracer.buffers
    register = torch.nn.Module.register_buffer
    restore = torch.nn.Module.__setstate__

    @functools.wraps(register)
    def register_buffer(self: Any, *args: Any, **kwargs: Any) -> None:
        register(self, *args, **kwargs)
        buffers.note(self)

    @functools.wraps(restore)
    def __setstate__(self: Any, values: Any) -> None:
        restore(self, values)
        if self._buffers:
            buffers.note(self)

    module.Module.register_buffer = register_buffer  # type: ignore[method-assign]
    module.Module.__setstate__ = __setstate__  # type: ignore[method-assign]
