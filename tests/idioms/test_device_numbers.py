"""Devices by number, `x.cuda(args.gpu)` and `x.to(rank)`, and names that are put together: `f"cuda:{rank}"`."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.device_harness import converted, script, step_of

# every number stands for the CPU, so that both versions can be trained here
ONE_DEVICE = """
def stays(self, device=None, **settings):
    return self
moves_by_text = torch.Tensor.to
def goes(self, place, *more, **settings):
    return self if isinstance(place, int) else moves_by_text(self, place, *more, **settings)
for kind in (torch.Tensor, nn.Module):
    setattr(kind, 'cuda', stays)
setattr(torch.Tensor, 'to', goes)
setattr(nn.Module, 'to', lambda self, place: self)
"""
ARGS = "args = argparse.Namespace(gpu={})\n"


def front(*lines: str) -> str:
    return ONE_DEVICE + "\n".join(lines)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ("gpu = 0\nmodel = model.cuda(gpu)", "x, y = x.cuda(gpu, non_blocking=True), y.cuda(gpu)"),
        (ARGS.format(0) + "model.cuda(args.gpu)", "x = x.cuda(args.gpu)\ny = y.cuda(args.gpu, non_blocking=True)"),
        ("rank = 0\nmodel = model.to(rank)", "x, y = x.to(rank), y.to(rank)"),
        ("local_rank = 0\nmodel = nn.Linear(2, 1).to(local_rank)", "x = x.to(local_rank)\ny = y.to(local_rank)"),
        (ARGS.format(1) + "model = model.to(args.gpu)", "x, y = x.to(args.gpu), y.to(args.gpu)"),
    ],
)
def test_a_number_is_left_to_the_device_of_the_model(lines: str, body: str, runner: Runner) -> None:
    before = script(body, front(lines))
    text, notes = converted(before)
    assert "gpu" not in step_of(text) and "rank" not in step_of(text) and notes.count("N105") <= 1
    assert "device=next(model.parameters()).device" in text and lines.splitlines()[-1] in text
    assert first_difference(runner.run(before), runner.run(text)) is None


GUARDED = """
if args.gpu is not None:
    model = model.cuda(args.gpu)
else:
    model = nn.Sequential(model).cuda()
