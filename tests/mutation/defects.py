"""Defects that conversions by hand really have, one small function each: a script goes in, broken ones come out.

A defect names its cause as the verifier should. `HARMLESS` ones change nothing that can be observed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import libcst as cst

from tests.mutation import trees
from tests.mutation.trees import Scripts, beside, call, hook, manual, statement, swapped, without

Mutator = Callable[[cst.Module], Scripts]


@dataclass(frozen=True)
class Defect:
    """`cause` is the name in the verifier's catalogue; empty when nothing can be observed."""

    name: str
    cause: str
    mutate: Mutator


DEFECTS: dict[str, Defect] = {}


def defect(name: str, cause: str) -> Callable[[Mutator], Mutator]:
    def add(function: Mutator) -> Mutator:
        DEFECTS[name] = Defect(name, cause, function)
        return function

    return add


STEP = r"\boptimizer\w*\.step\("
BACKWARD = r"self\.manual_backward\("
RESET = r"self\.\w+(, self\.\w+)* = (0|0\.|0\.0)(, (0|0\.0))*$"
EVALUATION = r"(on_)?(validation|test)_(epoch_start|step|epoch_end)"
TRAINING = "training_step|on_train_batch_end|on_train_epoch_(start|end)"


# --- calls of a step: missing, twice, in another order ---------------------------------------------------------------


@defect("zero_grad missing", "zero_grad")
def zero_grad_missing(tree: cst.Module) -> Scripts:
    if manual(tree):
        return without(tree, r"\.zero_grad\(")
    return hook(tree, "optimizer_zero_grad", ", epoch, batch_idx, optimizer", "pass")


@defect("zero_grad before the step", "zero_grad")
def zero_grad_before_step(tree: cst.Module) -> Scripts:
    if manual(tree):
        return beside(tree, STEP, before="self.zero_grad()")
    return hook(tree, "on_before_optimizer_step", ", optimizer", "self.zero_grad()")


@defect("step missing", "order of calls")
def step_missing(tree: cst.Module) -> Scripts:
    return without(tree, STEP) if len(trees.found(tree, cst.SimpleStatementLine, STEP)) > 1 else iter(())


@defect("step twice", "order of calls")
def step_twice(tree: cst.Module) -> Scripts:
    return beside(tree, STEP + r"\)", after="self.optimizers().step()") if one_optimizer(tree) else iter(())


def one_optimizer(tree: cst.Module) -> bool:
    return "= self.optimizers()" in tree.code and ", " not in tree.code.split("= self.optimizers()")[0].splitlines()[-1]


@defect("step before backward", "order of calls")
def step_before_backward(tree: cst.Module) -> Scripts:
    return swapped(tree, BACKWARD, STEP)


@defect("backward missing", "order of calls")
def backward_missing(tree: cst.Module) -> Scripts:
    return without(tree, BACKWARD) if len(trees.found(tree, cst.SimpleStatementLine, BACKWARD)) > 1 else iter(())


@defect("loss doubled", "reduction")
def loss_doubled(tree: cst.Module) -> Scripts:
    if manual(tree):
        return call(tree, r"(self\.manual_backward)\((.*)\)$", r"\1(2 * (\2))", most=1)
    return statement(tree, r"return (self\.)?loss$", r"return 2 * \1loss", within="training_step", most=1)


# --- reductions ------------------------------------------------------------------------------------------------------


@defect("mean became sum", "reduction")
def mean_became_sum(tree: cst.Module) -> Scripts:
    yield from call(tree, r"^(nn\.(?:MSE|L1|SmoothL1|CrossEntropy|NLL|BCE)Loss)\(\)$", r"\1(reduction='sum')")
    yield from call(tree, r"^((?:F|nn\.functional)\.(?:mse_loss|nll_loss|cross_entropy)\([^)]*)\)$",
                    r"\1, reduction='sum')", within="training_step")  # fmt: skip


@defect("sum became mean", "metric")
def sum_became_mean(tree: cst.Module) -> Scripts:
    return call(tree, r"^(F\.\w+\(.*reduction=)['\"]sum['\"]", r"\1'mean'", within=EVALUATION)


