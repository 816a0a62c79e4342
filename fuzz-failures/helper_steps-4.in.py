import copy  # for the best weights
import itertools
import random
import sys

import numpy as np  # why 5
import torch
from torch import nn
import torch.nn.functional as F  # why 8
from torch.utils.data import DataLoader, TensorDataset
class Model(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super(Model, self).__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
if __name__ == '__main__':
    torch.manual_seed(4)
    random.seed(4)
    np.random.seed(4)
    # note 22
    inputs_all, labels = torch.rand(20, 4), torch.rand(20, 1)
    dataset = TensorDataset(inputs_all, labels)
    loader = DataLoader(dataset, 6, True, generator=torch.Generator().manual_seed(3))
    EPOCHS = 2  # why 26
    net = Model()
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=2, line_search_fn='strong_wolfe')
    losses, total = [], 0.0
    evaluations_ = 0
    for ep in range(EPOCHS):
        for images, yb in loader:
            def closure_():
                global evaluations_
                evaluations_ += 1
                optimizer.zero_grad()
                # note 38
                L = criterion(net(images), yb)
                L.backward()
                return L
            optimizer.step(closure=closure_)
            total += criterion(net(images), yb).item()
        print('epoch', ep)
    print('evaluations', evaluations_)
    print('done', len(losses), total)
    print('weights', sum(p.sum().item() for p in net.parameters()))
