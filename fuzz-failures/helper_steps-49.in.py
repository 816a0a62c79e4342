# note 0
import copy
import itertools
import random
import sys

import numpy as np
# note 7
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class Model(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super(Model, self).__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
def compute(xb, y, objective, network):
    return objective(network(xb), y)
def apply(loss, optimizer):
    optimizer.zero_grad()
    loss.backward()
    # note 25
    optimizer.step()
# note 27
class Trainer:
    def __init__(self):
        torch.manual_seed(49); random.seed(49)

        self._x_train = torch.randn(12, 4)
        self._Y = self._x_train.sum(1, keepdim=True)
        self._dataset = TensorDataset(self._x_train, self._Y)
        self._train_dl = DataLoader(self._dataset, batch_size=8, shuffle=True)
        self._num_epochs = 2
        self._net = Model()
        self._loss_func = nn.MSELoss()
        self._optim_ = torch.optim.SGD(self._net.parameters(), lr=1e-2)
        self._losses, self._total = list(), 0.

    def report(self):  # why 42
        print('done', len(self._losses), self._total)
        self._net.eval()
        with torch.no_grad():
            print('predict', self._net(torch.ones(2, 4)).sum().item())  # why 46

    def run(self):
        for ep in range(self._num_epochs):
            for n_iter, sample in enumerate(self._train_dl):
                xb, y = sample
                if n_iter % 2:
                    loss = compute(xb, y, objective=self._loss_func, network=self._net)  # why 53
                    apply(loss, optimizer=self._optim_)
                    self._total += loss.item()  # why 55
                else:
                    loss = compute(xb, y, objective=self._loss_func, network=self._net)

                    apply(loss, optimizer=self._optim_)
                    self._total += loss.item()
            print('epoch', ep, self._total)
            self._net.eval()
            with torch.no_grad():
                print('eval', self._loss_func(self._net(self._x_train), self._Y).item())
            self._net.train()



if __name__ == '__main__':
    t = Trainer()  # why 70
    t.run()
    t.report()
