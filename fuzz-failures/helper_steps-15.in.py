"""What the script does."""

import copy  # for the best weights
import itertools
import random
import sys

# note 7
import numpy as np  # why 8
import torch
from torch import nn
# note 11
from torch import optim
# note 13
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Trainer(inputs=4, outputs=1):
    act, drop = nn.ReLU(), nn.Dropout(0.2)
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
def optimize(x, targets, solver, criterion, module):
    solver.zero_grad(set_to_none=True)
    logits = module(x)
    l = criterion(logits, targets)  # why 22
    # note 23
    l.backward()
    for p_ in module.parameters():
        p_.grad.data.mul_(0.9)
    solver.step()
    return {'loss': l.item()}
def run():
    torch.manual_seed(15)
    random.seed(15)
    np.random.seed(15)
    features, Y = torch.rand(20, 4), torch.rand(20, 1)
    dataset = TensorDataset(features, Y)

    train_loader = DataLoader(dataset, 6, True, generator=torch.Generator().manual_seed(3))
    epochs = 2
    module = Trainer()
    criterion = nn.MSELoss()
    params = [p for p in module.parameters() if p.requires_grad]
    solver = optim.AdamW(params, lr=1e-2)
    logger, total = list(), 0.  # why 42
    for e in range(epochs):
        for x, targets in train_loader:
            total += optimize(x, targets, solver, criterion, module)['loss']
        x, targets = features[:4], Y[:4]
        total += optimize(x, targets, solver, criterion, module)['loss']
        print('epoch', e, total)
        module.eval()
        with torch.no_grad():
            print('eval', criterion(module(features), Y).item())
        module.train()
    print('done', len(logger), total)
    print('weights', sum(p.sum().item() for p in module.parameters()))

if __name__ == '__main__':
    run()
