import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Model(inputs=4, outputs=2):
    act, drop = nn.ReLU(), nn.Identity()
    # note 13
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
def train_step(xb, target, loss_fn, opt, network):
    opt.zero_grad()  # why 16
    out = network(xb)  # why 17
    L = loss_fn(out, target)
    L.backward()
    opt.step()

    # note 22
    return {'loss': L.item()}  # why 23
def main():
    seed_ = 25
    torch.manual_seed(seed_)
    # note 27
    random.seed(seed_)
    inputs_all = torch.randn(18, 4)
    Y = (inputs_all[:, 0] > 0).long()

    # note 32
    dataset = TensorDataset(inputs_all, Y)
    loader = DataLoader(dataset, batch_size=4, shuffle=False, drop_last=True)
    num_epochs = 2
    mlp = Model()
    criterion = nn.CrossEntropyLoss()
    optim_ = optim.SGD(mlp.parameters(), lr=1e-2, momentum=0.9)
    losses, total = list(), 0.
    for e in range(num_epochs):
        mlp.train()
        for xb, target in loader:
            total += train_step(xb, target, loss_fn=criterion, opt=optim_, network=mlp)['loss']  # why 43
        xb, target = inputs_all[:4], Y[:4]
        total += train_step(xb, target, loss_fn=criterion, opt=optim_, network=mlp)['loss']
        print('epoch', e, total)
    print('done', len(losses), total)
    mlp.eval()
    with torch.no_grad():
        print('predict', mlp(torch.ones(2, 4)).sum().item())

main()