"""


@pytest.mark.parametrize("number", [None, 0])
def test_a_number_may_be_none(number: int | None, runner: Runner) -> None:
    body = "if args.gpu is not None:\n    x = x.cuda(args.gpu, non_blocking=True)\ny = y.cuda(args.gpu)"
    before = script(body, front(ARGS.format(number), GUARDED))
    text, notes = converted(before)
    assert "cuda" not in step_of(text) and notes.count("N105") == 1 and GUARDED in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_other_moves_by_number_follow_the_module(runner: Runner) -> None:
    body = "noise = torch.zeros(4, 2).cuda(gpu, non_blocking=True)\nx, y = x.cuda(gpu), y.cuda(gpu)\nx = x + noise"
    before = script(body, front("gpu = 0\nmodel.cuda(gpu)"))
    text, _ = converted(before)
    assert "noise = torch.zeros(4, 2).to(self.device, non_blocking=True)" in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ("gpu = 0\nother = nn.Linear(2, 1).cuda(gpu)", "x, y = x.cuda(gpu), y.cuda(gpu)"),  # the model is elsewhere
        ("gpu = 0\nmodel.cuda(gpu)\nteacher = 1", "x, y = x.cuda(gpu), y.cuda(teacher)"),
        ("gpu = 0\nmodel.cuda(gpu)", "gpu = gpu + 0\nx, y = x.cuda(gpu), y.cuda(gpu)"),
        ("gpu = 0\nmodel.cuda(gpu)", "x, y = x.cuda(gpu, True), y + 0"),  # what is left would be lost
        ("mask = None\nmodel.cuda()", "if mask is not None:\n    x = x * mask\nx, y = x.cuda(1), y.cuda(1)"),
        (ARGS.format(0) + "model.cuda(args.gpu)", "args.gpu = 0\nx, y = x.cuda(args.gpu), y.cuda(args.gpu)"),
        ("kind = torch.float32\nmodel.to(kind)", "x, y = x.to(kind), y.to(kind)"),
    ],
)
def test_moves_that_stay(lines: str, body: str, runner: Runner) -> None:
    before = script(body, front(lines))
    text, _ = converted(before)
    assert body.splitlines()[-1].split(", y")[0].removeprefix("x, y = ")[:6] in step_of(text).replace("self.", "")
    assert "self.device" not in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


TEXTS = [
    'f"cuda:{rank}"',
    '"cuda:" + str(rank)',
    '"cuda:{}".format(rank)',
    '"cuda:%d" % rank',
    'torch.device(f"cuda:{rank}")',
]


@pytest.mark.parametrize("place", TEXTS)
def test_a_name_that_is_put_together(place: str, runner: Runner) -> None:
    body = f"if use_cuda:\n    x, y = x.to({place}), y.cuda({place})"
    before = script(body, "rank = 0\nuse_cuda = torch.cuda.is_available()\nif use_cuda:\n    model.to(" + place + ")")
    text, notes = converted(before)
    assert "cuda:" not in step_of(text) and "N105" not in notes and "model.to(" not in text
    named = place.removeprefix("torch.device(").removesuffix(")") if place.startswith("torch") else place
    assert f"device={named} if use_cuda else 'cpu'" in text
    assert first_difference(runner.run(before), runner.run(text)) is None


@pytest.mark.parametrize("place", TEXTS)
def test_a_name_that_is_put_together_and_has_to_be_there(place: str, runner: Runner) -> None:
    before = script(f"x, y = x.to({place}), y.to({place})\nx = x + torch.ones(2).to({place})", "rank = 0")
    text, _ = converted(before)
    assert "cuda:" not in step_of(text) and "torch.ones(2).to(self.device)" in step_of(text)
    assert runner.run(before).status != 0 and runner.run(text).status != 0


LOCAL = """
def train(epoch, args):
    place = "cuda:{}".format(args.gpu)
    for x, y in loader:
        if args.cuda:
            x, y = x.to(place), y.to(place)
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        print(loss.item())
"""


def test_the_name_of_a_function_goes_when_nobody_needs_it(runner: Runner) -> None:
    head, tail = script("x = x", "args = argparse.Namespace(gpu=0, cuda=False)").split("for epoch in range(2):")
    before = head + LOCAL + "\nfor epoch in range(2):\n    train(epoch, args)\n"
    assert tail
    text, _ = converted(before)
    assert (
        "place" not in text
        and "device='cuda:{}'.format(args.gpu) if args.cuda else 'cpu'".replace("'cuda:{}'", '"cuda:{}"') in text
    )
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_name_of_a_function_that_is_needed_stays(runner: Runner) -> None:
    head, _ = script("x = x", "args = argparse.Namespace(gpu=0, cuda=False)").split("for epoch in range(2):")
    before = head + LOCAL + "        print(place)\n\nfor epoch in range(2):\n    train(epoch, args)\n"
    text, _ = converted(before)
    assert "self.place = " in text
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_number_that_changes_names_no_one_device(runner: Runner) -> None:
    before = script(
        'if use_cuda:\n    x, y = x.to(f"cuda:{rank}"), y.to(f"cuda:{rank}")\nrank = rank + 1',
        "rank = 0\nuse_cuda = torch.cuda.is_available()",
    )
    text, _ = converted(before)
    assert 'f"cuda:{self.rank}"' in step_of(text)
    assert first_difference(runner.run(before), runner.run(text)) is None


def test_a_network_whose_optimizer_is_not_known(runner: Runner) -> None:
    lines = front("gpu = 0", "model = model.cuda(gpu)")
    before = script("x, y = x.cuda(gpu), y.cuda(gpu)", lines).replace("torch.optim.SGD", "getattr(torch.optim, 'SGD')")
    text, notes = converted(before)
    assert (
        "device=next(model.parameters()).device" in text
        and "model = model.cuda(gpu)" in text
        and notes.count("N105") == 1
    )
    assert first_difference(runner.run(before), runner.run(text)) is None
