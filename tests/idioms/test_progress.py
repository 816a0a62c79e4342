"""Progress bars of scripts: which become the Trainer's, and which stay with the script."""

from __future__ import annotations

import re
import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference, lost_comments

HEAD = """
import sys, random
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
{imports}
torch.manual_seed(3)
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 3))
data = TensorDataset(torch.randn(26, 4), torch.randint(0, 3, (26,)))
train_loader = DataLoader(data, batch_size=6, shuffle=True)
val_loader = DataLoader(data, batch_size=10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
"""
STEP = """optimizer.zero_grad()
loss = F.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
"""
EVALUATION = """model.eval()
total = 0
with torch.no_grad():
    for x, y in {}:
        total += F.cross_entropy(model(x), y, reduction='sum').item()
print(epoch, total)
model.train()
"""


def indented(text: str, by: int = 4) -> str:
    return textwrap.indent(text, " " * by)


def script(
    epoch: str, imports: str = "from tqdm import tqdm", before: str = "", header: str = "for epoch in range(3):"
) -> str:
    return HEAD.format(imports=imports) + before + header + "\n" + indented(epoch) + "print(torch.rand(1))\n"


def over(bar: str, more: str = "", before: str = "", behind: str = "", **options: str) -> str:
    """A script whose batches come from `bar`; `more` stands behind the step."""
    return script(f"{before}for x, y in {bar}:\n" + indented(STEP + more) + behind, **options)


def named(call: str, more: str = "", between: str = "", behind: str = "", **options: str) -> str:
    return over("bar", more, f"bar = {call}\n{between}", behind, **options)


LOOKS = 'leave=False, total=len(train_loader), ncols=80, unit="b", ascii=True, file=sys.stderr, disable=False'
FUNCTIONS = '''
def train(model, loader, epoch):
    """Trains."""
    # the bar
    loader = tqdm(loader, desc=f"Epoch {epoch}")  # shown
    model.train()
    running = 0.0
    for i, (x, y) in enumerate(loader):
        # step
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
        loader.set_postfix({"loss": running / (i + 1)})
    return running / len(loader)


@torch.no_grad()
def test(model, loader):
    model.eval()
    bar = tqdm(
        loader,  # what
        desc="test",  # why
    )
    correct = 0
    for x, y in bar:
        correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


'''
NOTED = 'seen = []\ndef note(v):\n    seen.append(v)\n    print("noted", v)\n    return v\n'
GENERATOR = (
    "def batches():\n    for i in range(3):\n        print('made', i)\n"
    "        yield torch.randn(5, 4), torch.randint(0, 3, (5,))\n"
)
DRAWN = "idx = torch.randint(0, 26, (8,))\nx, y = data.tensors[0][idx], data.tensors[1][idx]\n"

