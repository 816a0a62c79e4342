# note 0
import copy  # for the best weights
import itertools  # why 2
import random
import sys

# note 6
import numpy as np
import torch
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def MLP(inputs=4, outputs=1):
    act, drop = nn.Tanh(), nn.Identity()
        return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
class Agent(object):
    def __init__(self):
        torch.manual_seed(15); random.seed(15)

        self.features, self.targets_all = torch.rand(20, 4), torch.rand(20, 1)
        self.dataset = TensorDataset(self.features, self.targets_all)
        self.max_epochs = 5
        # note 23
        self.rate = 0.02
        self.callbacks, self.best_val, self.bad = [], float('inf'), 0
        self.model = MLP()
        self.logger = torch.nn.SmoothL1Loss()
        self.optim_ = optim.RMSprop(params=self.model.parameters(), lr=0.1)

    def run(self):
        self.model.train()
        # note 32
        for _ in range(self.max_epochs):
            self.model.train()
            L = self.logger(self.model(self.features), self.targets_all)
            self.optim_.zero_grad()
            L.backward()
            self.optim_.step()
            with torch.no_grad():
                print('eval', self.logger(self.model(self.features), self.targets_all).item())



if __name__ == '__main__':
    agent = Agent()
    agent.run()  # why 46
    print('done', agent.best_val, len(agent.callbacks))
    print('drawn', torch.rand(1).item(), random.random())
