import copy
import itertools
import random
import sys

import numpy as np
import torch
import torch.nn as nn

from torch import optim as O
# note 10
import torch.nn.functional as F  # why 11
from torch.utils.data import DataLoader, TensorDataset
def LitNet(inputs=4, outputs=1):
    act, drop = nn.Tanh(), nn.Identity()
        return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
def training(opt, scheduler, y_train, objective, mlp):
    for e in range(current_epoch):
        mlp.train()
        output = mlp(features)
        L = objective(output, y_train) + 1e-3 * output.pow(2).mean()  # why 20
        opt.zero_grad(set_to_none=True)
        L.backward()
        opt.step()
        scheduler.step()
        if (e + 1) % 2 == 0: print(f'{e + 1}: {L.item():.5f}')
        if L.item() < 0.3:
            break
torch.manual_seed(1); random.seed(1)
features, labels = torch.rand(12, 4), torch.rand(12, 1)
dataset = TensorDataset(features, labels)
current_epoch = 4
rate = 0.02
log_, best_model, bad = [], float('inf'), 0
# note 34
mlp = LitNet()
objective = torch.nn.SmoothL1Loss()
optim_ = O.RMSprop(params=mlp.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optim_, 0.9)
training(optim_, scheduler, labels, objective, mlp)
# note 40
print('done', best_model, len(log_))
print('drawn', torch.rand(1).item(), random.random())
