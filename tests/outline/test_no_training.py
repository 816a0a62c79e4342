"""Files without a training, and trainings that there is no view of."""

from __future__ import annotations

import pytest

from tests.outline.views_harness import described, refused, script, sites, views


def test_a_custom_gradient_is_no_training() -> None:
    assert (
        views("""
        class Double(torch.autograd.Function):
            @staticmethod
            def backward(context, grad):
                return 2 * grad
        for x in loader:
            Double.apply(x)
        """)
        == []
    )


def test_gradients_outside_any_loop_without_a_step() -> None:
    text = "import torch\nx = torch.ones(2, requires_grad=True)\nx.sum().backward()\nprint(x.grad)\n"
    assert sites(text) == []


def test_files_without_torch() -> None:
    body = "for x, y in loader:\n    STEP"
    assert sites(script(body, head="import autograd\n")) == []
    assert [described(site) for site in sites(script(body, head="from common import *\n"))] == ["steps x, y"]


@pytest.mark.parametrize("library", ["accelerate", "pytorch_lightning as pl", "ignite.engine", "deepspeed"])
def test_trainings_that_another_library_runs(library: str) -> None:
    assert refused("for x, y in loader:\n    STEP", f"import torch\nimport {library}\n") == (
        "R110",
        f"import {library}",
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("def train():\n    for x, y in loader:\n        STEP\n        yield loss", "yield loss"),
        ("async def train():\n    for x, y in loader:\n        STEP", "for x, y in loader:"),
        ("async def train():\n    async for x, y in loader:\n        STEP", "async for x, y in loader:"),
        ("def train():\n    yield 0\n    for x, y in loader:\n        STEP", "yield 0"),
    ],
)
def test_suspended_trainings(body: str, line: str) -> None:
    assert refused(body) == ("R303", line)


def test_a_generator_inside_the_training_is_its_own_affair() -> None:
    found = views("""
        def train(loader):
            for x, y in loader:
                def parts():
                    yield x
                STEP
        """)
    assert found == ["steps x, y"]
