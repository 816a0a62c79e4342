"""Comments on moves to the device."""

from __future__ import annotations

import pytest

from refactorer.converter import convert_text
from refactorer.idioms.device.remarks import says_no_more
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim

# Device configuration
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = nn.Linear(2, 1)
{move}
optimizer = optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for x, y in loader:
        {batch}
        y = y.to(device)
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
"""
SAID = """\
Move tensors to the configured device
move the model to GPU, if available
Device setting
---- GPU ----
send data to device
Tensors on the GPU
Set device for the network
Move to default device
Moves all model parameters and buffers to the GPU.\
"""
MORE = """\
Move tensors to the device, before the graph is captured
TODO
normalise and move to GPU
data
only one GPU!\
"""


def converted(move: str = "model.to(device)", batch: str = "x = x.to(device)") -> str:
    result = convert_text(SCRIPT.format(move=move, batch=batch))
    assert isinstance(result, Converted) and ".to(" not in result.after
    return result.after


@pytest.mark.parametrize("comment", SAID.split("\n"))
def test_a_comment_that_says_no_more_than_the_move_goes_with_it(comment: str) -> None:
    assert says_no_more(comment)
    assert comment not in converted(f"# {comment}\nmodel.to(device)")
    assert comment not in converted(batch=f"# {comment}\n        x = x.to(device)")
    assert comment not in converted(batch=f"x = x.to(device)  # {comment}")
    assert comment not in converted(batch=f"# {comment}\n        x = x.view(-1, 2).to(device)")


@pytest.mark.parametrize("comment", MORE.split("\n"))
def test_a_comment_that_says_more_stays(comment: str) -> None:
    assert not says_no_more(comment)
    assert f"# {comment}\n" in converted(f"# {comment}\nmodel.to(device)")
    assert f"# {comment}\n" in converted(batch=f"# {comment}\n        x = x.to(device)")
    assert f"# {comment}\n" in converted(batch=f"x = x.to(device)  # {comment}")


def test_comments_on_other_lines_stay() -> None:
    assert "# Device configuration\ndevice = " in converted()
    counted = converted(batch="x = x.to(device)\n        # moved so far\n        count = len(x)\n        print(count)")
    assert "# moved so far\n        count = len(x)" in counted
    assert "# a heading\n" in converted("# a heading\n\n# move the model to the GPU\nmodel.to(device)")


def test_comments_above_and_behind_a_move_go_one_without_the_other() -> None:
    shown = converted(batch="# Move to default device\n        x = x.to(device)  # (N, 2)")
    assert "# (N, 2)\n" in shown and "default" not in shown
    shown = converted(batch="# of two columns\n        x = x.to(device)  # on the GPU")
    assert "# of two columns\n" in shown and "GPU" not in shown


@pytest.mark.parametrize("comment", ["# To GPU\n        if use_cuda:", "if use_cuda:  # To GPU"])
def test_a_comment_on_a_branch_of_moves_goes_with_it(comment: str) -> None:
    script = SCRIPT.replace("y = y.to(device)", "pass").replace('device = torch.device("cuda" if', "use_cuda = (")
    script = script.replace('() else "cpu")', "())")
    moves = f"{comment}\n            x, y = x.cuda(), y.cuda()"
    front = comment.replace("        ", "") + "\n    model.cuda()"
    result = convert_text(script.format(move=front, batch=moves))
    assert isinstance(result, Converted) and "GPU" not in result.after and "cuda()" not in result.after
    result = convert_text(script.format(move=front, batch=moves).replace("# To GPU", "# To GPU, if it is large"))
    assert isinstance(result, Converted) and result.after.count("# To GPU, if it is large") == 2


def test_a_comment_stays_with_a_move_that_stays() -> None:
    text = SCRIPT.format(move="# move to GPU\nmodel.to(device)\nprint(model.weight.device)", batch="x = x.to(device)")
    result = convert_text(text)
    assert isinstance(result, Converted) and "# move to GPU\nmodel.to(device)" in result.after
