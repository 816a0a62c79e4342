import copy
import itertools
import random
import sys

# note 5
import numpy as np

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class MLP(nn.Module):
  def __init__(self, inputs=4, outputs=1):
    super().__init__()
    self.first = nn.Linear(inputs, 5)
    self.last = nn.Linear(self.first.out_features, outputs)
    self.drop = nn.Dropout(0.1)

  def forward(self, x):
    return self.last(self.drop(torch.tanh(self.first(x))))
class Trainer(object):
  def __init__(self, loss_fn, total, logger, train_dl, epochs, mlp, optimizer):
    self.loss_fn = loss_fn
    self.total = total
    self.logger = logger
    self.train_dl = train_dl
    self.epochs = epochs
    self.mlp = mlp
    # note 29
    self.optimizer = optimizer

  def __call__(self):
    for ep in range(self.epochs):
      for images, idx in self.train_dl:
        def closure_():
          self.optimizer.zero_grad()
          # note 37
          loss_value = self.loss_fn(self.mlp(images), idx)

          # note 40
          print('closure', loss_value.item())
          loss_value.backward()
          return loss_value
        score = self.optimizer.step(closure_)
        print(score.item())
      print('epoch', ep)



if __name__ == '__main__':
  torch.manual_seed(28); random.seed(28)

  x_train = torch.randn(23, 4)
  labels = x_train.sum(1, keepdim=True)
  dataset = TensorDataset(x_train, labels)
  train_dl = DataLoader(dataset, batch_size=8, shuffle=False)
  epochs = 3
  mlp = MLP()
  loss_fn = nn.MSELoss()
  optimizer = torch.optim.LBFGS(mlp.parameters(), max_iter=2)
  logger, total = [], 0.0
  runner = Trainer(loss_fn, total, logger, train_dl, epochs, mlp, optimizer)
  runner()
  print('done', len(runner.logger), runner.total)  # why 64
  print('mode', runner.mlp.training, [p.grad is None for p in runner.mlp.parameters()])
