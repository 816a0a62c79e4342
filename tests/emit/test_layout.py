"""The layout of what is written: continuation lines, docstrings and lines of many arguments."""

from __future__ import annotations

import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted

SCRIPT = """\
import torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = [(torch.randn(4, 2), torch.randn(4, 1)) for _ in range(3)]


def train(epoch, loader):
    \"\"\"Trains for an epoch.

      All of the data.
    \"\"\"
    for i, (x, y) in enumerate(loader):
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
{line}


for epoch in range(3):
    train(epoch, loader)
"""
ALIGNED = {
    "a call": ("print(epoch,\n      i)", "self.print(self.current_epoch,\n           batch_idx)"),
    "what stands in it": (
        "print(epoch, max(i,\n                 2))",
        "self.print(self.current_epoch, max(batch_idx,\n                                   2))",
    ),
    "lines of lines": (
        "print('a',\n      'b'.format(\n          i,\n      ))",
        "self.print('a',\n           'b'.format(\n               batch_idx,\n           ))",
    ),
    "a comment between": (
        "print(epoch,  # one\n      i)",
        "self.print(self.current_epoch,  # one\n           batch_idx)",
    ),
    "an f-string": ("print(f'({i}',\n      i)", "self.print(f'({batch_idx}',\n           batch_idx)"),
}
AS_IT_WAS = {
    "hanging": ("print(\n    epoch,\n    i)", "self.print(\n    self.current_epoch,\n    batch_idx)"),
    "not aligned": ("print(epoch,\n    i)", "self.print(self.current_epoch,\n    batch_idx)"),
    "a string": ("print('''(a,\n      b''')", "self.print('''(a,\n      b''')"),
}


@pytest.mark.parametrize(("line", "written"), [*ALIGNED.values(), *AS_IT_WAS.values()], ids=[*ALIGNED, *AS_IT_WAS])
def test_lines_are_as_aligned_as_they_were(line: str, written: str) -> None:
    if "'''" in line:  # a line of a string has no indentation
        before, after = (
            code.replace("\n", "\n        ").replace("\n              b", "\n      b") for code in (line, written)
        )
        text, after = SCRIPT.format(line="        " + before), "        " + after
    else:
        text, after = SCRIPT.format(line=textwrap.indent(line, " " * 8)), textwrap.indent(written, " " * 8)
    result = convert(text)
    assert isinstance(result, Converted)
    assert after + "\n" in result.after


def test_a_docstring_goes_as_deep_as_its_method() -> None:
    result = convert(SCRIPT.format(line="        print(i)"))
    assert isinstance(result, Converted)
    assert '        """Trains for an epoch.\n\n          All of the data.\n        """\n' in result.after


def test_a_module_with_many_arguments_is_made_on_lines_of_its_own() -> None:
    names = [f"an_argument_with_a_name_{i}" for i in range(9)]
    assigned = "".join(f"    {name} = torch.ones(1)\n" for name in names)
    loop = "    for x, y in loader:\n        loss = (model(x) - y).square().mean() * " + " * ".join(names)
    text = (
        SCRIPT.split("def train")[0]
        + f"def main():\n{assigned}{loop}\n"
        + textwrap.indent("optimizer.zero_grad()\nloss.backward()\noptimizer.step()\n", " " * 8)
        + "\n\nmain()\n"
    )
    result = convert(text)
    assert isinstance(result, Converted)
    assert "    trainer.fit(module, loader)\n" in result.after
    assert max(len(line) for line in result.after.splitlines() if "square" not in line) <= 120


def _converted(text: str) -> str:
    result = convert(text)
    assert isinstance(result, Converted)
    return result.after


EVALUATED = SCRIPT.format(line="        print(i)").replace(
    "    train(epoch, loader)\n",
    """\
    train(epoch, loader)
    with torch.no_grad():
        total = 0
        for x, y in loader:
            total += (model(x) - y).square().mean().item()

        mean = torch.tensor(total) / torch.ones(1) * model.weight.mean()

        print(mean)
""",
)


def test_a_new_header_has_no_gap_behind_it() -> None:
    after = _converted(EVALUATED)
    assert "\n\n        with torch.no_grad():\n            mean = torch.tensor" in after
    assert ":\n\n            " not in after


@pytest.mark.parametrize("body", ["if i:\n\n            print(i)", "if i:\n\n            # why\n            print(i)"])
def test_gaps_of_the_script_stay(body: str) -> None:
    written = body.replace("i:", "batch_idx:").replace("print(i)", "self.print(batch_idx)")
    assert f"        {written}\n" in _converted(SCRIPT.format(line=f"        {body}"))


def test_the_gap_of_a_line_that_goes_closes() -> None:
    body = "if i:\n            model.to('cpu')\n\n            print(i)"
    assert "if batch_idx:\n            self.model" in _converted(SCRIPT.format(line=f"        {body}"))


MADE = "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
RETURNED = {
    "aligned": (
        "optimizer = torch.optim.SGD(model.parameters(),\n                            lr=0.1)\n",
        "        return torch.optim.SGD(self.model.parameters(),\n                               lr=0.1)\n",
    ),
    "hanging, with comments": (
        "# made\noptimizer = torch.optim.SGD(\n    model.parameters(),  # all\n    lr=0.1)  # fast\n",
        "        # made\n        return torch.optim.SGD(\n            self.model.parameters(),  # all\n"
        "            lr=0.1)  # fast\n",
    ),
}


@pytest.mark.parametrize(("made", "returned"), [*RETURNED.values()], ids=[*RETURNED])
def test_an_optimizer_is_returned_without_a_name(made: str, returned: str) -> None:
    after = _converted(SCRIPT.format(line="        print(i)").replace(MADE, made))
    assert f"    def configure_optimizers(self):\n{returned}" in after


def test_an_optimizer_that_a_scheduler_needs_keeps_its_name() -> None:
    scheduler = "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)\n"
    text = SCRIPT.format(line="        print(i)").replace(MADE, MADE + scheduler)
    after = _converted(text + "    scheduler.step()\n")
    assert "        optimizer = torch.optim.SGD(" in after
    assert "        return [optimizer], [scheduler]\n" in after


def mixed(indent: str) -> str:
    """A script with four spaces in its function and another indentation in its main part."""
    head, _, loop = SCRIPT.format(line="").partition("\n\nfor epoch")
    return (
        head
        + "\n\nif __name__ == '__main__':\n"
        + textwrap.indent(
            ("for epoch" + loop).replace("    train(", indent + "train(")
            + f"{indent}if epoch:\n{indent * 2}print(epoch)\n",
            indent,
        )
    )


def test_tabs_become_the_spaces_of_the_file() -> None:
    result = convert(mixed("\t"))
    assert isinstance(result, Converted)
    body = result.after.partition("class Lit")[2].partition("\n\n\n")[0]
    assert "\t" not in body
    assert "    def on_train_epoch_end(self):\n        if self.current_epoch:\n            self.print(" in body


def test_other_widths_stay() -> None:
    result = convert(mixed("  "))
    assert isinstance(result, Converted)
    assert "        if self.current_epoch:\n          self.print(" in result.after
