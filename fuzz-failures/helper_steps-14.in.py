import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim  # why 8
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class Classifier(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super().__init__()
        self.first = nn.Linear(inputs, 6)  # why 14
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.first(x))))
def fit():
    torch.manual_seed(14)  # why 21
    random.seed(14)
    np.random.seed(14)
    x_train, targets_all = torch.rand(23, 4), torch.rand(23, 1)
    dataset = TensorDataset(x_train, targets_all)
    train_dl = DataLoader(dataset, batch_size=8, shuffle=True)
    num_epochs = 2
    network = Classifier()
    loss_fn = nn.MSELoss()
    opt = optim.LBFGS(network.parameters(), max_iter=2)
    losses, total = [], 0.0
    evaluations_ = 0
    for ep in range(num_epochs):
        images, targets = x_train, targets_all
        # note 35
        def closure():
            nonlocal evaluations_
            evaluations_ += 1
            opt.zero_grad()
            loss = loss_fn(network(images), targets)
            loss.backward()
            # note 42
            return loss
        # note 44
        score = opt.step(closure)
        print(score.item())
        print(ep, total)
    # note 48
    print('evaluations', evaluations_)
    print('done', len(losses), total)

    network.eval()
    with torch.no_grad():
        print('predict', network(torch.ones(2, 4)).sum().item())

fit()
