"""Defects of what is printed, saved and returned, and changes that change nothing: one small function each."""

from __future__ import annotations

import libcst as cst

from tests.mutation.defects import DEFECTS, defect, one_optimizer
from tests.mutation.trees import Scripts, beside, call, hook, statement, without

# --- stale values, metrics, prints, files ----------------------------------------------------------------------------


@defect("value of the first batch", "metric")
def stale_value(tree: cst.Module) -> Scripts:
    yield from statement(tree, r"^(self\.print\(.*[ (])loss\.item\(\)",
                         r"\1self.__dict__.setdefault('stale', loss).item()")  # fmt: skip
    yield from statement(tree, r"^(self\.\w+ \+= )loss\.item\(\)",
                         r"\1self.__dict__.setdefault('stale', loss).item()")  # fmt: skip


@defect("metric of earlier epochs", "metric")
def metric_not_reset(tree: cst.Module) -> Scripts:
    return statement(tree, r"^self\.(\w+) = (0\.0|0)$", r"self.\1 = getattr(self, '\1', \2)",
                     within="on_(train|validation|test)_epoch_start", most=1)  # fmt: skip


@defect("number of the epoch", "metric")
def epoch_number(tree: cst.Module) -> Scripts:
    return statement(
        tree, r"^(self\.print\((?:.|\n)*)self\.current_epoch(?: ?\+ ?1)?", r"\1(self.current_epoch + 5)", most=1
    )


@defect("average over batches", "metric")
def average_over_batches(tree: cst.Module) -> Scripts:
    return call(tree, r"^len\((self\.trainer\.\w+)\.dataset\)$", r"len(\1)", within="on_.*_epoch_(start|end)", most=1)


@defect("print missing", "print")
def print_missing(tree: cst.Module) -> Scripts:
    yield from without(tree, r"^self\.print\(", most=1)
    yield from without(tree, r"^print\((?!.*optimizer)", most=1)


@defect("file missing", "files")
def file_missing(tree: cst.Module) -> Scripts:
    return without(tree, r"^torch\.save\(", most=1)


@defect("saved keys changed", "files")
def saved_keys(tree: cst.Module) -> Scripts:
    return statement(tree, r"^(torch\.save\((?:.|\n)*?)([\w.]*(?:model|network|net)\.state_dict\(\))",
                     r"\1{'model.' + key: value for key, value in \2.items()}", most=1)  # fmt: skip


@defect("exception", "exception")
def exception(tree: cst.Module) -> Scripts:
    return hook(tree, "training_step", "", "if batch_idx == 1: raise ValueError('no')", must_exist=True)


@defect("exit status", "exit status")
def exit_status(tree: cst.Module) -> Scripts:
    yield tree.with_changes(body=[*tree.body, *cst.parse_module("raise SystemExit(1)\n").body])


# --- changes that nobody can observe ---------------------------------------------------------------------------------


@defect("cleared twice", "")
def cleared_twice(tree: cst.Module) -> Scripts:
    return beside(tree, r"\.zero_grad\(\)$", after="self.zero_grad()") if one_optimizer(tree) else iter(())


@defect("training mode again", "")
def training_mode_again(tree: cst.Module) -> Scripts:
    return iter(()) if "eval()" in tree.code else hook(tree, "training_step", "", "self.train()", must_exist=True)


@defect("gradients in the evaluation", "")
def gradients_in_evaluation(tree: cst.Module) -> Scripts:
    return hook(tree, "on_validation_epoch_start", "", "torch.set_grad_enabled(True)", must_exist=True)


ALL = DEFECTS  # every defect: those of this file are in the table now
