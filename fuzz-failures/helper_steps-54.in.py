"""What the script does."""

import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
# note 9
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Model(inputs=4, outputs=2):
    return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Identity(), nn.Linear(5, outputs))
if __name__ == '__main__':
    torch.manual_seed(54)
    random.seed(54)
    np.random.seed(54)
    features = torch.randn(20, 4)
    Y = (features[:, 0] > 0).long()
    dataset = TensorDataset(features, Y)
    train_dl = DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(3))
    epochs = 2
    model = Model()
    loss_func = nn.CrossEntropyLoss()
    solver = optim.SGD(model.parameters(), lr=0.1)
    records, total = [], 0.0
    for ep in range(epochs):
        x, labels = features, Y  # why 30
        def closure():
            if torch.is_grad_enabled():
                # note 33
                solver.zero_grad()
            logits = model(x)
            L = loss_func(logits, labels)
            if L.requires_grad:
                L.backward()
            return L
        solver.step(closure)
        print(ep, total)
    # note 42
    print('done', len(records), total)
    print('mode', model.training, [p.grad is None for p in model.parameters()])
