"""The views of loops in functions and methods, and of gradients that helpers compute, in the order of trying."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from tests.outline.views_harness import views

TRAIN = """
def train(loader):
    for x, y in loader:
        STEP
"""


def test_a_function_is_entered_through_its_only_call() -> None:
    assert views(TRAIN + "for epoch in range(3):\n    train(loader)") == ["epochs epoch/x, y by train()", "steps x, y"]


@pytest.mark.parametrize(
    "rest",
    [
        "for epoch in range(3):\n    train(loader)\ntrain(loader)",
        "for epoch in range(3):\n    run(train)",
        "for epoch in range(3):\n    if epoch:\n        train(loader)",
        "train(loader)",
        "def every(loaders):\n    for loader in loaders:\n        yield train(loader)",
        "async def every(loaders):\n    for loader in loaders:\n        train(loader)",
        "",
    ],
    ids=["two uses", "handed on", "under a condition", "no loop", "generator", "coroutine", "never called"],
)
def test_otherwise_its_loop_stands_alone(rest: str) -> None:
    assert views(TRAIN + rest) == ["steps x, y"]


def test_the_innermost_loop_around_a_call_is_the_loop_over_the_epochs() -> None:
    found = views(TRAIN + "for run in range(2):\n    for epoch in range(3):\n        train(loader)")
    assert found == ["epochs epoch/x, y by train()", "steps x, y"]


def test_the_loop_has_to_stand_directly_in_the_function() -> None:
    found = views("""
        def train(loader):
            with profile():
                for x, y in loader:
                    STEP
        for epoch in range(3):
            train(loader)
        """)
    assert found == ["steps x, y"]


def test_nested_loops_in_a_function_need_no_call() -> None:
    found = views("""
        def train(loader):
            for epoch in range(3):
                for x, y in loader:
                    STEP
        for run in range(3):
            train(loader)
        """)
    assert found == ["epochs epoch/x, y", "steps x, y", "whole epoch"]


@pytest.mark.parametrize("data", ["loader", "train_set", "trainset"])
def test_a_function_that_goes_through_data_is_a_training_of_each_call(data: str) -> None:
    found = views(f"""
        def train({data}, rate):
            for _ in range(3):
                for x, y in enumerate({data}):
                    STEP
        for rate in schedule:
            train(read(), rate)
        """)
    assert found[0] == "epochs _/x, y"


def test_a_function_that_takes_a_few_steps_works_for_the_loop_that_calls_it() -> None:
    found = views("""
        def update(memory):
            for _ in range(3):
                for x, y in memory:
                    STEP
        for episode in range(9):
            update(play())
        """)
    assert found[0] == "steps episode with update()"


# --- helpers that compute gradients -------------------------------------------------------------------------------

ONE_STEP = """
def one_step(x, y):
    STEP
"""


def test_helpers_are_entered_or_left_beside() -> None:
    found = views(ONE_STEP + "for x, y in loader:\n    one_step(x, y)")
    assert found == ["steps x, y with one_step()", "steps x, y beside one_step()"]


def test_helpers_are_followed_through_calls_of_calls() -> None:
    found = views("""
        def update(loss):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        def one_step(x, y):
            update((model(x) - y).square().mean())
        def train(loader):
            for x, y in loader:
                one_step(x, y)
        for epoch in range(3):
            train(loader)
        """)
    assert found == [
        "epochs epoch/x, y by train() with update(), one_step()",
        "epochs epoch/x, y by train() beside update(), one_step()",
        "steps x, y with update(), one_step()",
        "steps x, y beside update(), one_step()",
    ]


def test_a_helper_used_in_two_loops_of_an_epoch_leads_to_the_epoch() -> None:
    found = views(
        ONE_STEP
        + """
for epoch in range(3):
    for x, y in first_loader:
        one_step(x, y)
    for x, y in second_loader:
        one_step(x, y)
