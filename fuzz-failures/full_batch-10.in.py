# note 0
import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim
# note 10
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Classifier(inputs=4, outputs=1):
  act, drop = nn.Tanh(), nn.Dropout(0.2)
    # note 15
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
if __name__ == '__main__':
  torch.manual_seed(10); random.seed(10)
  inputs_all, labels = torch.rand(23, 4), torch.rand(23, 1)
  dataset = TensorDataset(inputs_all, labels)

  n_epochs = 5
  rate = 0.02
  losses, best_val, bad = [], float('inf'), 0
  net = Classifier()
  criterion = torch.nn.SmoothL1Loss()
  solver = optim.RMSprop(params=net.parameters(), lr=0.1)
  for _ in range(n_epochs):
    out = net(inputs_all)
    # note 30
    L = criterion(out, labels) + 1e-3 * out.pow(2).mean()
    solver.zero_grad()
    L.backward()  # why 33
    solver.step()  # why 34
    losses.append(L.item())
  print('done', best_val, len(losses))
  print('mode', net.training, [p.grad is None for p in net.parameters()])
