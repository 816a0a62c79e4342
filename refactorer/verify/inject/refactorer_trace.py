"""Records what a training script computes, from inside its process, without a change to the script.

The parent sets the environment:

* REFACTORER_TRACE_DIR   folder that receives one `trace-PID.jsonl` per process that trains;
* REFACTORER_TRACE_ROOT  the project's folder; places in the trace are files below it;
* REFACTORER_TRACE_SEED  seed of random, numpy and torch, set when each is first imported (the script's own seeding
                         comes later and wins);
* REFACTORER_TRACE_LINKS not empty when some files of the scratch copy are links to the user's own;
* REFACTORER_TRACE_STEPS end the process with status 0 after this many optimizer steps, or behind this many backwards
                         of a script without an optimizer (see `refactorer_updates`); 0 is no limit;
* REFACTORER_TRACE_EVERY compute checksums at every step (1, the default), at every n-th, or never (0). Unless it is 1,
                         only losses and learning rates are recorded in between, and losses on a GPU are read later, so
                         that no step waits for it;
* REFACTORER_TRACE_OUTPUTS from this step on, record what every module returns; 0, the default, is never.

Each event is one JSON line, written at once, so that a trace survives any kind of exit; where checksums are left out,
many are written together. Floats are written as hex.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import os
import random
import sys
import time
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

# Found beside this file, whose folder is on the path of the traced process.
import refactorer_imports as imports  # type: ignore[import-not-found]
import refactorer_links  # type: ignore[import-not-found]
import refactorer_scaling as scaling  # type: ignore[import-not-found]
import refactorer_state as state  # type: ignore[import-not-found]
import refactorer_updates as updates  # type: ignore[import-not-found]
import refactorer_watch as watch  # type: ignore[import-not-found]

MAIN = "REFACTORER_TRACE_MAIN"
MANY = 200  # events that are written at once where speed counts


class Places:
    """Finds the line of the project that is running."""

    def __init__(self, root: str) -> None:
        self.root = os.path.join(os.path.realpath(root), "")
        self.known: dict[str, str | None] = {}

    def here(self) -> str | None:
        """`file:line` of the nearest calling frame whose file lies in the project."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name not in self.known:
                full = os.path.realpath(name)
                self.known[name] = full[len(self.root) :] if full.startswith(self.root) else None
            if self.known[name] is not None:
                return f"{self.known[name]}:{frame.f_lineno}"
            frame = frame.f_back
        return None


class Stdout(io.TextIOWrapper):
    """Standard output that notes which line of the script began each printed line."""

    mode = "w"
    note: Callable[[], None]
    fresh = True

    def write(self, text: str) -> int:
        """Notes a line when it begins, then writes."""
        if text and (self.fresh or text[0] == "\r"):
            self.note()
        if text:
            self.fresh = text[-1] in "\r\n"
        return super().write(text)


