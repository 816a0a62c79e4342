"""Automatic optimization: when the three calls leave the step, and when they must stay."""

from __future__ import annotations

import textwrap

import pytest

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import random, sys
import torch
from torch import nn, optim as O
model = nn.Linear(2, 1)
optimizer = O.SGD(model.parameters(), lr=0.1)
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
seen = []
for epoch in range(2):
    for x, y in loader:
{body}
"""


def converted(body: str) -> str:
    result = convert_text(SCRIPT.format(body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8)))
    assert isinstance(result, Converted), result.diagnostics
    return result.after


AUTOMATIC = [
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\noptimizer.zero_grad()\nloss.backward()\noptimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()",
    "model.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\nprint(loss.item())",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\n"
    "nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()\nseen.append(loss.item())",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\nif seen is not None:\n"
    "    nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()\nseen.append(loss.item())",
]
STEP = "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\n"
BEHIND = {
    "print(model.weight)": "print(self.model.weight)",  # sees the new weights
    "print(optimizer.param_groups[0]['lr'])": "print(self.optimizer.param_groups[0]['lr'])",
    "loss = loss.item()\nseen.append(loss)": "seen.append(self.loss)",  # another loss would be returned
    "y.zero_()": "y.zero_()",  # changes what backward needs
    "if epoch: sys.exit(3)": "sys.exit(3)",  # would leave before the step
    "if epoch: raise ValueError": "raise ValueError",
    "seen.append(random.random())": "seen.append(random.random())",
    "print(model.weight.grad)": "print(self.model.weight.grad)",
    "if random.random() < 0.5: break": "self.stop_epoch()",
    "if random.random() < 0.5: continue\nprint(1)": "return",
}
BETWEEN = {
    "if epoch: print(random.random())": "print(random.random())",
    "print(model.weight.grad)": "print(self.model.weight.grad)",
    "norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)": "norm = nn.utils.clip_grad_norm_(",
    "random.random()": "random.random()",
    "if random.random() < 2: nn.utils.clip_grad_norm_(model.parameters(), 1.0)": "if random.random() < 2: nn",
    "if not epoch: nn.utils.clip_grad_norm_(model.parameters(), 1.0)\nelse: print()": "else: self.print()",
}
LOOKING = """seen = []
late = nn.Parameter(torch.ones(1))
kept = helper.Watch(model)
def show(what):
    helper.look(what)"""
MANUAL = [
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.zero_grad()\noptimizer.step()",
    "optimizer.zero_grad(set_to_none=False)\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\nif loss.item() < 0.5: continue\n"
    "optimizer.step()",
    "loss = (model(x) - y).pow(2).mean()\nloss.backward()\nif epoch:\n    optimizer.step()\n    optimizer.zero_grad()",
    "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nloss.backward()\nloss.backward()\noptimizer.step()",
]


@pytest.mark.parametrize("body", AUTOMATIC)
def test_the_trainer_steps(body: str) -> None:
    after = converted(body)
    assert "manual_backward" not in after
    assert "backward" not in after and ".step()" not in after and "zero_grad" not in after


def hook(after: str, name: str) -> str:
    """The text of one method of the module."""
    assert f"    def {name}(" in after, after
    return after.split(f"    def {name}(")[1].split("\n    def ")[0].split("\nmodel = ")[0]


@pytest.mark.parametrize(("behind", "line"), BEHIND.items())
def test_what_may_see_the_step_runs_behind_it(behind: str, line: str) -> None:
    after = converted(STEP + behind)
    assert line in hook(after, "on_train_batch_end")
    assert "automatic_optimization" not in after and "return" in hook(after, "training_step")


@pytest.mark.parametrize(("between", "line"), BETWEEN.items())
def test_what_stands_between_backward_and_step_stays_there(between: str, line: str) -> None:
    after = converted(STEP.replace("optimizer.step()", between + "\noptimizer.step()"))
    assert line in hook(after, "on_before_optimizer_step")
    assert "automatic_optimization" not in after


def test_lines_behind_the_step_do_not_overtake_those_between() -> None:
    after = converted(
        STEP.replace("optimizer.step()", "print(model.weight.grad)\noptimizer.step()") + "print('behind')"
    )
    assert "print('behind')" in hook(after, "on_train_batch_end")


def test_harmless_lines_between_backward_and_step_go_into_the_step() -> None:
    after = converted(STEP.replace("optimizer.step()", "seen.append(loss.item())\noptimizer.step()"))
    assert "seen.append(loss.item())" in hook(after, "training_step")


def test_the_loss_behind_the_step_is_the_one_that_the_trainer_kept() -> None:
    after = converted(STEP + "print(model.weight, loss.item())")
    assert 'loss = outputs["loss"]' in hook(after, "on_train_batch_end")


def test_a_loss_with_its_graph_is_kept_as_it_is() -> None:
    after = converted(STEP + "print(model.weight, loss)")
    assert "self.loss" in hook(after, "training_step") and "outputs[" not in after


def test_nothing_runs_behind_a_skipped_batch() -> None:
    after = converted("if random.random() < 0.5: continue\n" + STEP + "print(model.weight)")
    assert hook(after, "on_train_batch_end").splitlines()[1:3] == ["        if not outputs:", "            return"]


def test_a_name_that_the_hook_needs_is_not_taken_by_a_parameter() -> None:
    after = converted(STEP + "outputs = model.weight.sum()\nprint(outputs)")
    assert "def on_train_batch_end(self, outputs_, batch, batch_idx)" in after and "print(outputs)" in after


def test_an_attribute_leaves_its_name_to_a_parameter() -> None:
    after = converted(STEP.replace("loss =", "outputs = model(x)\nloss =") + "print(model.weight, outputs)")
    assert "def on_train_batch_end(self, outputs, batch, batch_idx)" in after and "self.outputs)" in after


def test_a_variable_that_no_attribute_can_hold_stays_global() -> None:
    after = converted(STEP.replace("loss =", "if (n := len(x)) > 1: pass\nloss =") + "print(model.weight, n)")
    assert "automatic_optimization" not in after and "(n := len(x))" in after
    assert "global n\n" in after and "print(self.model.weight, n)" in hook(after, "on_train_batch_end")


@pytest.mark.parametrize("body", MANUAL)
def test_the_literal_form_stays(body: str) -> None:
    after = converted(body)
    assert "self.automatic_optimization = False" in after
    assert "self.manual_backward(loss" in after and "optimizer.step()" in after


def test_the_trainer_clears_where_code_behind_the_step_cannot_see_it() -> None:
    late = "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()\n"
    after = converted(late + "loss, shown = loss.item(), 2\nprint(loss, shown)")
    assert "automatic_optimization" not in after and "zero_grad" not in after
    assert "print(self.loss, shown)" in hook(after, "on_train_batch_end")


@pytest.mark.parametrize("first", ["", "optimizer.zero_grad()"], ids=["", "in front of the batches too"])
@pytest.mark.parametrize(
    "behind",
    [
        "helper.look(model)", "print(model.weight.grad)", "print(helper.norm(list(model.parameters())))",
        "show(model)", "kept.look()", "optimizer.add_param_group({'params': [late]})", "model.weight.tag = 1",
        "optimizer.param_groups[0]['params'] = []", "nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        "print(model.grad_norm)",
    ],
)  # fmt: skip
def test_gradients_are_cleared_where_code_behind_the_step_may_see_it(first: str, behind: str) -> None:
    text = "import helper\n" + SCRIPT.replace("seen = []", LOOKING)
    text = text.replace("    for x, y in loader:", f"    {first}\n    for x, y in loader:").format(
        body=textwrap.indent(STEP.replace("optimizer.zero_grad()\n", "") + f"optimizer.zero_grad()\n{behind}", " " * 8)
    )
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization" not in result.after
    assert "The script clears the gradients itself." in hook(result.after, "optimizer_zero_grad")
    lines = hook(result.after, "on_train_batch_end").splitlines()
    assert [line.strip().split(".")[-1] for line in lines].index("zero_grad()") < len(lines) - 1


@pytest.mark.parametrize(
    "behind",
    [
        "random.random()", "print(model(x))", "show(loader)", "torch.save(model.state_dict(), 'model.pt')",
        "if epoch: model.eval()\nprint(helper.norm(loss.item()))", "print(optimizer.param_groups[0]['lr'])",
        "helper.look(float(model(x).mean()))",
    ],
)  # fmt: skip
def test_the_trainer_clears_where_nobody_behind_the_step_is_handed_gradients(behind: str) -> None:
    late = STEP.replace("optimizer.zero_grad()\n", "") + f"optimizer.zero_grad()\n{behind}"
    text = "import helper\n" + SCRIPT.replace("seen = []", LOOKING).format(body=textwrap.indent(late, " " * 8))
    result = convert_text(text)
    assert isinstance(result, Converted) and "zero_grad" not in result.after, result
    assert "automatic_optimization" not in result.after


OUT_OF_SIGHT = [
    "    helper.show(model)",
    "    if epoch:\n        print(helper.norm([model], 2))",
    "print(helper.norm(model.parameters()))",
    "model.register_forward_hook(helper.show)",
]


@pytest.mark.parametrize("rest", OUT_OF_SIGHT)
def test_gradients_are_cleared_where_code_out_of_sight_may_see_it(rest: str) -> None:
    late = "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()\n"
    text = "import helper\n" + SCRIPT.format(body=textwrap.indent(late, " " * 8)) + rest
    result = convert_text(text)
    assert isinstance(result, Converted) and "automatic_optimization" not in result.after
    assert "optimizer.zero_grad()" in hook(result.after, "on_train_batch_end")


@pytest.mark.parametrize(
    ("front", "rest"),
    [
        ("", "    print(torch.sum(model.weight), helper.now())"),
        ("", "    torch.save(model.state_dict(), 'model.pt')"),
        ("model = helper.prepare(nn.Linear(2, 1))", ""),
        ("helper.summary(model)", "helper.report(seen)"),
    ],
)
def test_the_trainer_clears_where_code_out_of_sight_is_not_given_the_model(front: str, rest: str) -> None:
    late = "loss = (model(x) - y).pow(2).mean()\nloss.backward()\noptimizer.step()\noptimizer.zero_grad()\n"
    script = SCRIPT.replace("optimizer = ", f"{front}\noptimizer = ")
    text = "import helper\n" + script.format(body=textwrap.indent(late, " " * 8)) + rest
    result = convert_text(text)
    assert isinstance(result, Converted) and "zero_grad" not in result.after


NETWORKS = """
import torch
from torch import nn, optim
encoder, decoder = nn.Linear(2, 2), nn.Linear(2, 1)
encoder = nn.Linear(2, 2)
decoder = nn.Linear(2, 1)
params = list(decoder.parameters()) + list({more}.parameters())
optimizer = optim.SGD(params, lr=0.1)
{other}
loader = [(torch.ones(2, 2), torch.ones(2, 1))]
for epoch in range(2):
    for x, y in loader:
        decoder.zero_grad()
        encoder.zero_grad()
        loss = (decoder(encoder(x)) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


def cleared_by_networks(more: str = "encoder", other: str = "") -> bool:
    text = NETWORKS.replace("encoder, decoder = nn.Linear(2, 2), nn.Linear(2, 1)\n", "")
    result = convert_text(text.format(more=more, other=other))
    assert isinstance(result, Converted), result.diagnostics
    return "automatic_optimization" not in result.after and "optimizer_zero_grad" not in result.after


def test_networks_that_hold_all_parameters_clear_them() -> None:
    assert cleared_by_networks()


@pytest.mark.parametrize(
    ("more", "other"),
    [
        ("third", "third = nn.Linear(2, 1)"),  # not cleared by the script
        ("encoder", "encoder = nn.Linear(2, 2)"),  # another object than the optimizer knows
        ("encoder", "nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)"),  # sees gradients of all parameters
        ("encoder", "optimizer.add_param_group({'params': [nn.Parameter(torch.ones(1))]})"),
    ],
)
def test_networks_that_do_not_surely_hold_them(more: str, other: str) -> None:
    assert not cleared_by_networks(more, other)


def test_the_reason_names_what_scales_the_loss() -> None:
    body = (
        "optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\nif sys.argv:\n"
        "    with amp.scale_loss(loss, optimizer) as scaled:\n        scaled.backward()\n        print(x)\nelse:\n"
        "    loss.backward()\noptimizer.step()"
    )
    text = SCRIPT.replace("import torch\n", "import torch\nfrom apex import amp\n", 1)
    result = convert_text(text.format(body=textwrap.indent(body, " " * 8)))
    found = [note for note in result.diagnostics if note.code == "N101"]
    assert len(found) == 1 and "scale_loss() of apex" in found[0].message


@pytest.mark.parametrize(
    ("loss", "returned"),
    [
        ("(loss + 0.1 * model(x).mean())", "return loss + 0.1 * model(x).mean()\n"),
        ("(loss +\n         model(x).mean())", "return (loss +\n"),
        ("(loss + model(x).mean()).abs()", "return (loss + model(x).mean()).abs()\n"),
    ],
)
def test_a_sum_is_returned_without_brackets(loss: str, returned: str) -> None:
    body = f"optimizer.zero_grad()\nloss = (model(x) - y).pow(2).mean()\n{loss}.backward()\noptimizer.step()\n"
    after = converted(body)
    assert returned in after.replace("self.model", "model")
