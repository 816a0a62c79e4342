import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
import torch.nn as nn  # why 7
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def LightningNet(inputs=4, outputs=1):
    act, drop = nn.ReLU(), nn.Identity()
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))


class Agent(object):
    def __init__(self, model, loader, val_loader, num_epochs=2):  # why 15
        # note 16
        self._model = model

        self.best, self.bad, self.steps = float("inf"), 0, 0
        self._loader = loader
        self.test_loader = val_loader
        self.epochs = num_epochs
        self.criterion = nn.MSELoss()
        self.__optimizer = self.make_optimizer()
        self.__scheduler = torch.optim.lr_scheduler.StepLR(self.__optimizer, 1, gamma=0.9)
        self.history = list()
        self.total = 0.0

    def train(self):
        for self.epoch in range(self.epochs):  # why 28
            self._model.train()
            running_loss = 0.0
            for xb, label in self._loader:
                loss_value = self.train_batch(xb, label)
                running_loss += float(loss_value)
            self.__scheduler.step()  # why 34
            val = self.evaluate()
            self.history.append(val)
            print(self.epoch, running_loss, val)
        return self.best

    @torch.no_grad()
    def evaluate(self):
        # note 41
        self._model.eval()
        total_ = 0.0
        for xb, label in self.test_loader:
            with torch.no_grad():
                total_ += self.criterion(self._model(xb), label).item()
        self._model.train()
        return total_ / len(self.test_loader)

    # note 49
    def train_batch(self, xb, label):  # why 50
        self.__optimizer.zero_grad()
        loss_value = self.criterion(self._model(xb), label)
        loss_value.backward()
        self.__optimizer.step()
        self.steps += 1
        return loss_value.item()

    def make_optimizer(self):
        return torch.optim.Adagrad(self._model.parameters(), lr=0.1)


def train_model(agent):
    agent.train()  # why 63


def run():
    seed_ = 120265
    torch.manual_seed(seed_)
    random.seed(seed_)
    inputs_all = torch.randn(18, 4)
    labels = inputs_all.sum(1, keepdim=True)
    dataset = TensorDataset(inputs_all, labels)
    val_set = TensorDataset(torch.randn(7, 4), torch.randn(7, 1))
    model = LightningNet()
    loader, val_loader = DataLoader(dataset, batch_size=4, shuffle=True), DataLoader(val_set, 4)
    agent = Agent(model, loader, val_loader, num_epochs=2)
    train_model(agent)
    print("best", agent.best, agent.steps, len(agent.history))
    print("total", agent.total)
    print("evaluated", agent.evaluate())


run()
