"""Scripts in short, and the views of their trainings in words."""

from __future__ import annotations

import textwrap

import libcst as cst
import pytest

from refactorer.analysis.program import Program
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import Loop
from refactorer.outline.training.site import Site, candidates

HEAD = """\
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
STEP = """\
optimizer.zero_grad()
loss = (model(x) - y).square().mean()
loss.backward()
optimizer.step()
"""


def script(body: str, head: str = HEAD) -> str:
    """The text of a file; a line `STEP` in the body stands for a step of the optimizer."""
    lines = []
    for line in textwrap.dedent(body).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(textwrap.indent(STEP, indent) if line.strip() == "STEP" else line + "\n")
    return head + "".join(lines)


def sites(text: str) -> list[Site]:
    return candidates(Program(cst.parse_module(text)))


def views(body: str) -> list[str]:
    return [described(site) for site in sites(script(body))]


def described(site: Site) -> str:
    """`epochs epoch/batch by train() with one_step()`: form, loops, the functions that are entered, and the helpers."""
    loops = [site.epoch_loop, site.batch_loop] if site.form == "epochs" else [site.epoch_loop]
    assert site.form == "epochs" or site.epoch_loop is site.batch_loop
    text = f"{site.form} {'/'.join(map(label, loops))}"
    if site.functions:
        text += " by " + ", ".join(f"{function.name.value}()" for function in site.functions)
    if site.helpers:
        names = ", ".join(f"{helper.name.value}()" for helper in site.helpers)
        text += f" {'with' if site.enters_helpers else 'beside'} {names}"
    return text


def label(loop: Loop) -> str:
    return cst.Module([]).code_for_node(loop.target) if isinstance(loop, cst.For) else "while"


def refused(body: str, head: str = HEAD) -> tuple[str, str]:
    """The code, and the line that it points at."""
    text = script(body, head)
    program = Program(cst.parse_module(text))
    with pytest.raises(Refusal) as caught:
        candidates(program)
    assert caught.value.node is not None
    return caught.value.code, text.splitlines()[program.position(caught.value.node)[0] - 1].strip()
