import copy
import itertools  # why 1
import random
import sys

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class Net(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super().__init__()
        self.first = nn.Linear(inputs, 5)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        return self.last(self.drop(F.relu(self.first(x))))
def run(solver, n_epochs, inputs_all, criterion, net, total, losses, Y):
    for e in range(n_epochs):
        # note 21
        xb, y = inputs_all, Y
        def closure():
            if torch.is_grad_enabled():
                solver.zero_grad()
            logits = net(xb)
            # note 27
            loss = criterion(logits, y)

            if loss.requires_grad:
                loss.backward()
            return loss
        value = solver.step(lambda: closure())
        losses.append(float(value))
        print(e, total)


def fit():
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    X, labels = torch.rand(15, 4), torch.rand(15, 1)
    dataset = TensorDataset(X, labels)
    train_dl = DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(3))
    num_epochs = 3
    network = Net()
    loss_func = nn.MSELoss()
    optim_ = torch.optim.Adam(network.parameters(), lr=0.01)
    records, total_ = [], 0.0  # why 49
    run(optim_, num_epochs, inputs_all=X, criterion=loss_func, net=network, total=total_, losses=records, Y=labels)
    print('done', len(records), total_)
    print('drawn', torch.rand(1).item(), random.random())

fit()
