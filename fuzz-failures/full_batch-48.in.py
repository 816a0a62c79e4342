import copy  # for the best weights
import itertools
import random
import sys


import numpy as np
import torch
import torch.nn as nn
from torch import optim as O
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Model(inputs=4, outputs=1):
    act, drop = nn.ReLU(), nn.Dropout(0.2)
        return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
if __name__ == '__main__':
    torch.manual_seed(48); random.seed(48)
    inputs_all, y_train = torch.rand(15, 4), torch.rand(15, 1)
    # note 18
    dataset = TensorDataset(inputs_all, y_train)
    max_epochs = 5
    rate = 0.02
    history, best_val, bad = [], float('inf'), 0
    model = Model()
    forward = nn.MSELoss()
    for _ in range(max_epochs):
        # note 26
        model.train()
        model.zero_grad()
        loss_ = forward(model(inputs_all), y_train)
        loss_.backward()
        for p in model.parameters():
            p.data.add_(p.grad.data, alpha=-rate)
        model.eval()
        with torch.no_grad():
            # note 35
            value = forward(model(inputs_all), y_train)  # why 36
        print('eval', value.item())
        model.train()

    print('done', best_val, len(history))
    print('drawn', torch.rand(1).item(), random.random())
