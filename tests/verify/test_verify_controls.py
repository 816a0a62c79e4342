"""What verification exists to catch: each defect is found, at the step and in the quantity where it shows first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from refactorer.verify.execute import Run
from tests.verify.verify_harness import PAIRS, defect, judge, run_script

BEFORE = (PAIRS / "before.py").read_text()
AFTER = (PAIRS / "after.py").read_text()

VALIDATE = "        validate(module, test_loader, epoch)\n"
STEP = "            run_batch(module, optimizer, batch, batch_idx)\n"
SAVE = '    torch.save(model.state_dict(), "model.pt")\n'

# name: (channel, step, a word of the usual cause, replacements). There are 4 steps in each of the 2 epochs.
DEFECTS: dict[str, tuple[str, int, str, list[tuple[str, str]]]] = {
    "zero_grad missing": ("gradient norms", 2, "zero_grad", [("        optimizer.zero_grad()\n", "")]),
    "scheduler stepped per batch": (
        "learning rates",
        2,
        "scheduler",
        [("        scheduler.step()\n", ""), (STEP, STEP + "            scheduler.step()\n")],
    ),
    "mean became sum": ("losses", 1, "12 times", [("CrossEntropyLoss()", 'CrossEntropyLoss(reduction="sum")')]),
    "dropout off from the start": ("losses", 1, "dropout", [("self.model.train()", "self.model.eval()")]),
    "dropout off after the evaluation": ("losses", 5, "dropout", [("self.model.train()", "pass")]),
    "dropout on in the evaluation": ("losses", 5, "evaluation", [("self.model.eval()", "pass")]),
    "evaluation skipped": (
        "losses",
        5,
        "iterated its loaders 3 times and the converted version 2 times",
        [(VALIDATE, "        if epoch == epochs:\n    " + VALIDATE)],
    ),
    "print dropped": (
        "printed lines",
        8,
        "one version only",
        [("        if epoch == self.args.epochs:", "        if 0:")],
    ),
    "average over batches": (
        "printed lines",
        8,
        "average",
        [("self.correct / len(loader.dataset)", "self.correct / 2")],
    ),
    "epoch fewer": ("losses", 5, "skipped", [("range(1, epochs + 1)", "range(1, epochs)")]),
    "epoch more": ("losses", 9, "more batches", [("range(1, epochs + 1)", "range(1, epochs + 2)")]),
    "other seed": ("losses", 1, "seed", [("manual_seed(7)", "manual_seed(8)")]),
    "not shuffled": ("losses", 1, "shuffle", [("batch_size=12, shuffle=True", "batch_size=12")]),
    "short batch dropped": ("losses", 4, "iteration", [("shuffle=True", "shuffle=True, drop_last=True")]),
    "weight decay dropped": ("optimizer settings", 1, "weight decay", [(", weight_decay=0.01", "")]),
    "momentum dropped": ("optimizer settings", 1, "momentum", [(", momentum=0.9", "")]),
    "clipping dropped": ("gradient norms", 1, "clipping", [("        module.clip_gradients()\n", "")]),
    "saved keys changed": (
        "files",
        8,
        "state_dict",
        [(SAVE, SAVE.replace("model.state_dict()", '{"model." + k: v for k, v in model.state_dict().items()}'))],
    ),
    "file not saved": ("files", 8, "saved", [(SAVE, "")]),
    "random number drawn": ("random state", 8, "torch", [(SAVE, "    torch.rand(1)\n" + SAVE)]),
    "exit status changed": ("exit status", 8, "exit status", [("    return 0", "    return 1")]),
    "stops with an exception": (
        "losses",
        3,
        "ValueError: no",
        [(STEP, STEP + "            if batch_idx: raise ValueError('no')\n")],
    ),
}


Traced = Callable[[str], Run]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """The run of a version by its name, made when it is asked for first."""
    done: dict[str, Run] = {}

    def get(name: str) -> Run:
        if name not in done:
            text = {"before": BEFORE, "after": AFTER}.get(name) or defect(AFTER, *DEFECTS[name][3])
            done[name] = run_script(tmp_path_factory.mktemp("run"), text)
        return done[name]

    return get


def test_a_faithful_conversion_is_equivalent(traced: Traced) -> None:
    verdict = judge(traced("before"), traced("after"))
    assert verdict.outcome == "equivalent"
    counts = {channel.name: channel.original for channel in verdict.channels if channel.original}
    assert counts == {
        "losses": 8,
        "gradient norms": 8,
        "learning rates": 8,
        "optimizer settings": 8,
        "parameters": 8,
        "optimizer state": 8,
        "random state": 16,
        "printed lines": 5,
        "forward values": 20,
        "batches": 12,
        "files": 1,
        "exit status": 1,
        "scheduler steps": 3,
        "loader iterations": 4,
    }
    assert all(channel.original == channel.converted for channel in verdict.channels)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_where_it_shows_first(traced: Traced, name: str) -> None:
    channel, step, cause, _ = DEFECTS[name]
    verdict = judge(traced("before"), traced(name))
    assert verdict.outcome == "not equivalent"
    assert verdict.first is not None
    assert (verdict.first.channel, verdict.first.step) == (channel, step)
    assert cause in " ".join(verdict.causes)


def test_both_values_are_shown_exactly(traced: Traced) -> None:
    first = judge(traced("before"), traced("mean became sum")).first
    assert first is not None
    one, two = (traced(name).trace.losses[0].value for name in ("before", "mean became sum"))
    assert (first.original, first.converted) == (f"{one!r} (float32)", f"{two!r} (float32)")
    assert first.difference == two - one
    assert first.ulps is not None
    assert first.ulps > 1000


def test_the_lines_of_both_versions_are_shown(traced: Traced) -> None:
    first = judge(traced("before"), traced("dropout off after the evaluation")).first
    assert first is not None
    assert first.original_source == first.converted_source == "loss.backward()"
    assert first.original_place == f"script.py:{BEFORE.splitlines().index('        loss.backward()') + 1}"
    printed = judge(traced("before"), traced("average over batches")).first
    assert printed is not None
    assert printed.converted_source == 'print("accuracy", self.correct / 2)'


def test_a_failed_run_shows_its_error(traced: Traced) -> None:
    failed = traced("stops with an exception")
    assert failed.status == 1
    assert "ValueError: no" in failed.stderr_tail


def test_time_is_measured(traced: Traced) -> None:
    trace = traced("before").trace
    assert trace.training_seconds is not None
    assert 0 < trace.training_seconds < traced("before").seconds
