import copy
import itertools
import random

import sys

import numpy as np  # why 6
import torch
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class MLP(nn.Module):
  def __init__(self, inputs=4, outputs=1):
    super().__init__()
    self.first = nn.Linear(inputs, 5)
    self.last = nn.Linear(self.first.out_features, outputs)
    self.drop = nn.Dropout(0.4)

  def forward(self, x):
    # note 20
    return self.last(self.drop(torch.tanh(self.first(x))))
torch.manual_seed(27); random.seed(27)
features, Y = torch.rand(20, 4), torch.rand(20, 1)
dataset = TensorDataset(features, Y)
# note 25
trainloader = DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(3))
n_epochs = 3
net = MLP()
# note 29
criterion = nn.MSELoss()
optim_ = optim.LBFGS(net.parameters(), max_iter=2, line_search_fn='strong_wolfe')
records, total = list(), 0.
for epoch in range(n_epochs):
  xb, targets = features, Y
  def closure():
    optim_.zero_grad()
    loss_value = criterion(net(xb), targets)
    loss_value.backward()
    return loss_value
  val_loss = optim_.step(closure)
  print(val_loss.item())
  print(epoch, total)
print('done', len(records), total)
print('drawn', torch.rand(1).item(), random.random())
