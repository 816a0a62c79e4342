"""Examples of searches: a learning rate, a batch size, a grid, a study."""

from __future__ import annotations

import optuna
import pytest

from tests.runtime.examples import Examples


def test_learning_rate_finder(examples: Examples) -> None:
    example = examples.run("learning_rate_finder")
    rates = example.finder.results["lr"]
    assert len(rates) > 20 and rates == sorted(rates)
    assert example.module.lr == example.finder.suggestion()
    assert 1e-4 < example.module.lr < 0.1
    assert example.reason_while_finding == "the callback LearningRateFinder"
    assert example.trainer.lean_loop_reason is None, "the training after it is the lean loop's"
    assert example.trainer.global_step == 46
    assert example.history["val_accuracy"][-1] > 0.75
    assert not list(examples.folder.iterdir()), "its temporary checkpoint is gone"


def test_batch_size_finder(examples: Examples) -> None:
    example = examples.run("batch_size_finder")
    assert example.size == example.module.batch_size == 256
    assert example.trainer.global_step == -(-1437 // 256)
    assert example.trainer.lean_loop_reason is None
    assert not list(examples.folder.iterdir())


def test_grid_search(examples: Examples) -> None:
    example = examples.run("grid_search")
    assert set(example.results) == {("0.001", "8"), ("0.001", "32"), ("0.01", "8"), ("0.01", "32")}
    assert example.best == ("0.01", "32")
    assert len(set(example.results.values())) == 4, "the arguments reach the training"
    again = example.main(["--epochs", "1", "--lr", "0.01", "--hidden", "32"])
    assert again == example.results[example.best], "each trial is that of the script alone"


def test_optuna_study(examples: Examples) -> None:
    example = examples.run("optuna_study")
    states = [trial.state for trial in example.study.trials]
    assert len(states) == 6
    assert states.count(optuna.trial.TrialState.PRUNED) >= 1
    complete = [trial for trial in example.study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) + states.count(optuna.trial.TrialState.PRUNED) == 6, "no trial failed"
    assert example.study.best_value == max(trial.value for trial in complete) > 0.5
    pruned = next(trial for trial in example.study.trials if trial.state == optuna.trial.TrialState.PRUNED)
    assert len(pruned.intermediate_values) < 3, "it was ended early"
    lr, hidden = (str(example.study.best_params[name]) for name in ("lr", "hidden"))
    again = example.main(["--epochs", "3", "--lr", lr, "--hidden", hidden])
    assert again == pytest.approx(example.study.best_value, abs=0)
