"""Progress bars that scripts move on themselves."""

from __future__ import annotations

import pytest

from tests.fixtures_harness import Runner, first_difference
from tests.idioms.test_progress import NOTED, STEP, converted, indented, reasons, script


def around(
    more: str, bar: str = "total=len(train_loader)", behind: str = "", between: str = "", before: str = ""
) -> str:
    """A script with a bar around its batches; `more` stands behind the step, `between` in front of the loop."""
    lines = between + "for i, (x, y) in enumerate(train_loader):\n" + indented(STEP + more)
    return script(f"with tqdm({bar}) as t:\n" + indented(lines) + behind, before=before)


SEGMENTATION = """
def train(net, loader, epochs):
    count = len(loader.dataset)
    for epoch in range(epochs):
        net.train()
        running = 0
        with tqdm(total=count, desc=f"Epoch {epoch}/{epochs}", unit="img") as bar:
            for batch in loader:
                x, y = batch[0], batch[1]
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                bar.update(x.shape[0])
                running += loss.item()
                bar.set_postfix(**{"loss (batch)": loss.item()})
        print(epoch, running / len(loader))


"""

#: name: (script, texts that the result has)
TAKEN = {
    "with": (around("t.update()\n"), ("self.model = model\n\n    def training_step",)),
    "with its postfix": (around("t.set_postfix(loss='{:.3f}'.format(loss.item()))\nt.update(1)\n"),
                         ("self.progress_bar.set_postfix(loss='{:.3f}'.format(loss.item()))",)),
    "with its text": (around("t.desc = str(loss.item())\nt.update(1)\n"), ("self.progress_bar.desc = str(",)),
    "in front of what follows": (around("t.update(n=1)\nprint(i, loss.item())\n"), ("self.print(batch_idx",)),
    "in front of the step": (around("").replace("loss = F", "t.update()\n            loss = F"), ("return F.cross_",)),
    "twice": (around("t.update(0.5)\nt.update(0.5)\n"), ("return F.cross_",)),
    "described": (around("t.update()\n", 'total=5, desc=f"Epoch {epoch}"', between="t.set_description('now')\n"),
                  ('self.progress_bar.set_description(f"Epoch {self.current_epoch}")', "set_description('now')")),
    "counted in samples": (script("train(model, train_loader, 1)\n", before=SEGMENTATION,
                                  header="for once in 'a':"),
                           ("set_postfix(**{", "self.running += loss.item()")),
    "a line of its own": (
        script("t = tqdm(total=len(train_loader))\nfor x, y in train_loader:\n" + indented(STEP + "t.update(1)\n")
               + "t.close()\n"), ("fit(LitModel(model), train_loader)",)),
    "never closed": (
        script("t = tqdm(total=len(train_loader))\nfor x, y in train_loader:\n" + indented(STEP + "t.update(1)\n")),
        ("fit(LitModel(model), train_loader)",)),
    "its total is rounded up": (
        around("t.update()\n", "total=math.ceil(len(data) / 6)", before="import math\n"), ("max_epochs=3",)),
    "written on behind": (around("t.update()\n", behind="t.set_postfix(a=1)\n"), ("set_postfix(a=1)",)),
}  # fmt: skip

#: name: (script, the reason in the note, or nothing where there is no note)
STAYS = {
    "moved on under a condition": (around("if i % 2: t.update(2)\n"), "once for each batch"),
    "never moved on": (around("t.set_postfix(a=1)\n"), "once for each batch"),
    "its count is read": (around("t.update()\nif t.n == 3: print(loss.item())\n"), "used in other ways"),
    "what it returns is read": (around("t.update()\nshown = t.update(0)\nprint(shown)\n"), "used in other ways"),
    "it writes lines": (around("t.update()\nt.write('x')\n"), "used in other ways"),
    "handed on": (around("t.update()\nshow(t)\n", before="def show(bar):\n    print('shown')\n"), "other ways"),
    "known to a function": (around("t.update()\nshow()\n", before="def show():\n    t.set_postfix(a=1)\n"),
                            "used elsewhere"),
    "its step has effects": (around("t.update(note(1))\n", before=NOTED), "once for each batch"),
    "its total has effects": (around("t.update()\n", "total=note(5)", before=NOTED), "calls something"),
    "a file of the script": (around("t.update()\n", "total=5, file=log", before="import io\nlog = io.StringIO()\n"),
                             "a file of the script"),
    "two of them": (around("t.update()\n", between="u = tqdm(total=3)\n"), ""),
    "one for the whole training": (
        script("for x, y in train_loader:\n" + indented(STEP + "t.update()\n"), header="t = tqdm(total=15)\n"
               "for epoch in range(3):"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_the_trainer_draws(name: str) -> None:
    text, there = TAKEN[name]
    result = converted(text)
    assert not [part for part in there if part not in result.after], result.after
    assert "enable_progress_bar=True" in result.after and not reasons(result)
    assert "tqdm" not in result.after and "update(" not in result.after and "close(" not in result.after


@pytest.mark.parametrize("name", STAYS)
def test_the_script_draws(name: str) -> None:
    text, reason = STAYS[name]
    result = converted(text)
    assert "tqdm(" in result.after and "progress_bar" not in result.after, result.after
    assert len(reasons(result)) == bool(reason)
    assert not reason or reason in reasons(result)[0], reasons(result)


@pytest.mark.parametrize("name", [*TAKEN, "its step has effects", "its total has effects", "its count is read"])
def test_it_trains_the_same(name: str, runner: Runner) -> None:
    text = {**TAKEN, **STAYS}[name][0]
    before = runner.run(text)
    assert before.events and before.status == 0, before.error
    assert first_difference(before, runner.run(converted(text).after)) is None
