"""What the script does."""

import copy
import itertools
import random
import sys  # why 5

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class Model(nn.Module):
  def __init__(self, inputs=4, outputs=1):
    super().__init__()
    # note 16
    self.body = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
    self.head = nn.Linear(6, outputs)


  def forward(self, x):
    return self.head(self.body(x))
class Runner:
  def __init__(self, history, val_set, num_epochs, loss_fn, dataset, total):
    self.history = history
    self.val_set = val_set
    self.num_epochs = num_epochs
    self.loss_fn = loss_fn
    self.dataset = dataset
    self.total = total  # why 30

  def optimize(self):
    model = Model()  # why 33
    train_dl, self.valid_dl = DataLoader(self.dataset, batch_size=4, shuffle=True), DataLoader(self.val_set, batch_size=3)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for ep in range(self.num_epochs):
      for pool in (train_dl, self.valid_dl):
        for xb, labels in pool:
          optimizer.zero_grad()
          # note 40
          loss = self.loss_fn(model(xb), labels)
          loss.backward()
          optimizer.step()
      # note 44
      print(ep, loss.item())



if __name__ == '__main__':
  torch.manual_seed(26)
  random.seed(26)
  np.random.seed(26)

  x_train, Y = torch.rand(20, 4), torch.rand(20, 1)
  dataset = TensorDataset(x_train, Y)
  val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
  num_epochs = 2
  loss_fn = nn.MSELoss()
  history, total = [], 0.0
  agent = Runner(history, val_set, num_epochs, loss_fn, dataset, total)
  agent.optimize()
  print('done', agent.total, len(agent.history))
