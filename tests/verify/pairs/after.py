"""The same classifier with its training in a class; the backward runs inside the optimizer's step."""

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


class LitNet:
    def __init__(self, args, model, criterion):
        self.args = args
        self.model = model
        self.criterion = criterion

    def on_train_epoch_start(self):
        self.model.train()

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self.model(x), y)
        if batch_idx % 2 == 0:
            print("step", batch_idx, "loss", loss.item())
        return loss

    def on_validation_epoch_start(self):
        self.model.eval()
        self.correct = 0

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.correct += (self.model(x).argmax(1) == y).sum().item()

    def on_validation_epoch_end(self, epoch, loader):
        if epoch == self.args.epochs:
            print("accuracy", self.correct / len(loader.dataset))

    def clip_gradients(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5, momentum=0.9, weight_decay=0.01)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)


def run_batch(module, optimizer, batch, batch_idx):
    loss = module.training_step(batch, batch_idx)

    def closure():
        optimizer.zero_grad()
        loss.backward()
        module.clip_gradients()

    optimizer.step(closure)


def validate(module, loader, epoch):
    module.on_validation_epoch_start()
    with torch.no_grad():
        for batch_idx, batch in enumerate(loader):
            module.validation_step(batch, batch_idx)
    module.on_validation_epoch_end(epoch, loader)


def fit(module, epochs, train_loader, test_loader):
    optimizer, scheduler = module.configure_optimizers()
    for epoch in range(1, epochs + 1):
        module.on_train_epoch_start()
        for batch_idx, batch in enumerate(train_loader):
            run_batch(module, optimizer, batch, batch_idx)
        validate(module, test_loader, epoch)
        scheduler.step()


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
    fit(LitNet(args, model, nn.CrossEntropyLoss()), args.epochs, train_loader, test_loader)
    torch.save(model.state_dict(), "model.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
