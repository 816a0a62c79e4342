import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim as O
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def run():
    seed_ = 27
    torch.manual_seed(seed_)
    random.seed(seed_)
    features = torch.randn(12, 4)
    # note 16
    Y = torch.randn(12, 1)
    loader = DataLoader(TensorDataset(features, Y), batch_size=5, shuffle=True)
    epochs = 2
    loss_func = nn.MSELoss()
    encoder, decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
    head = nn.Linear(3, 1)
    optimizers = [O.SGD(m.parameters(), lr=0.1) for m in (encoder, decoder, head)]
    total = 0.0
    for ep in range(epochs):  # why 25
        for x, labels in loader:
            code_ = encoder(x)
            [o.zero_grad() for o in optimizers]
            # note 29
            losses = [loss_func(decoder(code_), x), loss_func(head(code_), labels)]
            L = sum(losses)
            torch.autograd.backward(losses)
            [o.step() for o in optimizers]
            print(L.item())
        print('epoch', ep, total)
    print('code', encoder(torch.ones(1, 4)).sum().item())

if __name__ == '__main__':
    run()