"""
    )
    assert found == ["whole epoch with one_step()", "whole epoch beside one_step()"]


def test_a_helper_that_calls_itself_is_followed_once() -> None:
    found = views("""
        def again(x, y, depth):
            STEP
            if depth:
                again(x, y, depth - 1)
        for x, y in loader:
            again(x, y, 2)
        """)
    assert found == ["steps x, y with again()", "steps x, y beside again()"]


def test_a_closure_counts_where_it_is_defined() -> None:
    found = views("""
        for x, y in loader:
            def closure():
                optimizer.zero_grad()
                loss = (model(x) - y).square().mean()
                loss.backward()
                return loss
            optimizer.step(closure)
        """)
    assert found == ["steps x, y with closure()", "steps x, y beside closure()"]


def test_a_helper_without_a_loop_in_the_file() -> None:
    assert views(ONE_STEP) == views(ONE_STEP + "for x, y in loader:\n    print(x)") == []


def test_a_single_step_needs_no_loop() -> None:
    assert views(ONE_STEP + "one_step(x, y)") == []


# --- classes ------------------------------------------------------------------------------------------------------

SOLVER = """
class Solver:
    def fit(self):
        for epoch in range(3):
            self.train_epoch()
    def train_epoch(self):
        for x, y in self.loader:
            STEP
"""


def test_a_method_is_entered_from_a_method_of_its_class() -> None:
    assert views(SOLVER) == ["epochs epoch/x, y by train_epoch()", "steps x, y"]


def test_a_method_of_an_object_is_entered_if_it_looks_like_an_epoch() -> None:
    solver = (
        TRAIN.replace("train", "step_over").replace("def", "class Solver:\n  def").replace("(loader)", "(self, loader)")
    )
    text = solver + "solver = Solver()\nfor epoch in range(3):\n    solver.step_over(loader)"
    assert views(text) == ["epochs epoch/x, y by step_over()", "steps x, y"]
    other = views(text.replace("epoch in", "episode in").replace("loader", "memory"))
    assert not any(view.startswith("epochs") for view in other)


@pytest.mark.parametrize(
    "text",
    [
        SOLVER + "class Other(Solver):\n    def train_epoch(self):\n        pass",
        SOLVER.replace("def fit(self)", "def fit(self, other)").replace("self.train_epoch()", "other.train_epoch()"),
        SOLVER.replace("    def train_epoch", "    @timed\n    def train_epoch"),
        SOLVER + "Solver().train_epoch()",
    ],
    ids=["overridden", "of another object", "decorated", "used outside"],
)
def test_otherwise_a_method_may_be_another_one(text: str) -> None:
    assert views(text) == ["steps x, y"]


def test_an_attribute_of_the_same_name_of_another_class_is_no_use() -> None:
    found = views("""
        class Solver:
            def train(self, loader):
                for x, y in loader:
                    STEP
            def fit(self, loader):
                for epoch in range(3):
                    model.train()
                    self.train(loader)
        """)
    assert found == ["epochs epoch/x, y by train()", "steps x, y"]


def test_gradients_in_a_converted_class_are_no_training() -> None:
    text = """
from runtime import Module, Trainer
class LitModel(Module):
    def training_step(self, batch, batch_idx):
        for part in batch:
            self.manual_backward(self.model(part).sum())
            self.model(part).sum().backward()
"""
    assert views(text) == []
    assert views(text + "for x, y in loader:\n    STEP") == ["steps x, y"]


def test_a_helper_that_only_a_converted_class_calls_is_no_training() -> None:
    assert (
        views("""
        from runtime import Module, Trainer
        def one_step(x, y):
            STEP
        class LitModel(Module):
            def training_step(self, batch, batch_idx):
                one_step(*batch)
        """)
        == []
    )


BATCH = """
def run_batch(x, y, {parameter}):
    if {condition}:
        STEP
    return x.sum()
for epoch in range(3):
    for x, y in loader:
        run_batch(x, y, {training})
    for x, y in others:
        run_batch(x, y{evaluation})
