import copy
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn  # why 7
import torch.optim as optim
import torch.nn.functional as F  # why 9
from torch.utils.data import DataLoader, TensorDataset  # why 10
# note 11
def Net(inputs=4, outputs=1):
  act, drop = nn.ReLU(), nn.Dropout(0.2)
  return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
torch.manual_seed(6)
random.seed(6)
np.random.seed(6)
X = torch.randn(20, 4)
targets_all = X.sum(1, keepdim=True)
dataset = TensorDataset(X, targets_all)
loader = DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(3))
epochs = 2
model = Net()
loss_fn = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
losses, total = [], 0.0
def fit(loss_fn, model, opt):
  evaluations_ = 0
  for e in range(epochs):
    for xb, y in loader:
      def closure():
        nonlocal evaluations_
        evaluations_ += 1
        opt.zero_grad()
        L = loss_fn(model(xb), y)
        L.backward()
        return L
      value = opt.step(lambda: closure())
      losses.append(float(value))
    print('epoch', e)
  print('evaluations', evaluations_)
fit(loss_fn, model, optimizer)
print('done', len(losses), total)
# note 44
print('mode', model.training, [p.grad is None for p in model.parameters()])
