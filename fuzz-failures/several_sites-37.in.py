import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Net(inputs=4, outputs=1):
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Identity(), nn.Linear(5, outputs))
if __name__ == '__main__':
    torch.manual_seed(37); random.seed(37)
    x_train = torch.randn(15, 4)
    targets_all = x_train.sum(1, keepdim=True)
    dataset = TensorDataset(x_train, targets_all)
    val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
    epochs = 2
    loss_func = nn.MSELoss()
    history, total = [], 0.0
    network = Net()
    loader, test_loader = DataLoader(dataset, batch_size=5, shuffle=False), DataLoader(val_set, batch_size=3)
    solver = optim.Adam(network.parameters(), lr=0.1)
    for e in range(epochs):
        for pool in (loader, test_loader):
            for xb, target in pool:
                solver.zero_grad()
                loss_value = loss_func(network(xb), target)
                loss_value.backward()
                solver.step()
        print(e, loss_value.item())
    print('done', total, len(history))
