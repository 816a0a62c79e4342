"""One optimization step, in the order in which scripts write it."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.loops.optimization.manual import ManualResult
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.strategies import DDPStrategy, Strategy
from pytorch_lightning.utilities.enums import GradClipAlgorithmType
from pytorch_lightning.utilities.signature_utils import is_param_in_hook_signature
from torch import Tensor

from runtime import hooks, left_out
from runtime.accumulation import AccumulatingStep
from runtime.outputs import are_wanted, loss_of, outputs_of

Step = Callable[[Any, int], tuple[bool, Any]]
"""Takes a batch and its number; returns whether the optimizer stepped, and the outputs for ``on_train_batch_end``."""


def make_step(trainer: Any) -> Step:
    """Return the function that trains on one batch."""
    module = trainer.lightning_module
    forward = forward_function(trainer, "training_step", "train_step_context")
    if not module.automatic_optimization:
        return _manual(trainer, forward)
    if steps_with_closure(trainer):
        return _with_closure(trainer)
    return _automatic(trainer, forward)


def steps_with_closure(trainer: Any) -> bool:
    """Whether the optimizer evaluates the loss itself, or the module has an ``optimizer_step`` of its own."""
    own = hooks.module_hook(trainer.lightning_module, "optimizer_step") is not None
    return own or any(_needs_closure(optimizer) for optimizer in trainer.optimizers)


def forward_function(trainer: Any, name: str, context: str) -> Callable[[Any, int], Any]:
    """Return the module's step as a function of batch and number, within the strategy and the precision."""
    strategy, precision, module = trainer.strategy, trainer.precision_plugin, trainer.lightning_module
    takes_index = is_param_in_hook_signature(getattr(module, name), "batch_idx", min_args=2)
    evaluates = name != "training_step"
    function: Callable[..., Any]
    # evaluation goes past DistributedDataParallel, whose forward pass would wait for processes with fewer batches
    direct = strategy.model is module or (evaluates and isinstance(strategy, DDPStrategy))
    if not direct or getattr(type(strategy), name) is not getattr(Strategy, name):
        function = getattr(strategy, name)
    elif _same(precision, Precision, context, "forward_context"):
        function = getattr(module, name)
    else:
        function = _within(getattr(precision, context), getattr(module, name))
    function = hooks.named(module, name, function)
    return function if takes_index else lambda batch, index: function(batch)


def make_backward(trainer: Any, optimizer: Any) -> Callable[..., None]:
    """Return the backward pass, with whatever hooks, strategy and precision add to it."""
    strategy, precision, module = trainer.strategy, trainer.precision_plugin, trainer.lightning_module
    plain = type(strategy).backward is Strategy.backward
    if not (plain and _same(precision, Precision, "pre_backward", "backward", "post_backward")):
        return lambda loss, *args, **kwargs: strategy.backward(loss, optimizer, *args, **kwargs)
    own = hooks.module_hook(module, "backward")
    before = hooks.resolve(trainer, "on_before_backward")
    after = hooks.resolve(trainer, "on_after_backward")
    if own is before is after is None and _same(strategy, Strategy, "pre_backward", "post_backward"):
        return Tensor.backward

    def backward(loss: Tensor, *args: Any, **kwargs: Any) -> None:
        strategy.pre_backward(loss)
        if before is not None:
            before(loss)
        (own or Tensor.backward)(loss, *args, **kwargs)
        if after is not None:
            after()
        strategy.post_backward(loss.detach())

    return backward


def _automatic(trainer: Any, forward: Callable[[Any, int], Any]) -> Step:
    optimizer = trainer.optimizers[0]
    zero_grad = _zero_grad(trainer, optimizer)
    backward = make_backward(trainer, optimizer)
    update = _update(trainer, optimizer)
    if trainer.accumulate_grad_batches != 1:
        return AccumulatingStep(trainer, forward, zero_grad, backward, update)
    progress = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step
    wants_outputs = are_wanted(trainer)
    late = getattr(trainer.lightning_module, "late_zero_grad", False)

    def step(batch: Any, index: int) -> tuple[bool, Any]:
        if not late:
            zero_grad(index)
        output = forward(batch, index)
        loss = loss_of(output)
        if loss is None:
            left_out.check(trainer)
            return False, {}
        if late:
            zero_grad(index)
        backward(loss)
        progress.increment_ready()
        update(loss)
        progress.increment_completed()
        return True, outputs_of(output, loss) if wants_outputs else None

    return step


