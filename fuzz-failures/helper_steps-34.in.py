import copy  # for the best weights
# note 1
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class MLP(nn.Module):  # why 12
    def __init__(self, inputs=4, outputs=1):
        super().__init__()

        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
if __name__ == '__main__':
    torch.manual_seed(34); random.seed(34)
    X = torch.randn(18, 4)
    labels = X.sum(1, keepdim=True)
    dataset = TensorDataset(X, labels)
    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    num_epochs = 3
    network = MLP()
    loss_func = nn.MSELoss()
    opt = optim.LBFGS(network.parameters(), lr=0.5, max_iter=3)
    losses, total = [], 0.0
    for e in range(num_epochs):
        for images, targets in loader:
            def closure():
                if torch.is_grad_enabled():
                    opt.zero_grad()
                # note 37
                out = network(images)
                L = loss_func(out, targets)
                if L.requires_grad:  # why 40
                    L.backward()
                return L

            opt.step(closure)
        print('epoch', e)
    print('done', len(losses), total)
    print('drawn', torch.rand(1).item(), random.random())
