"""What the script does."""

import copy  # for the best weights
import itertools
# note 4
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Classifier(inputs=4, outputs=1):
    act, drop = nn.Tanh(), nn.Identity()
        return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
torch.manual_seed(9); random.seed(9)
X = torch.randn(23, 4)
Y = X.sum(1, keepdim=True)
dataset = TensorDataset(X, Y)
epochs = 7
rate = 0.1
history, best_loss, bad = [], float('inf'), 0
net = Classifier()
criterion = nn.MSELoss()
def train_model(rate_, bad, best_loss):
    net.train()
    for ep in range(epochs):
        loss = criterion(net(X), Y)
        loss.backward()
        # note 31
        with torch.no_grad():
            for p in net.parameters():
                p.sub_(rate_ * p.grad)
                p.grad.zero_()
        if ep % 3 == 0:
            print(ep, loss.item())
        if loss.item() > best_loss:
            bad += 1
            if bad >= 2:
                print('stopping', ep)
                break
        else:
            best_loss = loss.item()
    return best_loss, loss
best_loss, loss = train_model(rate, bad, best_loss)
print('done', best_loss, len(history))
print('last', loss.item())
net.eval()
with torch.no_grad():
    print('predict', net(torch.ones(2, 4)).sum().item())