@defect("training sum became mean", "reduction")
def training_sum_became_mean(tree: cst.Module) -> Scripts:
    return call(tree, r"^(F\.\w+\(.*reduction=)['\"]sum['\"]", r"\1'mean'", within="loss_function")


@defect("labels smoothed", "loss function")
def labels_smoothed(tree: cst.Module) -> Scripts:
    return call(tree, r"^(nn\.CrossEntropyLoss)\(\)$", r"\1(label_smoothing=0.1)")


# --- modes -----------------------------------------------------------------------------------------------------------


@defect("training in evaluation mode", "mode")
def training_in_evaluation_mode(tree: cst.Module) -> Scripts:
    return hook(tree, "training_step", ", batch, batch_idx", "self.eval()", must_exist=True)


@defect("evaluation in training mode", "mode")
def evaluation_in_training_mode(tree: cst.Module) -> Scripts:
    yield from hook(tree, "validation_step", "", "self.train()", must_exist=True)
    yield from hook(tree, "test_step", "", "self.train()", must_exist=True)


@defect("evaluation mode stays", "mode")
def evaluation_mode_stays(tree: cst.Module) -> Scripts:
    return hook(tree, "training_step", "", "self.train(self.current_epoch == 0)", must_exist=True)


# --- learning rates --------------------------------------------------------------------------------------------------


@defect("scheduler missing", "scheduler")
def scheduler_missing(tree: cst.Module) -> Scripts:
    yield from statement(tree, r"^return (\[(?:self\.)?optimizer\]), \[.*\]$", r"return \1")
    yield from without(tree, r"scheduler\w*\.step\(")


@defect("scheduler stepped per batch", "scheduler")
def scheduler_per_batch(tree: cst.Module) -> Scripts:
    return statement(tree, r"^return (.*), \[((?:self\.)?scheduler)\]$",
                     r"return \1, [{'scheduler': \2, 'interval': 'step'}]")  # fmt: skip


@defect("scheduler stepped per epoch", "scheduler")
def scheduler_per_epoch(tree: cst.Module) -> Scripts:
    return statement(tree, r"(return .*), [\"']interval[\"']: [\"']step[\"']", r"\1")


@defect("scheduler stepped twice", "scheduler")
def scheduler_twice(tree: cst.Module) -> Scripts:
    for pattern in (r"self\.scheduler\.step\(\)", r"self\.scheduler_\w+\.step\(\)"):
        name = pattern.replace("\\", "")
        yield from statement(tree, f"^{pattern}", f"{name}; {name}")


@defect("scheduler with another factor", "scheduler")
def scheduler_factor(tree: cst.Module) -> Scripts:
    yield from call(tree, r"^(\w*StepLR\(.*)gamma=([\w.]+)", r"\1gamma=0.9 * \2")
    yield from call(tree, r"^(\w*LambdaLR\(.*lambda \w+): (.*)\)$", r"\1: 0.9 * (\2))")


@defect("another learning rate", "learning rate")
def learning_rate(tree: cst.Module) -> Scripts:
    return call(
        tree, r"^((?:torch\.)?(?:optim\.)?(?:SGD|Adam\w*|RMSprop|Adadelta)\(.*)\blr=([\w.-]+)", r"\1lr=1.1 * \2", most=1
    )


# --- data ------------------------------------------------------------------------------------------------------------


@defect("not shuffled", "data order")
def not_shuffled(tree: cst.Module) -> Scripts:
    yield from call(tree, r"^([\w.]*DataLoader\(.*)shuffle=True", r"\1shuffle=False", most=1)


@defect("last batch dropped", "batches")
def last_batch_dropped(tree: cst.Module) -> Scripts:
    return call(tree, r"^([\w.]*DataLoader\(.*shuffle=True)\)$", r"\1, drop_last=True)", most=1)


