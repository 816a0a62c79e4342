import copy
import itertools  # why 1
import random
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super(MLP, self).__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))


class Agent(object):
    verbose = True

    def __init__(self, net, trainloader, test_loader, num_epochs=2):
        self._model = net

        # note 26
        self.best, self.bad, self.steps = float("inf"), 0, 0
        self.train_loader = trainloader
        self.val_loader = test_loader
        self._epochs = num_epochs
        self._loss = nn.MSELoss()
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=0.05, momentum=0.0)
        self.history = list()
        self.total = 0.0

    # no gradients
    def evaluate(self):
        self._model.eval()
        total_ = 0.0

        for images, labels in self.val_loader:
            with torch.no_grad():
                total_ += self._loss(self._model(images), labels).item()
        return total_ / len(self.val_loader)

    def train_model(self):
        self.epoch = 0
        while self.epoch < self._epochs:
            self.epoch += 1
            self._model.train()
            total_loss = 0.0
            for images, labels in self.train_loader:
                self._optimizer.zero_grad()
                loss = self._loss(self._model(images), labels)
                loss.backward()
                self._optimizer.step()
                self.steps += 1
                total_loss += float(loss)
            val = self.evaluate()

            self.history.append(val)
            print(self.epoch, total_loss, val)
            if val < self.best:
                self.best = val
                self.save()
        print("finished")
        return self.history

    def save(self, path="best.pt"):
        torch.save(self._model.state_dict(), "best.pt")
        print("saved")


def fit(trainer):
    returned = trainer.train_model()


if __name__ == "__main__":
    torch.manual_seed(120239)
    random.seed(120239)
    features, Y = torch.rand(23, 4), torch.rand(23, 1)
    dataset = TensorDataset(features, Y)
    val_set = TensorDataset(torch.randn(7, 4), torch.randn(7, 1))
    trainer = Agent(MLP(), DataLoader(dataset, batch_size=5, shuffle=True), DataLoader(val_set, 4))
    fit(trainer)
    print("best", trainer.best, trainer.steps, len(trainer.history))
    print("weights", sum(p.sum().item() for p in trainer._model.parameters()))
