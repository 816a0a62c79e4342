"""The views of loops that stand inline, in the order in which they are tried."""

from __future__ import annotations

import pytest

from tests.outline.views_harness import views


def test_epochs_and_batches() -> None:
    found = views("""
        for epoch in range(3):
            for x, y in loader:
                STEP
        """)
    assert found == ["epochs epoch/x, y", "steps x, y", "whole epoch"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for epoch in range(9)", "whole epoch"),
        ("for n_epoch in range(1, 9)", "whole n_epoch"),
        ("for step in range(9)", "steps step"),
        ("for x, y in loader", "steps x, y"),
        ("for epoch in schedule", "steps epoch"),
        ("for epoch, batch in enumerate(loader)", "steps epoch, batch"),
        ("while loss > 0.1", "steps while"),
    ],
)
def test_one_loop(header: str, expected: str) -> None:
    """Only a counter that is named after epochs counts epochs; everything else counts steps."""
    assert views(f"{header}:\n    STEP") == [expected]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("while True", "for x, y in loader", ["epochs while/x, y", "steps x, y", "steps while"]),
        ("for epoch in range(3)", "while more()", ["epochs epoch/while", "steps while", "whole epoch"]),
        ("while True", "while more()", ["epochs while/while", "steps while", "steps while"]),
    ],
)
def test_while_loops(outer: str, inner: str, expected: list[str]) -> None:
    assert views(f"{outer}:\n    {inner}:\n        STEP") == expected


def test_phases_around_epochs() -> None:
    """The pair that looks like epochs and batches comes first; then the innermost loop, and the others from outside."""
    found = views("""
        for phase in phases:
            for epoch in range(3):
                for x, y in loader:
                    STEP
        """)
    assert found == ["epochs epoch/x, y", "epochs phase/epoch", "steps x, y", "steps phase", "whole epoch"]


def test_several_passes_over_each_batch() -> None:
    found = views("""
        for epoch in range(3):
            for x, y in loader:
                for repetition in range(2):
                    STEP
        """)
    assert found[:2] == ["epochs epoch/x, y", "epochs x, y/repetition"]


def test_two_loops_in_an_epoch_share_only_the_epoch() -> None:
    found = views("""
        for epoch in range(3):
            for x, y in first_loader:
                STEP
            for x, y in second_loader:
                STEP
        """)
    assert found == ["whole epoch"]


def test_a_step_of_the_optimizer_behind_the_batches_belongs_to_the_training() -> None:
    found = views("""
        for epoch in range(3):
            optimizer.zero_grad()
            for x, y in loader:
                (model(x) - y).square().mean().backward()
            optimizer.step()
        """)
    assert found == ["whole epoch"]


def test_a_step_of_a_scheduler_behind_the_batches_does_not() -> None:
    found = views("""
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        for epoch in range(3):
            for x, y in loader:
                STEP
            scheduler.step()
        """)
    assert found[0] == "epochs epoch/x, y"


@pytest.mark.parametrize("around", ["if epoch > 1", "with profile()", "with torch.enable_grad(), profile()"])
def test_batches_inside_another_statement_are_no_pair(around: str) -> None:
    found = views(f"for epoch in range(3):\n    {around}:\n        for x, y in loader:\n            STEP")
    assert found == ["steps x, y", "whole epoch"]


LEAVING = "        STEP\n        if loss < 0.1:\n            {}\n"


@pytest.mark.parametrize("leave", ["pass", "break"])
def test_an_else_of_the_batches_stands_between_them_and_the_epoch(leave: str) -> None:
    """Whether or not a `break` may skip it: the two loops are no pair then."""
    batches = "    for x, y in loader:\n" + LEAVING.format(leave) + "    else:\n        print(epoch)"
    assert views(f"for epoch in range(3):\n{batches}") == ["steps x, y", "whole epoch"]


@pytest.mark.parametrize("leave", ["pass", "break"])
def test_an_else_of_the_epochs_stands_behind_the_training(leave: str) -> None:
    batches = "    for x, y in loader:\n" + LEAVING.format(leave)
    found = views(f"for epoch in range(3):\n{batches}else:\n    print('all')")
    assert found == ["epochs epoch/x, y", "steps x, y", "whole epoch"]


def test_the_first_training_of_the_text_comes_first() -> None:
    found = views("""
        def pretrain():
            for step in range(3):
                STEP
        for x, y in loader:
            STEP
        pretrain()
        """)
    assert found == ["steps step"]