@defect("another batch size", "batches")
def batch_size(tree: cst.Module) -> Scripts:
    return call(tree, r"^([\w.]*DataLoader\(.*batch_size=)([\w.]+)", r"\1\2 + 1", most=2)


@defect("evaluation set shuffled", "data order")
def evaluation_shuffled(tree: cst.Module) -> Scripts:
    return call(tree, r"^([\w.]*DataLoader\((?!.*shuffle).*)\)$", r"\1, shuffle=True)", most=2)


@defect("first batch skipped", "number of steps")
def first_batch_skipped(tree: cst.Module) -> Scripts:
    return hook(tree, "training_step", "", "if batch_idx == 0:\n    return", must_exist=True)


@defect("batches limited", "number of steps")
def batches_limited(tree: cst.Module) -> Scripts:
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, limit_train_batches=2)", most=1)


@defect("evaluated on training data", "batches")
def evaluated_on_training_data(tree: cst.Module) -> Scripts:
    return call(tree, r"^(trainer\.fit\(.*), (\w+), (\w+)\)$", r"\1, \2, \2)", most=1)


# --- random numbers --------------------------------------------------------------------------------------------------


@defect("another seed", "seed")
def another_seed(tree: cst.Module) -> Scripts:
    return call(tree, r"^torch\.manual_seed\((.*)\)$", r"torch.manual_seed(\1 + 1)", most=1)


@defect("seed missing", "seed")
def seed_missing(tree: cst.Module) -> Scripts:
    return without(tree, r"^torch\.manual_seed\(", most=1)


@defect("seeded every epoch", "seed")
def seeded_every_epoch(tree: cst.Module) -> Scripts:
    return hook(tree, "on_train_epoch_start", "", "torch.manual_seed(1)")


@defect("a draw in every batch", "random draws")
def draw_in_batch(tree: cst.Module) -> Scripts:
    return hook(tree, "training_step", "", "torch.rand(1)", must_exist=True)


@defect("a draw in the evaluation", "random draws")
def draw_in_evaluation(tree: cst.Module) -> Scripts:
    return hook(tree, "validation_step", "", "torch.rand(1)", must_exist=True)


@defect("a draw at the end", "random draws")
def draw_at_end(tree: cst.Module) -> Scripts:
    return hook(tree, "on_fit_end", "", "torch.rand(1)")


# --- clipping and accumulation ---------------------------------------------------------------------------------------


@defect("clipping missing", "clipping")
def clipping_missing(tree: cst.Module) -> Scripts:
    return without(tree, r"^(?!.* = )[\w.]*clip_grad_")


@defect("clipped at another limit", "clipping")
def clipped_elsewhere(tree: cst.Module) -> Scripts:
    return call(tree, r"^([\w.]*clip_grad_norm_\(.*)\)$", r"\1 / 10)")


@defect("clipping added", "clipping")
def clipping_added(tree: cst.Module) -> Scripts:
    if manual(tree):
        return beside(tree, STEP, before="torch.nn.utils.clip_grad_norm_(self.parameters(), 0.01)")
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, gradient_clip_val=0.01)", most=1)


@defect("clipped after the step", "clipping")
def clipped_after_step(tree: cst.Module) -> Scripts:
    return swapped(tree, r"clip_grad_", STEP)


@defect("accumulated", "accumulation")
def accumulated(tree: cst.Module) -> Scripts:
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, accumulate_grad_batches=2)", most=1)


@defect("another window", "accumulation")
def another_window(tree: cst.Module) -> Scripts:
    return trees.rewritten(tree, cst.Comparison, r"% ACCUMULATE == 0", "% (ACCUMULATE - 1) == 0")


@defect("window not divided", "reduction")
def window_not_divided(tree: cst.Module) -> Scripts:
    return statement(tree, r"^(.*) / ACCUMULATE$", r"\1")


# --- epochs and evaluations ------------------------------------------------------------------------------------------


@defect("an epoch fewer", "number of steps")
def epoch_fewer(tree: cst.Module) -> Scripts:
    return call(tree, r"^Trainer\((.*)max_epochs=([\w.]+)", r"Trainer(\1max_epochs=\2 - 1", most=1)


