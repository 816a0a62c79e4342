"""The evaluation behind the training: what becomes of it, piece by piece, and when it stays."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.options import Options
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
import time
import torch
from torch import nn
model = {model}
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
test_loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
{body}
"""
PLAIN, MODED = "nn.Linear(2, 1)", "nn.Sequential(nn.Dropout(), nn.Linear(2, 1))"


def converted(body: str, model: str = MODED) -> Converted:
    result = convert_text(SCRIPT.format(body=textwrap.dedent(body).strip(), model=model))
    assert isinstance(result, Converted), result.diagnostics
    return result


def reasons(result: Converted) -> list[str]:
    return [found.message for found in result.diagnostics if found.code == "N102"]


INLINE = """
model.eval()
with torch.no_grad():
    total = 0
    for x, y in test_loader:
        total += (model(x) - y).abs().sum().item()
    print('error', total)
"""


def test_the_test_becomes_a_loop_of_the_trainer() -> None:
    after = converted(INLINE).after
    assert "trainer.fit(module, loader)\ntrainer.test(module, test_loader)\n" in after
    assert "    def on_test_epoch_start(self):\n        self.total = 0\n" in after
    assert "    def test_step(self, batch, batch_idx):\n        x, y = batch\n        self.total += " in after
    assert "self.total = self.sum_across_ranks(self.total)\n        self.print('error', self.total)\n" in after
    assert "eval()" not in after and "no_grad" not in after and "_modes" not in after


def test_what_is_read_behind_it_is_read_from_the_module() -> None:
    after = converted(INLINE + "print(total, loss.item())\n").after
    assert after.endswith("trainer.test(module, test_loader)\nprint(module.total, module.loss.item())\n")


def test_a_variable_that_is_written_again_is_fetched_behind_the_test() -> None:
    after = converted(INLINE + "total /= 2\nprint(total)\n").after
    assert 'trainer.test(module, test_loader)\nif hasattr(module, "total"):\n    total = module.total\n' in after


def test_eval_stays_where_the_model_is_used_later() -> None:
    after = converted(INLINE + "print(model(torch.ones(1, 2)))\n").after
    assert "model.eval()\ntrainer.test(module, test_loader)\n" in after
    assert "_modes" not in after


@pytest.mark.parametrize(("model", "own"), [(PLAIN, False), (MODED, True), ("nn.LSTM(2, 1)", True)])
def test_without_eval_the_mode_must_not_matter(model: str, own: bool) -> None:
    after = converted(INLINE.replace("model.eval()", ""), model).after
    assert "def test_step" in after
    assert ("self.automatic_modes = False" in after) == own


@pytest.mark.parametrize(
    "line", ["total = 0", "total, n = 0, 0", "start = time.time()", "model.eval()", "meter.reset()"]
)
def test_lines_that_get_ready_go_with_it(line: str) -> None:
    body = f"total = n = start = 0\n{line}\n" + INLINE.replace("    total = 0\n", "    total = 0; n = 0\n")
    after = converted(body).after
    assert "def test_step" in after
    assert after.index("def on_test_epoch_start") < after.index("trainer.fit(")


FUNCTION = """
def test(net, data):
    net.eval()
    total = 0
    with torch.no_grad():
        for x, y in data:
            total += (net(x) - y).abs().sum().item()
    return total
"""


def test_a_function_is_entered() -> None:
    after = converted(FUNCTION + "error = test(model, test_loader)\nprint(error)").after
    assert "trainer.test(module, test_loader)\nprint(module.error)" in after
    assert "def test(" not in after


def test_a_function_that_others_use_stays_for_them() -> None:
    after = converted(FUNCTION + "error = test(model, test_loader)\nprint(error, test(model, loader))").after
    assert "trainer.test(module, test_loader)\n" in after
    assert "def test(net, data):" in after and "test(model, loader))" in after


