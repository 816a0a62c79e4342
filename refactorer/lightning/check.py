"""Every trap in turn: the first that may bite a training refuses it."""

from __future__ import annotations

from refactorer.lightning import (
    data,
    gradients_in_evaluation,
    leaving,
    odd_batches,
    optimization,
    quiet,
    surroundings,
)
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Trap

TRAPS = (
    Trap("epochs", "Lightning counts the epochs itself", surroundings.find_epochs),
    Trap("loader", "Lightning asks for its iterator early, counts the batches once, and never runs it to its end",
         data.find_train),
    Trap("evaluation loader", "Lightning counts its batches once, and never runs its iterator to its end",
         data.find_evaluation),
    Trap("None", "Lightning leaves out such a batch", odd_batches.find_none),
    Trap("batches", "Lightning makes lists, dictionaries and objects anew to move them", odd_batches.find_containers),
    Trap("evaluation", "Lightning has one way: no gradients, evaluation mode, and the same loader for every epoch",
         gradients_in_evaluation.find_other_evaluations),
    Trap("epoch start", "Lightning has already asked the loader for an iterator when its hook runs",
         quiet.find_epoch_start),
    Trap("evaluation start", "Lightning has already asked the loader for an iterator when its hook runs",
         quiet.find_evaluation_start),
    Trap("break", "Lightning cannot end an epoch behind a batch: it fetches another one and leaves out the validation",
         leaving.find_break),
    Trap("stop", "Lightning validates and ends the epoch before it stops", leaving.find_stop),
    Trap("hooks", "Lightning runs forward and backward inside optimizer.step()", optimization.find_hooks),
    Trap("zero_grad", "Lightning clears the gradients behind the forward pass", optimization.find_clearing),
    Trap("skipped batches", "Lightning steps the optimizer and schedulers for these too", optimization.find_skipped),
    Trap("accumulation", "Lightning divides the loss by the number of batches, and steps behind the last one too",
         optimization.find_windows),
    Trap("gradients", "Lightning clears them when a training starts and in front of each validation",
         optimization.find_left_gradients),
    Trap("closure", "Lightning runs the step as the closure of the optimizer", optimization.find_optimizer),
    Trap("scheduler", "Lightning makes it before the loaders are known, and steps it in front of the validation",
         optimization.find_schedulers),
    Trap("no_grad", "Lightning computes no gradients in the hooks of a validation", gradients_in_evaluation.find),
    Trap("anomaly detection", "Lightning switches that off", surroundings.find_anomaly),
    Trap("gradient mode", "Lightning switches gradients on", surroundings.find_gradient_mode),
    Trap("processes", "Lightning starts its own, which run the whole script again", surroundings.find_processes),
    Trap("torch.compile", "Lightning puts its own torch.compile in the place of torch's", surroundings.find_compiling),
    Trap("seed", "Lightning draws one when it is imported", surroundings.find_early_seeds),
    Trap("warnings", "Lightning warns and logs on its own account", surroundings.find_warnings),
    Trap("Ctrl-C", "Lightning turns that into SystemExit", leaving.find_ctrl_c),
    Trap("StopIteration", "Lightning takes that for the end of the training", leaving.find_stop_iteration),
    Trap("device", "Lightning moves the training to the device that it is told", surroundings.find_device),
    Trap("teardown", "Lightning has then moved it to the CPU", surroundings.find_teardown),
)  # fmt: skip


def refuse_traps(plan: Plan) -> None:
    """Looks for every trap.

    Raises:
        Refusal: one of them may bite.
    """
    for trap in TRAPS:
        found = trap.find(plan)
        if found is not None:
            raise trap.refusal(found)
