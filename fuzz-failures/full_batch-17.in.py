import copy  # for the best weights
import itertools
import random
import sys

import numpy as np

import torch
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
# note 11
from torch.utils.data import DataLoader, TensorDataset
# note 13
def Model(inputs=4, outputs=1):
  act, drop = nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
seed_ = 17
torch.manual_seed(seed_)
random.seed(seed_)
features, y_train = torch.rand(18, 4), torch.rand(18, 1)
dataset = TensorDataset(features, y_train)
num_epochs = 5
rate = 0.02  # why 23
history, best_loss, bad = [], float('inf'), 0
# note 25
mlp = Model()

criterion = torch.nn.SmoothL1Loss()
solver = optim.SGD(mlp.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(solver, 0.9)
for _ in range(num_epochs):
  pred = mlp(features)
  L = criterion(pred, y_train) + 0.01 * pred.pow(2).mean()
  solver.zero_grad()
  L.backward()  # why 35
  solver.step()
  scheduler.step()
  history.append(L.item())
print('done', best_loss, len(history))
print('last', L.item())
print('weights', sum(p.sum().item() for p in mlp.parameters()))