#: name: (script, texts that the result has)
TAKEN = {
    "in the header": (over("tqdm(train_loader)"), ("fit(LitModel(model), train_loader)",)),
    "with looks": (over(f"tqdm(train_loader, {LOOKS})"), ("fit(LitModel(model), train_loader)",)),
    "a description": (over('tqdm(train_loader, f"E {epoch}")'), ("set_description(f\"E {self.current_epoch}\")",)),
    "a name": (named("tqdm(train_loader)", "bar.set_postfix(loss=loss.item())\n"),
               ("self.progress_bar.set_postfix(loss=loss.item())",)),
    "its text is set": (
        named("tqdm(train_loader, file=sys.stderr)", "bar.desc = 'loss {:.3f}'.format(note(loss.item()))\n",
              header=NOTED + "for epoch in range(3):", behind=EVALUATION.format("tqdm(val_loader)")),
        ("self.progress_bar.desc = 'loss {:.3f}'", "train_loader, val_loader)")),
    "what is written has effects": (
        script('bar = tqdm(train_loader, desc="train")\nfor x, y in bar:\n'
               + indented(STEP + "bar.set_postfix(loss=note(loss.item()), r=random.random())\n")
               + "print(seen[-1], len(bar))\n", before=NOTED),
        ("set_postfix(loss=note(loss.item()), r=random.random())", "len(self.trainer.train_dataloader)")),
    "closed": (named("tqdm(train_loader)", behind="bar.close()  # done\nprint(epoch)\n"), ("# done",)),
    "lines in between": (named("tqdm(train_loader)", between="model.train()\nn = 0\n", more="n += 1\n",
                               behind="print(n, torch.rand(1))\n"), ("train_loader)",)),
    "random numbers in between": (named("tqdm(train_loader)", between="print(torch.rand(1))\n"), ("train_loader)",)),
    "its name is used again": (
        script("if epoch: print(type(bar).__name__)\nbar = tqdm(train_loader)\nfor x, y in bar:\n" + indented(STEP)
               + "bar = None\n"), ("self.bar = None", "fit(LitModel(model), train_loader)")),
    "a loader for each epoch": (
        script("loader = DataLoader(data, batch_size=5 + epoch, shuffle=True)\nbar = tqdm(loader)\nfor x, y in bar:\n"
               + indented(STEP + "bar.set_description('now')\n")), ("return self.loader",)),
    "enumerate outside": (over("tqdm(train_loader)").replace("x, y in tqdm", "i, (x, y) in enumerate(tqdm")
                          .replace("(train_loader):", "(train_loader)):"), ("train_loader)",)),
    "enumerate inside": (
        over("tqdm(enumerate(train_loader), total=5)", "print(i)\n").replace("for x, y", "for i, (x, y)"),
        ("self.print(batch_idx)", "fit(LitModel(model), train_loader)")),
    "a context": (
        script('with tqdm(train_loader, unit="batch") as t:\n    t.set_description(f"E {epoch}")\n    for x, y in t:\n'
               + indented(STEP + "t.set_postfix(loss=loss.item())\n", 8)),
        ('self.progress_bar.set_description(f"E {self.current_epoch}")', "fit(LitModel(model), train_loader)")),
    "functions": (script("a = train(model, train_loader, epoch)\nb = test(model, val_loader)\nprint(epoch, a, b)\n",
                         before=FUNCTIONS), ("fit(LitModel(model), train_loader, val_loader)",)),
    "an evaluation": (over("tqdm(train_loader)", behind=EVALUATION.format('tqdm(val_loader, desc=f"{epoch}")')),
                      ("fit(LitModel(model), train_loader, val_loader)", 'set_description(f"{self.current_epoch}")')),
    "one name for two bars": (
        named("tqdm(train_loader)", "bar.set_postfix(a=1)\n", behind=(
            "model.eval()\nbar = tqdm(val_loader)\ntotal = 0\nwith torch.no_grad():\n    for x, y in bar:\n"
            "        total += model(x).sum().item()\n        bar.set_postfix_str('b')\nprint(total / len(bar))\n"
            "model.train()\n")),
        ("set_postfix_str('b')", "len(self.trainer.val_dataloaders)")),
    "a generator": (over("tqdm(batches(), total=3)", before=""
                         ).replace("for epoch", GENERATOR + "for epoch"), ("return batches()",)),
    "a switch": (over("tqdm(train_loader, disable=not verbose)", header="verbose = len(sys.argv) > 1\n"
                      "for epoch in range(3):"), ("enable_progress_bar=verbose)",)),
    "a rank": (over("tqdm(train_loader, disable=rank != 0)", header="rank = 0\nfor epoch in range(3):"),
               ("enable_progress_bar=rank == 0)",)),
    "switched off": (over("tqdm(train_loader, disable=True)"), ("Trainer(max_epochs=3)",)),
    "tqdm.write": (over("tqdm(train_loader)", "tqdm.write('x')\n"), ("tqdm.write('x')", "from tqdm import tqdm")),
    "a module": (over("tqdm.tqdm(train_loader)", imports="import tqdm"), ("train_loader)",)),
    "another name": (over("shown(train_loader)", imports="from tqdm import tqdm as shown"), ("train_loader)",)),
    "tqdm.auto over numbers": (
        over("train_loader", imports="from tqdm.auto import tqdm", header="for epoch in tqdm(enumerate('abc')):"),
        ("epochs=enumerate('abc'), enable_progress_bar=True)",)),
    "epochs": (over("train_loader", header='for epoch in tqdm(range(3), desc="epochs"):'), ("Trainer(max_epochs=3, ",)),
    "trange": (over("train_loader", behind="print(epoch)\n", imports="from tqdm import trange",
                    header="for epoch in trange(1, 4):"), ("max_epochs=3, ", "self.print(self.current_epoch + 1)")),
    "steps": (script(DRAWN + STEP + 'bar.set_description(f"{loss.item():.4f}")\nif step % 5 == 0: print(step)\n',
                     header="bar = tqdm(range(12))\nfor step in bar:"), ("fit(LitModel(model), range(12))",)),
    "steps in the header": (script(DRAWN + STEP, header='for step in trange(12, desc="go"):',
                                   imports="from tqdm import trange"), ("fit(LitModel(model), range(12))",)),
    "full batches": (
        script("x, y = data.tensors\n" + STEP + "epochs.set_postfix(loss=loss.item())\nif i == 9: break\n",
               header='epochs = trange(12, desc="going")\nfor i in epochs:', imports="from tqdm import trange"),
        ("max_epochs=12", "self.progress_bar.set_postfix(loss=self.loss.item())")),
    "a generator with a name": (
        named("tqdm(batches(), total=3)", "bar.set_postfix(a=1)\n").replace("for epoch", GENERATOR + "for epoch"),
        ("return batches()",)),
    "windows": (
        script("bar = tqdm(train_loader)\nfor i, (x, y) in enumerate(bar):\n"
               "    loss = F.cross_entropy(model(x), y) / 2\n"
               "    loss.backward()\n    if (i + 1) % 2 == 0 or (i + 1) == len(bar):\n        optimizer.step()\n"
               "        optimizer.zero_grad()\n    bar.set_postfix(loss=loss.item())\n"), ("batches=2",)),
    "left early": (named("tqdm(train_loader)", "bar.set_description(str(loss.item()))\nif loss < 1.1: break\n",
                         behind="bar.close()\nprint(loss.item())\n"), ("self.stop_epoch()",)),
    "epochs of one step": (script(DRAWN + STEP, header="for epoch in tqdm(range(5)):"),
                           ("max_epochs=5, enable_progress_bar=True", "[None])  # one step per epoch")),
    "epochs of one step, a name": (
        script(DRAWN + STEP + "bar.set_description(f'{epoch}: {loss.item():.3f}')\n",
               header="bar = trange(1, 6)\nfor epoch in bar:", imports="from tqdm import trange"),
        ("max_epochs=5", "self.progress_bar.set_description(f'{self.current_epoch + 1}: ")),
    "epochs of one step, left": (
        script(DRAWN + STEP + "if loss.item() < 1.1: break\nprint(epoch)\n", header="for epoch in tqdm(range(9)):"),
        ("max_epochs=9", "self.stop_training()")),
}  # fmt: skip