STAYING = {
    "else": (INLINE.replace("    print(", "    else:\n        print("), "the loop is left early"),
    "model": ("model = nn.Linear(2, 1)\n" + INLINE, "model is assigned between the training and it"),
    "training mode": (INLINE.replace("model.eval()", "model.train()"), "the model is in training mode"),
    "switch": ("torch.set_grad_enabled(False)\n" + INLINE, "the script switches gradients on and off for itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYING)
def test_it_stays_with_a_note(name: str) -> None:
    body, reason = STAYING[name]
    result = converted(body)
    assert "def test_step" not in result.after and "trainer.test" not in result.after
    assert reasons(result) == [f"the evaluation stays behind the training: {reason}"]


@pytest.mark.parametrize(
    "body",
    [
        INLINE.replace("model.eval()\nwith torch.no_grad()", "if True"),
        "for i in range(3):\n    with torch.no_grad():\n        print(model(torch.ones(1, 2)))",
        "with torch.no_grad():\n    for p in model.parameters():\n        p.mul_(0.5)",
        "model.eval()\nfor x, y in test_loader:\n    print(x.sum())",
    ],
)
def test_other_loops_are_left_alone(body: str) -> None:
    result = converted(body)
    assert "def test_step" not in result.after
    assert not reasons(result)


def test_loops_that_count_from_different_numbers_do_not_share_the_batch_number() -> None:
    body = INLINE.replace("for x, y in test_loader:", "for i, (x, y) in enumerate(test_loader):\n        print(i)")
    text = SCRIPT.format(body=body, model=MODED).replace(
        "for x, y in loader:", "for i, (x, y) in enumerate(loader, 5):"
    )
    result = convert_text(text.replace("    optimizer.zero_grad()", "    print(i); optimizer.zero_grad()", 1))
    assert isinstance(result, Converted), result.diagnostics
    assert "i = batch_idx + 5\n" in result.after and "i = batch_idx\n" in result.after


def test_loops_that_count_alike_share_it() -> None:
    body = INLINE.replace("for x, y in test_loader:", "for i, (x, y) in enumerate(test_loader):\n        print(i)")
    text = SCRIPT.format(body=body, model=MODED).replace("for x, y in loader:", "for i, (x, y) in enumerate(loader):")
    result = convert_text(text.replace("    optimizer.zero_grad()", "    print(i); optimizer.zero_grad()", 1))
    assert isinstance(result, Converted), result.diagnostics
    assert result.after.count("self.print(batch_idx)") == 2


def test_a_line_that_stays_as_it_is_goes_with_it_too() -> None:
    """A variable of the module that a function reads as well keeps its name; so its line does not change."""
    shown = "hits = 5\ndef report():\n    print(hits)\n"
    text = SCRIPT.format(body=INLINE.replace("total", "hits") + "report()\n", model=MODED)
    result = convert_text(text.replace("loader = [", f"{shown}loader = [", 1))
    assert isinstance(result, Converted)
    assert "    def on_test_epoch_start(self):\n        global hits\n        hits = 0\n" in result.after
    again = convert_text(text.replace("loader = [", f"{shown}loader = [", 1).replace("    hits = 0\n", "").replace(
        "model.eval()\n", "model.eval()\nhits = 0\n"
    ))  # fmt: skip
    assert isinstance(again, Converted)
    assert "    def on_test_epoch_start(self):\n        global hits\n        hits = 0\n" in again.after


AGAIN = """
{name} = [(torch.zeros(2, 2), torch.ones(2, 1))] * 3
model.eval()
with torch.no_grad():
    total = 0
    for x, y in {name}:
        total += (model(x) - y).abs().sum().item()
    total /= {by}
    print('error', total)
"""


@pytest.mark.parametrize(
    ("name", "by"), [("test_loader", 1), ("made_loader", "len(made_loader)"), ("test_loader", "len(test_loader)")]
)
def test_the_loader_may_be_made_behind_the_training(name: str, by: str, runner: Runner) -> None:
    result = converted(AGAIN.format(name=name, by=by))
    assert f"trainer.test(module, {name})" in result.after and not reasons(result)
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None, result.after


@pytest.mark.parametrize("by", ["1", "len(loader)"])
def test_a_loader_that_the_training_uses_too(by: str, runner: Runner) -> None:
    result = converted(AGAIN.format(name="loader", by=by))
    assert ("trainer.test(module, loader)" in result.after) is (by == "1")
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None, result.after


def test_an_item_that_is_made_behind_the_training_stays(runner: Runner) -> None:
    result = converted("loaders = {'test': test_loader}\n" + INLINE.replace("test_loader", "loaders['test']"))
    assert "trainer.test" not in result.after
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None, result.after


def under(condition: str, body: str = INLINE) -> str:
    return f"if {condition}:\n{textwrap.indent(body.strip(), '    ')}\n"


SOMETIMES = {
    "a setting": ("", under("FLAG") + "print('end')"),
    "with what it needs": ("", under("FLAG", "scale = 2\n" + INLINE + "print(total / scale)")),
    "on another branch": ("", "if not FLAG:\n    print('no')\nel" + under("FLAG") + "else:\n    print('never')"),
    "in another condition": ("", under("FLAG", "print('a')\n" + under("len(loader) < 9") + "print('b')")),
    "draws": ("", under("torch.rand(1).item() < 2 and FLAG")),
    "read behind it": ("", under("FLAG") + "if FLAG:\n    print(total)"),
    "read in any case": ("total = -1", under("FLAG") + "print(total)"),
    "unbound without it": ("", under("FLAG") + "print(total)"),
    "goes on counting": ("total = 5", under("FLAG", INLINE.replace("total = 0", "pass")) + "print(total)"),
    "its mode is asked for": ("", under("FLAG") + "print(model.training)"),
    "the model is used again": ("", under("FLAG") + "print(model(torch.ones(1, 2)))"),
    "a function": ("", FUNCTION + under("FLAG", "error = test(model, test_loader)\nprint(error)")),
    "a loader that is made there": ("", under("FLAG", AGAIN.format(name="late_loader", by="1"))),
}


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("name", SOMETIMES)
def test_it_may_stand_under_a_condition(name: str, flag: bool, runner: Runner) -> None:
    start, body = SOMETIMES[name]
    text = SCRIPT.format(body=body, model=MODED).replace("import time\n", f"import time\nFLAG = {flag}\n{start}\n")
    result = convert_text(text)
    assert isinstance(result, Converted) and "    trainer.test(module, " in result.after, result.diagnostics
    assert first_difference(runner.run(text), runner.run(result.after)) is None, result.after


STAYING_SOMETIMES = {
    "statistics": (
        under("len(loader)", "with torch.no_grad():\n    model.train()\n    for x, y in loader:\n        model(x)"),
        "the model is in training mode",
    ),
    "one process": ("rank = 0\n" + under("rank == 0"), "one process may run it while the others go on"),
    "a condition that changes what it reads": (
        "def change():\n    global model\n    model = nn.Linear(2, 1)\n    return True\n" + under("change()"),
        "model is assigned between the training and it",
    ),
}


@pytest.mark.parametrize("name", STAYING_SOMETIMES)
def test_under_a_condition_it_stays_with_a_note(name: str, runner: Runner) -> None:
    body, reason = STAYING_SOMETIMES[name]
    result = converted(body)
    assert "trainer.test" not in result.after
    assert reasons(result) == [f"the evaluation stays behind the training: {reason}"]
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None, result.after


def test_an_evaluation_that_each_epoch_runs_too_stays_under_its_condition(runner: Runner) -> None:
    body = under("len(loader)", "error = test(model, test_loader)\nprint(error, test(model, loader))")
    text = SCRIPT.format(body=body, model=MODED).replace("loader = [", FUNCTION.strip() + "\nloader = [", 1)
    result = convert_text(text.replace("\nif len", "\n    print(test(model, test_loader))\nif len"))
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    assert "trainer.test" not in result.after and "    error = test(model, test_loader)\n" in result.after
    assert first_difference(runner.run(result.before), runner.run(result.after)) is None, result.after


OWN_LOADER = """
import random
from torch.utils.data import DataLoader
data = [(torch.ones(2) * n, torch.ones(1)) for n in range(7)]

def test(net, data, n):
    print('testing', torch.rand(1).item())
    net.eval()
    {made}
    total = 0
    with torch.no_grad():
        for x, y in own:
            total += (net(x) - y).abs().sum().item()
    return total, len(own)

"""
FIRST = "model = {model}"


def with_own_loader(made: str, call: str) -> str:
    script = SCRIPT.replace(FIRST, OWN_LOADER.replace("{made}", made) + FIRST)
    return script.format(body=call, model=MODED)


MADE = "own = DataLoader(data, batch_size=n, shuffle=True)"


@pytest.mark.parametrize(
    ("made", "call"),
    [
        (MADE, "print(test(model, data, 2))"),
        (MADE, "if random.random() < 2:\n    print('now')\n    print(test(model, data, 3))"),
        (f"{MADE}\n    print('made', torch.rand(1).item())", "print(test(net=model, n=1, data=data))"),
        (f"print(torch.is_grad_enabled(), net.training)\n    {MADE}", "print(test(model, data, 2))"),
        ("assert n < 3, 'too many'\n    " + MADE, "print(test(model, data, 2))"),
    ],
)
def test_a_method_makes_the_loader_that_a_test_makes(made: str, call: str, runner: Runner) -> None:
    result = convert_text(with_own_loader(made, call))
    assert isinstance(result, Converted), result.diagnostics
    assert "    def test_dataloader(self):\n" in result.after and "trainer.test(module)\n" in result.after
    assert not reasons(result)
    before = runner.run(result.before)
    assert before.status == 0, before.error
    assert first_difference(before, runner.run(result.after)) is None


def test_lightnings_trainer_asks_for_the_loader_of_a_test_early() -> None:
    result = convert_text(with_own_loader(MADE, "test(model, data, 2)"), options=Options(target="lightning"))
    assert "def test_dataloader" not in getattr(result, "after", "")
