"""A small classifier written as plain loops: dropout, evaluation, scheduler, clipping, weight decay, a saved file."""

import argparse
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        return self.out(self.dropout(torch.relu(self.hidden(x))))


def train(model, loader, criterion, optimizer):
    model.train()
    for i, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        if i % 2 == 0:
            print("step", i, "loss", loss.item())


def test(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(7)
    x = torch.randn(40, 6)
    y = torch.randint(0, 3, (40,))
    train_loader = DataLoader(TensorDataset(x, y), batch_size=12, shuffle=True)
    test_loader = DataLoader(TensorDataset(x, y), batch_size=20)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(1, args.epochs + 1):
        train(model, train_loader, criterion, optimizer)
        accuracy = test(model, test_loader)
        if epoch == args.epochs:
            print("accuracy", accuracy)
        scheduler.step()
    torch.save(model.state_dict(), "model.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