class Tracer:
    """Writes the events of this process; a forked child that trains starts a file of its own."""

    def __init__(self, folder: str, root: str, limit: int, main: bool) -> None:
        self.folder, self.limit, self.main = folder, limit, main
        self.places = Places(root)
        self.pid, self.file = 0, -1
        self.steps = self.skipped = 0
        self.spent = 0.0
        self.busy = self.closed = False
        self.every = int(os.environ.get("REFACTORER_TRACE_EVERY") or 1)
        self.closely = int(os.environ.get("REFACTORER_TRACE_OUTPUTS") or 0)
        self.inside: set[str] = set()
        self.events: list[dict[str, Any]] = []
        self.waiting: list[tuple[dict[str, Any], Any, Any, Any]] = []
        self.optimizers: weakref.WeakSet[Any] = weakref.WeakSet()
        self.scaling = scaling.Scaling()
        self.updates = updates.Updates()
        self.after_update: list[Callable[[], None]] = []
        self.buffers = watch.Buffers()
        self.forwards = watch.Forwards(self, self.closely)

    def full(self) -> bool:
        """Whether checksums are computed for the step that comes next."""
        return self.every == 1 or bool(self.closely) or (self.every > 1 and (self.done + 1) % self.every == 0)

    @property
    def done(self) -> int:
        """Optimizer steps so far; backwards where there is no optimizer."""
        return self.steps or (self.updates.count if self.updates.alone else 0)

    def record(self, kind: str, **detail: Any) -> None:
        """Writes an event with the step and the place where it happens."""
        began = time.perf_counter()
        self.write({"e": kind, "s": self.steps, "at": self.places.here(), **detail})
        self.spent += time.perf_counter() - began

    @contextlib.contextmanager
    def outermost(self, kind: str) -> Iterator[bool]:
        """Whether a call is not made by another one of its kind."""
        first = kind not in self.inside
        self.inside.add(kind)
        try:
            yield first
        finally:
            if first:
                self.inside.discard(kind)

    def write(self, event: dict[str, Any]) -> None:
        """Appends one event to the file of this process."""
        if self.pid != os.getpid():
            self.open()
        if self.closed:
            return
        self.events.append(event)
        if self.every == 1 or len(self.events) >= MANY:
            self.write_events()

    def write_events(self) -> None:
        """Writes the events that are still in memory: a line with one of them, or with a list, which costs less."""
        events, self.events = self.events, []
        text = json.dumps(events[0] if len(events) == 1 else events)
        os.write(self.file, f"{text}\n".encode())

    def open(self) -> None:
        """Starts the file of this process."""
        if self.pid:
            self.steps, self.skipped, self.main, self.closed, self.events = 0, 0, False, False, []
        self.pid = os.getpid()
        path = os.path.join(self.folder, f"trace-{self.pid}.jsonl")
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.write({"e": "start", "pid": self.pid, "main": self.main, "t": time.time()})

    def offset(self) -> int | None:
        """Bytes printed so far; None when standard output is not a file."""
        try:
            sys.stdout.flush()
            return os.lseek(1, 0, os.SEEK_CUR)
        except (OSError, ValueError, AttributeError):
            return None

    def printed(self) -> None:
        """A line begins to be printed."""
        if self.main and self.pid == os.getpid():
            self.write({"e": "out", "s": self.steps, "o": self.offset(), "at": self.places.here()})

    def loss(self, kind: str, tensors: Any, weights: Any = None) -> None:
        """`backward()` or `autograd.grad` is called on one tensor or several."""
        began = time.perf_counter()
        if not self.steps and self.updates.alone:
            self.limit_backwards()
        event: dict[str, Any] = {"e": kind, "s": self.steps, "at": self.places.here(), "t": began, "own": self.spent}
        full = self.full()
        if full:
            known = state.gradients_of(self.optimizers)
            event.update(r=state.generators(), m=self.forwards.counts(), ac=watch.precision(), gb=known)
            event.update(seed=state.seed())
        if not self.steps:
            event.update(self.updates.backward(tensors, full))
        weights = weights if isinstance(weights, (list, tuple)) else [weights]
        for index, tensor in enumerate(tensors if isinstance(tensors, (list, tuple)) else [tensors]):
            weight = weights[index] if index < len(weights) else None
            unscaled = self.scaling.unscaled(tensor)
            if full or not getattr(tensor, "is_cuda", False):
                self.value(event, tensor, weight, unscaled)
            else:
                unscaled = None if unscaled is None else unscaled.clone()
                self.waiting.append((event, tensor.detach().clone(), weight, unscaled))
        if len(self.waiting) >= MANY:
            self.flush()
        self.spent += time.perf_counter() - began
        if self.updates.alone:
            self.updated()

    def value(self, event: dict[str, Any], tensor: Any, weight: Any, unscaled: Any) -> None:
        """Writes one value that a backward starts from; `unscaled` is what it was before a scaler, or None."""
        before = {} if unscaled is None else {"u": state.value(unscaled)["v"]}
        self.write({**event, **state.value(tensor, weight), **before})

    def flush(self) -> None:
        """Writes the losses that were left on the GPU."""
        for waiting in self.waiting:
            self.value(*waiting)
        self.waiting.clear()

    def limit_backwards(self) -> None:
        """Ends a process without an optimizer where one backward more than the limit would begin."""
        if self.limit and self.updates.count >= self.limit:
            if self.closely:
                self.record("par", p=state.by_parameter(self.updates.leaves))
            self.end(cut=True)
            leave(0)

    def updated(self) -> None:
        """A step was taken; a plugin may count it."""
        for tell in self.after_update:
            tell()

    def step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """An optimizer has stepped; ends the process at the limit."""
        began = time.perf_counter()
        full = self.full()
        self.steps += 1
        if self.steps == 1:
            self.write({"e": "rank", "rank": state.rank()})
            self.updates.leaves.clear()
        event = {"e": "step", "s": self.steps, "t": began, "own": self.spent, "lr": state.rates(optimizer)}
        if full:
            self.flush()
            self.optimizers.add(optimizer)
            event.update(at=self.places.here(), opt=type(optimizer).__name__)
            event.update(
                o=self.offset(), r=state.generators(), b=self.buffers.changed(), **state.of_optimizer(optimizer)
            )
        self.write(event)
        if self.closely and self.steps >= self.closely:
            self.record("par", p=state.by_parameter(state.parameters(optimizer)))
        self.spent += time.perf_counter() - began
        self.updated()
        if self.limit and self.steps >= self.limit:
            self.end(cut=True)
            leave(0)

    def iterated(self, loader: Any) -> None:
        """A DataLoader begins to be iterated."""
        try:
            size = len(loader)
        except Exception:  # any data set may lack a length or fail to compute it
            size = None
        self.record("iter", n=size, r=state.generators() if self.full() else {})

    def end(self, cut: bool = False) -> None:
        """The process ends; `cut` when it is the limit on steps that ends it."""
        if self.pid != os.getpid() or self.closed:
            return
        self.flush()
        error = getattr(sys, "last_value", None)
        said = f"{type(error).__name__}: {error}" if error is not None else None
        event = {"e": "end", "s": self.steps, "cut": cut, "error": said, "r": state.generators(), "own": self.spent}
        last = self.updates.now() if self.updates.leaves and self.full() else {}
        self.write({**event, **last, **state.peak_memory()})
        self.write_events()
        self.closed = True


