"""What a script records for others to read: TensorBoard's events, tables, and the calls of a service."""

from __future__ import annotations

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SCRIPT = """
IMPORTS
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm
SETUP


def train(model, loader, criterion, optimizer, epoch):
    model.train()
    bar = tqdm(loader, desc=f"epoch {epoch}")
    for i, (x, y) in enumerate(bar):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        step = epoch * len(loader) + i
        BATCH
        bar.set_postfix(loss=loss.item())


def evaluate(model, loader, criterion):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in tqdm(loader, leave=False):
            total += criterion(model(x), y).item()
    return total / len(loader)


def main():
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(24, 3), torch.randn(24, 1))
    train_loader, val_loader = DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, batch_size=12)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(3):
        train(model, train_loader, criterion, optimizer, epoch)
        val_loss = evaluate(model, val_loader, criterion)
        EPOCH
    END


main()
"""
READ_BACK = """writer.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "histograms": 0})
    events.Reload()
    for tag in sorted(events.Tags()["scalars"]):
        print(tag, [(event.step, event.value) for event in events.Scalars(tag)])
    for tag in sorted(events.Tags()["histograms"]):
        print(tag, [(event.step, event.histogram_value.sum) for event in events.Histograms(tag)])"""
SERVICE = """
service = types.ModuleType("wandb")
service.log = lambda values, step=None: print("logged", step, {k: float(v).hex() for k, v in values.items()})
service.init = lambda **settings: print("init", settings)
service.finish = lambda: print("finished")
sys.modules["wandb"] = service
import wandb
wandb.init(project="p", config={"lr": 0.1})
"""

#: name: (parts of the script, texts that the result has)
RECORDS = {
    "TensorBoard": (
        {
            "IMPORTS": "import tempfile",
            "SETUP": "from torch.utils.tensorboard import SummaryWriter\n\nfolder = tempfile.mkdtemp()\n"
            "writer = SummaryWriter(folder)",
            "BATCH": 'writer.add_scalar("train/loss", loss.item(), step)',
            "EPOCH": 'writer.add_scalar("val/loss", val_loss, epoch)\n'
            "        for name, parameter in model.named_parameters():\n"
            "            writer.add_histogram(name, parameter, epoch)",
            "END": READ_BACK,
        },
        (
            'writer.add_scalar("train/loss", loss.item(), ',
            'writer.add_scalar("val/loss", val_loss, self.current_epoch)',
        ),
    ),
    "a table": (
        {
            "IMPORTS": "import csv",
            "SETUP": 'file = open("log.csv", "w", newline="")\ntable = csv.writer(file)',
            "BATCH": 'table.writerow(["train", step, loss.item()])',
            "EPOCH": 'table.writerow(["val", epoch, val_loss])\n        file.flush()',
            "END": 'file.close()\n    print(open("log.csv").read())',
        },
        ('table.writerow(["val", self.current_epoch, val_loss])',),
    ),
    "a service": (
        {
            "IMPORTS": "import sys, types",
            "SETUP": SERVICE,
            "BATCH": 'wandb.log({"loss": loss.item(), "lr": optimizer.param_groups[0]["lr"]}, step=step)',
            "EPOCH": 'wandb.log({"val": val_loss, "epoch": epoch})',
            "END": "wandb.finish()",
        },
        ('wandb.log({"val": val_loss, "epoch": self.current_epoch})',),
    ),
}


def script(parts: dict[str, str]) -> str:
    text = SCRIPT
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


@pytest.mark.parametrize("name", RECORDS)
def test_the_same_is_recorded(name: str, runner: Runner) -> None:
    parts, there = RECORDS[name]
    text = script(parts)
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert not [part for part in (*there, "def validation_step(", "self.progress_bar.set_postfix(") if part not in
                result.after], result.after  # fmt: skip
    before, after = runner.run(text), runner.run(result.after)
    assert before.status == 0 and before.lines, before.error
    assert first_difference(before, after) is None


def test_another_step_is_seen(runner: Runner) -> None:
    """The comparison is not blind."""
    text = script(RECORDS["TensorBoard"][0])
    assert first_difference(runner.run(text), runner.run(text.replace("val_loss, epoch)", "val_loss, epoch + 1)")))
