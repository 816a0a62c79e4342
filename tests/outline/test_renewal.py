"""Loops that train a new model in each turn: the loop inside them is the training."""

from __future__ import annotations

import textwrap

import pytest

from tests.outline.views_harness import described, sites

HEAD = "import torch\nfrom torch import nn, optim\n"
STEP = "optimizer.zero_grad()\nloss = model(x).sum()\nloss.backward()\noptimizer.step()\n"
MODEL = "model = nn.Linear(2, 1)\n"
OPTIMIZER = "optimizer = optim.SGD(model.parameters(), lr=0.1)\n"


def first_view(*parts: str) -> str:
    """The view of a script that is tried first."""
    return described(sites(HEAD + "".join(parts))[0])


def inside(header: str, *lines: str) -> str:
    return f"{header}:\n" + textwrap.indent("".join(lines), "    ")


FIT = inside("for step in range(9)", STEP)
RUNS = {
    "the model is handed to a function that makes the optimizer": (
        inside("def fit(model, x)", OPTIMIZER, FIT),
        inside("for turn in range(3)", MODEL, "fit(x=x, model=model)\n"),
    ),
    "a function steps the optimizer that it is handed": (
        inside("def one(model, optimizer, x)", STEP),
        inside("for turn in range(3)", MODEL, OPTIMIZER, inside("for step in range(9)", "one(model, optimizer, x)\n")),
    ),
    "both are handed on twice": (
        inside("def one(net, opt, x)", STEP.replace("optimizer", "opt").replace("model", "net")),
        inside("def fit(model, optimizer, x)", inside("for step in range(9)", "one(model, optimizer, x)\n")),
        inside("for turn in range(3)", MODEL, OPTIMIZER, "fit(model, optimizer, x)\n"),
    ),
    "a function makes both, and holds the loop": (
        inside("def fit(x)", MODEL, OPTIMIZER, FIT),
        inside("for turn in range(3)", "fit(x)\n"),
    ),
}
EPOCHS = {
    "one model, and an optimizer for each epoch": (
        MODEL,
        inside("def fit(model, x)", OPTIMIZER, FIT),
        inside("for turn in range(3)", "fit(model, x)\n"),
    ),
    "one optimizer, handed on": (
        inside("def one(model, optimizer, x)", STEP),
        MODEL,
        OPTIMIZER,
        inside("for turn in range(3)", inside("for step in range(9)", "one(model, optimizer, x)\n")),
    ),
    "all is made in front of the epochs": (
        inside("def fit(x)", MODEL, OPTIMIZER, inside("for turn in range(3)", FIT)),
        "fit(x)\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("parts", RUNS.values(), ids=RUNS)
def test_a_loop_over_runs_counts_no_epochs(parts: tuple[str, ...]) -> None:
    assert first_view(*parts).startswith("steps step")


@pytest.mark.parametrize("parts", EPOCHS.values(), ids=EPOCHS)
def test_epochs_that_train_one_model(parts: tuple[str, ...]) -> None:
    assert first_view(*parts).startswith("epochs turn/step")


def test_a_loop_that_calls_an_update_is_the_training() -> None:
    """The function makes an optimizer for a model that lives on."""
    update = inside("def update(x)", OPTIMIZER, FIT)
    assert first_view(MODEL, update, inside("while True", "x = act(model)\n", "print(update(x), x)\n")) != "steps step"
