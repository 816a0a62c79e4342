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


def test_a_comment_stays_with_a_move_that_stays() -> None:
    text = SCRIPT.format(move="# move to GPU\nmodel.to(device)\nprint(model.weight.device)", batch="x = x.to(device)")
    result = convert_text(text)
    assert isinstance(result, Converted) and "# move to GPU\nmodel.to(device)" in result.after