#: name: (script, the reason in the note, or nothing where there is no note)
STAYS = {
    "its counter is read": (named("tqdm(train_loader)", "if bar.n == 2: print(loss.item())\n"), "its n is used"),
    "it writes lines": (named("tqdm(train_loader)", "bar.write('x')\n"), "its write is used"),
    "it is updated": (named("tqdm(train_loader)", "bar.update(0)\n"), "its update is used"),
    "its state is read": (named("tqdm(train_loader)", "bar.format_dict['n']\n"), "its format_dict is used"),
    "its text is read": (named("tqdm(train_loader)", "bar.desc = 'a'\nprint(bar.desc)\n"), "its desc is used"),
    "its text grows": (named("tqdm(train_loader, 'a')", "bar.desc += 'b'\n"), "its desc is used"),
    "its text is taken away": (named("tqdm(train_loader)", "del bar.desc\n"), "its desc is used"),
    "its text is set by a loop": (named("tqdm(train_loader)", "for bar.desc in 'ab': pass\n"), "its desc is used"),
    "its total is set": (named("tqdm(train_loader)", "bar.total = 9\n"), "its total is used"),
    "what a call returns": (named("tqdm(train_loader)", "n = bar.set_postfix(a=1)\n"), "its set_postfix is used"),
    "a function gets it": (named("tqdm(train_loader)", "show(bar)\n", header="def show(bar):\n    print('shown')\n"
                                 "for epoch in range(3):"), "handed on"),
    "a function knows it": (named("tqdm(train_loader)", "show()\n", header="def show():\n    bar.set_postfix(a=1)\n"
                                  "for epoch in range(3):"), "used elsewhere"),
    "it is read behind": (named("tqdm(train_loader)") + "print(type(bar).__name__)\n", "used elsewhere"),
    "it is read in the next epoch": (
        script("if epoch: print(type(bar).__name__)\nbar = tqdm(train_loader)\nfor x, y in bar:\n" + indented(STEP)
               + "print(torch.rand(1))\n"), "used again"),
    "it is closed under a condition": (named("tqdm(train_loader)", behind="if epoch: bar.close()\n"),
                                       "its close is used"),
    "random numbers in front of an iterator": (
        named("tqdm(enumerate(train_loader))", between="print(torch.rand(1))\n").replace("for x, y", "for i, (x, y)"),
        "something between"),
    "data are made in front": (
        named("tqdm(list(train_loader))", between="print(torch.rand(1))\n"), "something between"),
    "an attribute that a call may set": (
        named("tqdm(holder.loader)", between="change()\n", header=(
            "class Holder:\n    loader = train_loader\nholder = Holder()\ndef change():\n"
            "    holder.loader = val_loader\nfor epoch in range(3):")), "something between"),
    "a loader that is bound anew": (
        named("tqdm(train_loader)", between="train_loader = DataLoader(data, 9)\n"), "something between"),
    "tqdm.auto": (over("tqdm(train_loader)", imports="from tqdm.auto import tqdm"), "one iterator more"),
    "a file": (over("tqdm(train_loader, file=log)", header="import io\nlog = io.StringIO()\nfor epoch in range(3):"),
               "a file of the script"),
    "an unknown argument": (over("tqdm(train_loader, gui=False)"), "an argument gui"),
    "an argument with effects": (over("tqdm(train_loader, total=note(5))", header=NOTED + "for epoch in range(3):"),
                                 "calls something"),
    "a description with effects": (
        over("tqdm(train_loader, desc=note('a'))", header=NOTED + "for epoch in range(3):"), "more than a text"),
    "all arguments at once": (over("tqdm(train_loader, **looks)", header="looks = {}\nfor epoch in range(3):"),
                              "not all known"),
    "switched in the epoch": (over("tqdm(train_loader, disable=epoch > 1)"), "not known in front"),
    "a range of its own": (
        over("train_loader", imports="from tqdm import trange", header="def range(n):\n    return 'ab'\n"
             "for epoch in trange(3):"), "a range of its own"),
    "a terminal": (over("tqdm(train_loader, disable=None)"), "at a terminal"),
    "made once": (over("bar", "bar.set_postfix(a=1)\n", header="bar = tqdm(train_loader)\nfor epoch in range(3):"), ""),
    "one of two": (script("bar = tqdm(train_loader) if epoch else train_loader\nfor x, y in bar:\n" + indented(STEP)),
                   ""),
    "a class of its own": (over("tqdm(train_loader)", imports="class tqdm(list):\n    pass"), ""),
    "written on between the epochs": (
        over("train_loader", behind="bar.refresh()\n", header="bar = tqdm(range(3))\nfor epoch in bar:"), ""),
    "steps that are counted": (script(DRAWN + STEP + "if bar.n % 5 == 0: print(step)\n",
                                      header="bar = tqdm(range(12))\nfor step in bar:"), "its n is used"),
    "epochs of one step that are counted": (script(DRAWN + STEP + "if bar.n % 5 == 0: print(epoch)\n",
                                                   header="bar = tqdm(range(12))\nfor epoch in bar:"), "its n is used"),
    "epochs of one step, looked at later": (
        script(DRAWN + STEP, header="bar = tqdm(range(3))\nfor epoch in bar:") + "print(len(bar))\n", "handed on"),
}  # fmt: skip


