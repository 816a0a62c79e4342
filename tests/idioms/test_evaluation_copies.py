"""Functions that evaluate and are used elsewhere too: notes name lines of the script, not of a copy."""

from __future__ import annotations

from refactorer.converter import convert_text
from refactorer.result import Converted

SCRIPT = """
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
loader = DataLoader(TensorDataset(torch.ones(4, 2), torch.ones(4, 1)))
model = nn.Linear(2, 1).to(device)
optimizer = optim.SGD(model.parameters(), lr=0.1)

def evaluate(data):
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in data:
            seen.append(y)  # <-- N105
            total += (model(x.to(device)) - y.to(device)).abs().sum().item()
    return total

seen = []
for epoch in range(2):
    model.train()
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = (model(x) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    print(evaluate(loader))
print(evaluate(loader))
"""


def test_notes_name_lines_of_the_script() -> None:
    result = convert_text(SCRIPT)
    assert isinstance(result, Converted) and "def validation_step(" in result.after
    marked = [number for number, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith("# <-- N105")]
    assert [note.line for note in result.diagnostics if note.code == "N105"] == marked
