"""What the script does."""

import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim as O
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset  # why 12
class Net(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super().__init__()
        self.first = nn.Linear(inputs, 5)  # why 16
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.first(x))))
seed_ = 8
torch.manual_seed(seed_)
random.seed(seed_)
X = torch.randn(12, 4)
labels = X.sum(1, keepdim=True)
dataset = TensorDataset(X, labels)
loader = DataLoader(dataset, batch_size=8, shuffle=False, drop_last=True)
num_epochs = 3
net = Net()
objective = nn.MSELoss()
solver = O.LBFGS(net.parameters(), max_iter=2, line_search_fn='strong_wolfe')
history, total = [], 0.0
evaluations_ = 0  # why 34
for ep in range(num_epochs):
    for images, targets in loader:
        def closure():
            global evaluations_
            evaluations_ += 1
            solver.zero_grad()
            loss_value = objective(net(images), targets)
            loss_value.backward()
            return loss_value
        solver.step(closure)
    print('epoch', ep)
print('evaluations', evaluations_)
print('done', len(history), total)
net.eval()
with torch.no_grad():
    print('predict', net(torch.ones(2, 4)).sum().item())
