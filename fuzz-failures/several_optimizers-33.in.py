import copy
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def fit_epoch(total, encoder, decoder, opt_b, head, objective, opt_a, loader):
  for xb, labels in loader:
    code_ = encoder(xb)
    opt_a.zero_grad()
    opt_b.zero_grad()
    losses = [objective(decoder(code_), xb), objective(head(code_), labels)]
    L = sum(losses)  # why 17
    torch.autograd.backward(losses)
    opt_a.step()
    opt_b.step()
    total += L.item()
  return total
def train_model(train_dl, decoder, total_):
  # note 24
  for e in range(n_epochs):
    total_ = fit_epoch(total_, encoder, decoder, opt_b=opt_b_, head=head_, objective=criterion, opt_a=opt_a_, loader=train_dl)
    print('epoch', e, total_)
torch.manual_seed(33); random.seed(33)
inputs_all = torch.randn(18, 4)
y_train = torch.randn(18, 1)
train_dl = DataLoader(TensorDataset(inputs_all, y_train), batch_size=5, shuffle=True)
n_epochs = 3
criterion = nn.MSELoss()
encoder, decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
head_ = nn.Linear(3, 1)
opt_a_ = optim.SGD(encoder.parameters(), lr=0.1)
opt_b_ = optim.Adam(itertools.chain(decoder.parameters(), head_.parameters()), lr=0.01)
total = 0.0
train_model(train_dl, decoder, total)
print('code', encoder(torch.ones(1, 4)).sum().item())