def converted(text: str, **options: object) -> Converted:
    result = convert(text, **options)  # type: ignore[arg-type]
    assert isinstance(result, Converted), result.diagnostics
    return result


def reasons(result: Converted) -> list[str]:
    return [note.message for note in result.diagnostics if note.code == "N113"]


@pytest.mark.parametrize("name", TAKEN)
def test_the_trainer_draws(name: str) -> None:
    text, there = TAKEN[name]
    result = converted(text)
    assert not [part for part in there if part not in result.after], result.after
    assert ("enable_progress_bar=" in result.after) == (name != "switched off")
    assert "tqdm(" not in result.after and "trange(" not in result.after
    assert ("tqdm" in result.after) == (name == "tqdm.write"), "an import that nothing uses"
    assert not reasons(result) and not lost_comments(text, result.after)


@pytest.mark.parametrize("name", STAYS)
def test_the_script_draws(name: str) -> None:
    text, reason = STAYS[name]
    result = converted(text)
    assert re.search(r"tqdm\(|trange\(", result.after) and "progress_bar" not in result.after, result.after
    assert len(reasons(result)) == bool(reason)
    assert not reason or reason in reasons(result)[0], reasons(result)


#: Of the bars that stay, those where something else than the looks would change.
TRAINED = (
    "it is read in the next epoch", "random numbers in front of an iterator", "data are made in front",
    "an attribute that a call may set", "a loader that is bound anew", "tqdm.auto", "a description with effects",
)  # fmt: skip