"""


@pytest.mark.parametrize(
    ("parameter", "condition", "training", "evaluation", "rules_out"),
    [
        ("opt=None", "opt is not None", "optimizer", "", True),
        ("opt=None", "opt is not None", "optimizer", ", None", True),
        ("opt=None", "opt is not None", "optimizer", ", opt=None", True),
        ("train=False", "train", "True", "", True),
        ("train=True", "train", "True", ", False", True),
        ("opt=None", "opt is not None", "optimizer", ", False", False),
        ("opt=None", "opt is None", "optimizer", ", None", False),
        ("opt=None", "opt is not None or epoch", "optimizer", "", False),
        ("train=False", "train", "True", ", epoch > 1", False),
        ("train=False", "not train", "True", "", False),
    ],
)
def test_calls_that_do_not_get_to_the_gradients_do_not_count(
    parameter: str, condition: str, training: str, evaluation: str, rules_out: bool
) -> None:
    text = BATCH.format(parameter=parameter, condition=condition, training=training, evaluation=evaluation)
    assert (views(text)[0] == "epochs epoch/x, y with run_batch()") is rules_out


# --- functions between the loops ----------------------------------------------------------------------------------

BETWEEN = (
    TRAIN
    + """
def both(data):
    train(data)
    test()
def every(data):
    both(data)
"""
)
EPOCHS = "for epoch in range(3):\n    "


def test_functions_that_call_each_other_are_all_entered() -> None:
    assert views(BETWEEN + EPOCHS + "both(loader)") == ["steps x, y"], "every() may call both() too"
    assert views(BETWEEN + EPOCHS + "every(loader)") == ["epochs epoch/x, y by every(), both(), train()", "steps x, y"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    train(data)", "    for _ in range(2):\n        train(data)\n    yield"),
        ("    train(data)", "    if data:\n        train(data)"),
        ("    train(data)", "    train(data)\n    every(data)"),
        ("    test()", "    yield"),
        ("def both", "async def both"),
    ],
    ids=["loop in a generator", "under a condition", "calls itself", "generator", "coroutine"],
)
def test_else_none_of_them_is(old: str, new: str) -> None:
    assert views(BETWEEN.replace(old, new) + EPOCHS + "every(loader)") == ["steps x, y"]


def test_functions_that_call_each_other_without_a_loop_are_not_entered() -> None:
    assert views(BETWEEN + "every(loader)") == ["steps x, y"]


def test_each_call_of_a_method_on_the_way_has_to_be_known() -> None:
    text = SOLVER.replace("self.train_epoch()", "self.both()") + "    def both(self):\n        self.train_epoch()\n"
    assert views(text) == ["epochs epoch/x, y by both(), train_epoch()", "steps x, y"]
    assert views(text.replace("self.train_epoch()", "self.other.train_epoch()")) == ["steps x, y"]
    assert views(text + "class Other(Solver):\n    def both(self):\n        pass") == ["steps x, y"]


# --- functions that other functions make --------------------------------------------------------------------------

MAKER = """
def make_step(model):
    def step(x, y):
        STEP
    return step
"""
ONE = "one = make_step(model)\n"


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (ONE + "for x, y in loader:\n    one(x, y)", ["steps x, y"]),
        (ONE + EPOCHS + "for x, y in loader:\n        one(x, y)", ["epochs epoch/x, y"]),
        (ONE + EPOCHS + "run(loader, one)", ["whole epoch"]),
        (ONE + "one(x, y)", []),
    ],
)
def test_a_step_that_a_function_makes_is_followed_through_its_variable(rest: str, found: list[str]) -> None:
    expected = [f"{view} {enters} step()" for view in found for enters in ("with", "beside")]
    assert views(MAKER + rest)[: len(expected)] == expected


def test_a_step_that_is_made_elsewhere_too_leads_to_where_it_is_made() -> None:
    found = views(MAKER + "steps = [make_step(model)]\nfor x, y in loader:\n    one = make_step(model)\n    one(x, y)")
    assert found[0] == "steps x, y with step(), make_step()"


@pytest.mark.parametrize("look", ["locals()", "vars()", "dir()"])
def test_a_function_that_looks_up_its_variables_by_name_is_not_entered(look: str) -> None:
    train = TRAIN.replace("STEP", "loss = model(x).sum()\n        loss.backward()\n        optimizer.step()")
    run = f"def run(loader, epoch):\n    train(loader)\n    print(epoch, {look})\n"
    epochs = "for epoch in range(3):\n    run(loader, epoch)\n"
    made = "import torch\nmodel = torch.nn.Linear(1, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    result = convert_text(made + train + run + epochs)
    assert f"print(epoch, {look})" in result.after
    assert "N103" in {found.code for found in result.diagnostics}