def _with_closure(trainer: Any) -> Step:
    """Lightning's way, for optimizers that evaluate the loss themselves and modules that override the step."""
    automatic = trainer.fit_loop.epoch_loop.automatic_optimization
    takes_index = is_param_in_hook_signature(trainer.lightning_module.training_step, "batch_idx", min_args=2)

    def step(batch: Any, index: int) -> tuple[bool, Any]:
        kwargs = OrderedDict(batch=batch, batch_idx=index) if takes_index else OrderedDict(batch=batch)
        accumulates = trainer.fit_loop._should_accumulate()
        outputs = automatic.run(trainer.optimizers[0], index, kwargs)
        return bool(outputs) and not accumulates, outputs

    return step


def _manual(trainer: Any, forward: Callable[[Any, int], Any]) -> Step:
    loop = trainer.fit_loop.epoch_loop.manual_optimization
    for optimizer in trainer.strategy._lightning_optimizers:
        _count_steps(trainer, optimizer, loop)
    # read by Module.manual_backward
    trainer._lean_backward = make_backward(trainer, None)

    def step(batch: Any, index: int) -> tuple[bool, Any]:
        output = forward(batch, index)
        return False, ManualResult.from_training_step_output(output).asdict()

    return step


def _count_steps(trainer: Any, optimizer: LightningOptimizer, loop: Any) -> None:
    """Have ``step()`` counted, and let it go to the torch optimizer directly where nothing else is to be done."""
    optimizer._on_before_step = loop._on_before_step
    optimizer._on_after_step = loop._on_after_step
    if not _steps_plainly(trainer) or hooks.resolve(trainer, "on_before_optimizer_step") is not None:
        return
    inner, progress, through_strategy = optimizer._optimizer, loop.optim_step_progress, optimizer.step

    def step(closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        if closure is not None:
            return through_strategy(closure, **kwargs)
        progress.increment_ready()
        result = inner.step(**kwargs)
        progress.increment_completed()
        return result

    optimizer.__dict__["step"] = step


def _zero_grad(trainer: Any, optimizer: Any) -> Callable[[int], None]:
    before = hooks.resolve(trainer, "on_before_zero_grad")
    own = hooks.module_hook(trainer.lightning_module, "optimizer_zero_grad")
    progress = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.zero_grad

    def zero_grad(index: int) -> None:
        progress.increment_ready()
        if before is not None:
            before(optimizer)
        progress.increment_started()
        if own is None:
            optimizer.zero_grad()
        else:
            own(trainer.current_epoch, index, optimizer)
        progress.increment_completed()

    return zero_grad


def _update(trainer: Any, optimizer: Any) -> Callable[[Tensor], None]:
    """Return what changes the parameters once the gradients are there: hooks, clipping, step."""
    strategy = trainer.strategy
    if not _steps_plainly(trainer):
        return lambda loss: strategy.optimizer_step(optimizer, lambda: loss)
    before = hooks.resolve(trainer, "on_before_optimizer_step")
    clip = _clip(trainer, optimizer)
    if before is None and clip is None:
        return lambda loss: optimizer.step()

    def update(loss: Tensor) -> None:
        if before is not None:
            before(optimizer)
        if clip is not None:
            clip()
        optimizer.step()

    return update


def _clip(trainer: Any, optimizer: Any) -> Callable[[], None] | None:
    """Return what clips the gradients: the module's own hooks, or the precision's way at once; None for nothing."""
    module, precision = trainer.lightning_module, trainer.precision_plugin
    own = any(hooks.module_hook(module, name) for name in ("configure_gradient_clipping", "clip_gradients"))
    if trainer.gradient_clip_val is None and not own:
        return None
    if own or not _same(precision, Precision, "_clip_gradients"):
        return lambda: precision._clip_gradients(
            module, optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm
        )
    algorithm = GradClipAlgorithmType(trainer.gradient_clip_algorithm or GradClipAlgorithmType.NORM)
    return lambda: precision.clip_gradients(optimizer, trainer.gradient_clip_val or 0.0, algorithm)


def _steps_plainly(trainer: Any) -> bool:
    """Whether ``optimizer.step()`` is all that strategy and precision would do."""
    strategy, precision = trainer.strategy, trainer.precision_plugin
    if isinstance(strategy, DDPStrategy):
        plain = type(strategy).optimizer_step is DDPStrategy.optimizer_step and strategy._model_averager is None
    else:
        plain = type(strategy).optimizer_step is Strategy.optimizer_step
    unscaled = isinstance(precision, MixedPrecision) and precision.scaler is None
    return plain and (
        _same(precision, Precision, "optimizer_step")
        or (unscaled and _same(precision, MixedPrecision, "optimizer_step"))
    )


def _needs_closure(optimizer: Any) -> bool:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def _same(instance: Any, base: type, *names: str) -> bool:
    """Whether the instance's class has these methods from ``base`` unchanged."""
    return all(getattr(type(instance), name) is getattr(base, name) for name in names)


def _within(context: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        with context():
            return function(*args)

    return call
