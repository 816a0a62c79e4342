"""Evaluations that fetch their batches by themselves, from places that a range counts: they print the same."""

from __future__ import annotations

import re

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import FIXTURES, Runner, first_difference, read

SCRIPT = read(FIXTURES / "language_model_windows.in.py").split("# Run on test data.")[0]
LOOP = """\
        for i in range(0, data_source.size(0) - 1, args.bptt):
            data, targets = get_batch(data_source, i)
"""
FRONT = "    total_loss = 0.\n    hidden = model.init_hidden(eval_batch_size)\n"
HIDDEN = "        return torch.zeros(1, bsz, self.nhid)"
BATCHIFY = "\n\ndef batchify"
EVALUATION = "    val_loss = evaluate(val_data)\n"
CHANGED = "its windows may change right in front of it"


def but(*changes: tuple[str, str]) -> str:
    text = SCRIPT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def in_front(line: str) -> tuple[str, str]:
    return FRONT, FRONT.replace("    hidden", f"    {line}\n    hidden")


def in_model(line: str) -> tuple[str, str]:
    """A method of the model that `evaluate` calls in front of its loop changes more than one expects."""
    return HIDDEN, f"        if not self.training:\n            {line}\n{HIDDEN}"


def loop(old: str, new: str) -> tuple[str, str]:
    return LOOP, LOOP.replace(old, new)


TRAINED = {
    "size of a step in front": but(in_front("step = 3"), loop("args.bptt", "step")),
    "left and skipped": but(
        loop(
            "for i in range(0, data_source.size(0) - 1, args.bptt):\n",
            "for n, i in enumerate(range(0, data_source.size(0) - 1, args.bptt)):\n            if n == 1:\n"
            "                continue\n            if n > 3:\n                break\n",
        )
    ),
    "no windows": but(loop("- 1,", "- 99,")),
    "in the step": but(
        (
            "        total_loss += loss.item()\n        if batch",
            "        total_loss += loss.item()\n        if batch % 3 == 0:\n"
            "            print(evaluate(val_data))\n            model.train()\n        if batch",
        )
    ),
}
MOVED = {
    "its last place is returned": but(("(len(data_source) - 1)", "(i + 1)")),
    "only every other epoch": but(
        (EVALUATION, "    if epoch % 2 == 0:\n        val_loss = 0.1\n    else:\n    " + EVALUATION)
    ),
    "a length": but(loop("data_source.size(0)", "len(data_source)")),
    "a parameter": but(
        ("evaluate(data_source)", "evaluate(data_source, bptt=4)"),
        loop("args.bptt", "bptt"),
        ("evaluate(val_data)", "evaluate(val_data, 3)"),
    ),
    "a size by name": but(in_front("size = len(data_source)"), loop("data_source.size(0) - 1", "size - 1")),
    "draws in front": but(in_front("print(torch.rand(1))")),
    "draws while it fetches": but(("def get_batch(source, i):", "def get_batch(source, i):\n    torch.rand(1)")),
}
KEPT = {
    "data bound anew": but((EVALUATION, f"    val_data = torch.cat([val_data, val_data[:2]])\n{EVALUATION}")),
    "resized": but(in_front("data_source.resize_(data_source.size(0) - 1, data_source.size(1))")),
    "resized by a function": but(
        in_front("shrink(data_source)"), (BATCHIFY, f"\n\ndef shrink(x):\n    x.data = x[:-2]\n{BATCHIFY}")
    ),
    "a list that grows": but(
        in_front("sizes.append(1)"),
        loop("data_source.size(0)", "5 * len(sizes)"),
        (BATCHIFY, f"\n\nsizes = []\n{BATCHIFY}"),
    ),
    "a list that is set": but(
        in_front("sizes[:] = [1] * epoch"),
        loop("data_source.size(0)", "5 * len(sizes)"),
        (BATCHIFY, f"\n\nsizes = []\n{BATCHIFY}"),
    ),
    "by the model, which holds it": but(
        in_model("self.held.resize_(self.held.size(0) - 3, 3)"),
        ("model = RNNModel(ntokens, 6)", "model = RNNModel(ntokens, 6)\nmodel.held = val_data"),
    ),
    "by the model, which was given it": but(
        in_model("self.held.resize_(self.held.size(0) - 3, 3)"),
        ("ntoken, nhid, dropout=0.3", "ntoken, nhid, held, dropout=0.3"),
        ("        self.drop", "        self.held = held\n        self.drop"),
        ("RNNModel(ntokens, 6)", "RNNModel(ntokens, 6, val_data)"),
    ),
    "by the model, through a function": but(
        in_model("shrink()"),
        (BATCHIFY, f"\n\ndef shrink():\n    val_data.resize_(val_data.size(0) - 3, 3)\n{BATCHIFY}"),
    ),
    "a setting, by the name of a dictionary": but(
        in_front("settings['bptt'] = 3 + epoch"), (BATCHIFY, f"\n\nsettings = vars(args)\n{BATCHIFY}")
    ),
    "a length that prints": but(
        in_front("print('in front')"),
        loop("data_source.size(0)", "5 * len(sizes)"),
        (
            BATCHIFY,
            "\n\nclass Sizes:\n    def __len__(self):\n        print('asked')\n        return 3\n\n\n"
            f"sizes = Sizes()\n{BATCHIFY}",
        ),
    ),
    "by the model, through another name": but(
        in_model("[x.resize_(x.size(0) - 3, 3) for x in KEPT]"),
        (BATCHIFY, f"\n\nKEPT = []\n\n\ndef keep(x):\n    KEPT.append(x)\n{BATCHIFY}"),
        ("model = RNNModel", "keep(val_data)\nmodel = RNNModel"),
    ),
}
OTHER_REASONS = {
    "a setting is changed": (
        but((EVALUATION, f"    args.bptt = 3 + epoch\n{EVALUATION}")),
        "its loader is an attribute that may be set anew",
    ),
    "a return in the loop": (
        but(loop("            data, t", "            if i > 99:\n                return 0\n            data, t")),
        "the loop is left early",
    ),
    "its start is drawn": (
        but(loop("range(0,", "range(int(torch.randint(0, 3, (1,))),")),
        "it fetches its batches by itself",
    ),
}


def converted(text: str) -> Converted:
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    return result


def reasons(result: Converted) -> list[str]:
    return [note.message.split(": ", 1)[1] for note in result.diagnostics if note.code == "N102"]


@pytest.mark.parametrize("name", TRAINED)
def test_they_train_the_same(name: str, runner: Runner) -> None:
    result = converted(TRAINED[name])
    assert "def validation_step(self, i, batch_idx):" in result.after
    assert reasons(result) == ["the Trainer runs another one of each epoch"] * (name == "in the step")
    before = runner.run(TRAINED[name])
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


@pytest.mark.parametrize("name", MOVED)
def test_the_step_fetches(name: str) -> None:
    result = converted(MOVED[name])
    assert re.search(r"def val_dataloader\(self\):\n(        .*\n)*        return range\(0, ", result.after)
    assert not reasons(result)


@pytest.mark.parametrize("name", KEPT)
def test_a_range_that_may_be_another_by_then_stays(name: str) -> None:
    result = converted(KEPT[name])
    assert "def validation_step" not in result.after
    assert reasons(result) == [CHANGED]


@pytest.mark.parametrize("name", OTHER_REASONS)
def test_the_reader_learns_why(name: str) -> None:
    text, reason = OTHER_REASONS[name]
    result = converted(text)
    assert "def validation_step" not in result.after
    assert reasons(result) == [reason]