leave = os._exit


def watch_stdout(tracer: Tracer) -> None:
    """Replaces the standard output by one that notes where each line is printed."""
    old: Any = sys.stdout
    if not hasattr(old, "detach"):
        return
    encoding, errors = old.encoding, old.errors
    new = Stdout(old.detach(), encoding=encoding, errors=errors, line_buffering=True)
    new.note = tracer.printed
    sys.stdout = sys.__stdout__ = new  # type: ignore[misc]


def watch_exit(tracer: Tracer) -> None:
    """Writes the last event at a normal exit and at `os._exit`."""
    atexit.register(tracer.end)

    @functools.wraps(leave)
    def _exit(status: int) -> None:
        tracer.end()
        leave(status)

    os._exit = _exit  # type: ignore[assignment]


def watch_torch(tracer: Tracer, torch: Any) -> None:
    """Records every backward, gradient and optimizer step, and every iteration of a loader."""
    from torch.optim import lr_scheduler
    from torch.optim.optimizer import register_optimizer_step_post_hook
    from torch.utils.data import DataLoader, dataloader

    def outermost(kind: str, original: Callable[..., Any], named: str, position: int) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if tracer.busy:
                return original(tensors, *args, **kwargs)
            tracer.loss(kind, tensors, kwargs.get(named, args[position] if len(args) > position else None))
            tracer.busy = True
            try:
                return original(tensors, *args, **kwargs)
            finally:
                tracer.busy = False

        return call

    torch.autograd.backward = outermost("loss", torch.autograd.backward, "grad_tensors", 0)
    torch.autograd.grad = outermost("grad", torch.autograd.grad, "grad_outputs", 1)
    iterate = DataLoader.__iter__

    @functools.wraps(iterate)
    def __iter__(self: Any) -> Any:
        tracer.iterated(self)
        return iterate(self)

    DataLoader.__iter__ = __iter__  # type: ignore[method-assign]
    register_optimizer_step_post_hook(tracer.step)
    tracer.scaling.watch(tracer, torch)
    tracer.updates.watch(torch)
    if tracer.every or tracer.closely:
        watch.watch_batches(tracer, dataloader)
        watch.watch_calls(tracer, torch)
        watch.watch_schedulers(tracer, lr_scheduler)
        watch.watch_buffers(tracer, torch)
    if tracer.every == 1 or tracer.closely:
        tracer.forwards.watch()
    if tracer.main:
        tracer.write({"e": "torch", "version": torch.__version__, "threads": torch.get_num_threads()})


def start() -> Tracer:
    """Seeds and traces this process as the environment says."""
    seed = int(os.environ.get("REFACTORER_TRACE_SEED", "0"))
    main = MAIN not in os.environ
    os.environ.setdefault(MAIN, str(os.getpid()))
    tracer = Tracer(
        os.environ["REFACTORER_TRACE_DIR"],
        os.environ["REFACTORER_TRACE_ROOT"],
        int(os.environ.get("REFACTORER_TRACE_STEPS", "0")),
        main,
    )

    @contextlib.contextmanager
    def around_torch(torch: Any) -> Iterator[None]:
        yield
        torch.manual_seed(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        watch_torch(tracer, torch)
        if links is not None:
            torch.save = links.before_saving(torch.save)

    links = None
    if os.environ.get("REFACTORER_TRACE_LINKS"):
        links = refactorer_links.Links(os.environ["REFACTORER_TRACE_ROOT"])
        sys.addaudithook(links.before_opening)

    @contextlib.contextmanager
    def around_numpy(numpy_random: Any) -> Iterator[None]:
        yield
        numpy_random.seed(seed % 2**32)

    random.seed(seed)
    # rich, which Lightning imports, names its styles by a random number.
    actions = {"torch": around_torch, "numpy.random": around_numpy, "rich.style": imports.undrawn()}
    if links is not None:
        actions["h5py"] = imports.behind(links.before_hdf5)
    sys.meta_path.insert(0, imports.AroundImport(actions))
    watch_exit(tracer)
    if main:
        tracer.open()
        watch_stdout(tracer)
    for name in [name for name in actions if name in sys.modules]:
        with actions.pop(name)(sys.modules[name]):
            pass  # imported before the tracer started
    return tracer
