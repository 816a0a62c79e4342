# note 0
import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
# note 7
import torch
from torch import nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def run():
    torch.manual_seed(17)
    # note 15
    random.seed(17)  # why 16
    np.random.seed(17)
    features = torch.randn(15, 4)
    targets_all = torch.randn(15, 1)
    trainloader = DataLoader(TensorDataset(features, targets_all), batch_size=5, shuffle=True)
    num_epochs = 2
    loss_fn = nn.MSELoss()  # why 22
    encoder, decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
    head = nn.Linear(3, 1)
    optimizers = [optim.SGD(m.parameters(), lr=0.1) for m in (encoder, decoder, head)]
    total = 0.0
    for ep in range(num_epochs):
        encoder.train(); decoder.train()
        for x, labels in trainloader:
            code_ = encoder(x)
            for o in optimizers: o.zero_grad()
            losses = [loss_fn(decoder(code_), x), loss_fn(head(code_), labels)]
            L = sum(losses)
            torch.autograd.backward(losses)
            for o in optimizers:
                o.step()
            print(L.item())
        print('epoch', ep, total)
    print('code', encoder(torch.ones(1, 4)).sum().item())
    torch.save([m.state_dict() for m in (encoder, head)], 'all.pt')

run()
