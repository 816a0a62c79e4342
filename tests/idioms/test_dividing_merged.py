"""A part that one function calls as the last thing it does becomes the end of that function."""

from __future__ import annotations

import pytest

from tests.idioms.test_dividing import done, output, script

TRAINING = (
    "def training(loader):\n    # training mode\n    model.train()\n    return run_epoch(loader, True)  # at last\n"
)
EVALUATION = "def evaluation(loader):\n    model.eval()\n    return run_epoch(loader, False)\n"


def written(training: str = TRAINING, evaluation: str = EVALUATION, **parts: str) -> str:
    text = script({"below": training + evaluation, "learns": "train", **parts})
    return text.replace("print(run_epoch(train_loader))", "print(training(train_loader))").replace(
        "print(run_epoch(val_loader, train=False))", "print(evaluation(val_loader))"
    )


RETURN = "    return run_epoch"
CALL = "return run_epoch(loader, True)"
OWN = "    print('own')\n" + RETURN
YIELDING = TRAINING.replace(RETURN, "    yield 1\n" + RETURN)
HOLDING = TRAINING.replace(RETURN, "    held = lambda: loader\n    print(held())\n" + RETURN)
COPIED = "loader = list(loader)"

MERGED = {
    "as it is": written(),
    "lines in front": written(TRAINING.replace(RETURN, OWN), EVALUATION.replace(RETURN, OWN)),
    "the name of an argument": written(TRAINING.replace("loader, True", "train=True, loader=loader")),
    "a parameter that is bound again": written(first=COPIED),
    "decorated": written(evaluation="@torch.no_grad()\n" + EVALUATION),
    "other variables": written(first="count = 0\nfor x in loader: count += x\nprint(count)"),
}
APART = {
    "another name": written(TRAINING.replace("training(loader)", "training(data)").replace("(loader,", "(data,")),
    "another value": written(TRAINING.replace("epoch(loader", "epoch(loader[:1]")),
    "a variable of its own": written(TRAINING.replace(RETURN, "    x = 5\n" + RETURN)),
    "a global name": written(TRAINING.replace(RETURN, "    print(start)\n" + RETURN), first="start = 3\nprint(start)"),
    "not the last thing": written(TRAINING.replace(CALL + "  # at last", f"found = {CALL[7:]}\n    return found")),
    "more than the call": written(TRAINING.replace(CALL, f"return 1 + {CALL[7:]}")),
    "under a condition": written(TRAINING.replace(RETURN, "    if loader:\n    " + RETURN)),
    "called again": written(end="print(run_epoch(train_loader, True))"),
    "a generator": written(YIELDING).replace("print(training(train_loader))", "print(list(training(train_loader)))"),
    "a default": written(parameters="loader, train=True, size=3", last="print(size)"),
    "a nested function": written(HOLDING, first=COPIED),
}


@pytest.mark.parametrize("name", MERGED)
def test_it_becomes_the_end_of_its_caller(name: str) -> None:
    text = done(MERGED[name])
    assert text is not None and "run_epoch" not in text and "train_epoch" not in text and "evaluate_epoch" not in text
    assert output(text) == output(MERGED[name])
    assert "# training mode" in text and "# at last" in text


@pytest.mark.parametrize("name", APART)
def test_it_stays_a_function(name: str) -> None:
    text = done(APART[name])
    assert text is not None and ("train_epoch(" in text or "run_epoch(" in text)
    assert output(text) == output(APART[name])