@pytest.mark.parametrize("name", [*TAKEN, *TRAINED])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = {**TAKEN, **STAYS}[name][0]
    before = runner.run(text)
    assert before.events and before.status == 0, before.error
    assert first_difference(before, runner.run(converted(text).after)) is None


def test_the_draw_of_tqdm_auto_is_one_that_shows(runner: Runner) -> None:
    """Why these bars stay: without them, the script itself trains differently."""
    text = STAYS["tqdm.auto"][0]
    assert first_difference(runner.run(text), runner.run(text.replace("tqdm.auto", "tqdm"))) is not None


def test_an_iterator_is_evaluated_where_it_is_made(runner: Runner) -> None:
    """It asks its loaders at once, behind a random number here; the Trainer would ask for it before."""
    text = over("tqdm(train_loader)", behind=(
        "model.eval()\nprint(torch.rand(1))\nbar = tqdm(zip(val_loader, train_loader))\nwith torch.no_grad():\n"
        "    for (x, y), z in bar:\n        print(model(x).sum().item())\nmodel.train()\n"
    ))  # fmt: skip
    result = converted(text)
    assert "tqdm(zip(" in result.after and "def validation_step(" not in result.after
    assert first_difference(runner.run(text), runner.run(result.after)) is None


@pytest.mark.parametrize("options", [{"skip": ["N113"]}, {"only": ["N101"]}])
def test_left_out_on_request(options: dict[str, object]) -> None:
    after = converted(TAKEN["functions"][0], **options).after
    assert "tqdm(" in after and "progress_bar" not in after