@defect("an epoch more", "number of steps")
def epoch_more(tree: cst.Module) -> Scripts:
    return call(tree, r"^Trainer\((.*)max_epochs=([\w.]+)", r"Trainer(\1max_epochs=\2 + 1", most=1)


@defect("evaluation missing", "evaluation")
def evaluation_missing(tree: cst.Module) -> Scripts:
    yield from call(tree, r"^(trainer\.fit\(.*), (\w+), (\w+)\)$", r"\1, \2)", most=1)


@defect("evaluation every other epoch", "evaluation")
def evaluation_rarer(tree: cst.Module) -> Scripts:
    if not trees.found(tree, cst.Call, r"^trainer\.fit\(.*, \w+, \w+\)$"):
        return iter(())
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, check_val_every_n_epoch=2)", most=1)


@defect("sanity check", "evaluation")
def sanity_check(tree: cst.Module) -> Scripts:
    return beside(tree, r"^trainer\.fit\(LitNet\((.*)\), train_loader, test_loader\)",
                  before="for _ in test_loader: break")  # fmt: skip


@defect("evaluation cut short", "evaluation")
def evaluation_cut_short(tree: cst.Module) -> Scripts:
    if not trees.found(tree, cst.Call, r"^trainer\.fit\(.*, \w+, \w+\)$"):
        return iter(())
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, limit_val_batches=1)", most=1)


# --- optimizers ------------------------------------------------------------------------------------------------------


@defect("another optimizer", "optimizer")
def another_optimizer(tree: cst.Module) -> Scripts:
    yield from call(tree, r"^((?:torch\.)?(?:optim\.)?)Adam\(", r"\1NAdam(", most=1)
    yield from call(tree, r"^((?:torch\.)?(?:optim\.)?)SGD\(", r"\1RMSprop(", most=1)


@defect("momentum missing", "optimizer")
def momentum_missing(tree: cst.Module) -> Scripts:
    return call(tree, r"^(.*SGD\(.*), momentum=[\w.]+", r"\1", most=1)


@defect("weight decay added", "optimizer")
def weight_decay_added(tree: cst.Module) -> Scripts:
    return call(tree, r"^((?:torch\.)?(?:optim\.)?(?:SGD|Adam|RMSprop)\((?!.*weight_decay).*)\)$",
                r"\1, weight_decay=0.01)", most=1)  # fmt: skip


@defect("optimizers swapped", "optimizer")
def optimizers_swapped(tree: cst.Module) -> Scripts:
    return statement(tree, r"^(\w+), (\w+) = self\.optimizers\(\)$", r"\2, \1 = self.optimizers()", most=1)


@defect("first layer frozen", "gradients")
def frozen(tree: cst.Module) -> Scripts:
    return hook(tree, "on_fit_start", "", "next(self.parameters()).requires_grad_(False)")


@defect("lost detach", "gradients")
def lost_detach(tree: cst.Module) -> Scripts:
    return call(tree, r"^(.*)\.detach\(\)$", r"\1", within="training_step", most=1)


@defect("weights changed", "weights")
def weights_changed(tree: cst.Module) -> Scripts:
    return hook(tree, "on_fit_start", "", "next(self.parameters()).data.mul_(1.01)")


@defect("weights changed every epoch", "weights")
def weights_changed_every_epoch(tree: cst.Module) -> Scripts:
    return hook(tree, "on_train_epoch_start", "", "if self.current_epoch: next(self.parameters()).data.mul_(1.01)")


@defect("another batch normalisation", "buffers")
def batch_norm(tree: cst.Module) -> Scripts:
    return call(tree, r"^(nn\.BatchNorm\dd)\((\w+)\)$", r"\1(\2, momentum=0.2)", most=1)


@defect("reduced precision", "precision")
def reduced_precision(tree: cst.Module) -> Scripts:
    return call(tree, r"^Trainer\((max_epochs=.*)\)$", r"Trainer(\1, precision='bf16-mixed')", most=1)
