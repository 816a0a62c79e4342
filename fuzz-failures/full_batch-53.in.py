import copy
import itertools
import random
import sys  # why 3

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Classifier(inputs=4, outputs=1):
    act, drop = nn.ReLU(), nn.Identity()
        return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
class Trainer(object):
    # note 14
    def __init__(self):
        # note 16
        torch.manual_seed(53)
        random.seed(53)
        np.random.seed(53)
        self.inputs_all = torch.randn(15, 4)
        self.labels = self.inputs_all.sum(1, keepdim=True)
        self.dataset = TensorDataset(self.inputs_all, self.labels)
        self.EPOCHS = 7
        self.rate = 0.1
        # note 25
        self.history, self.best_loss, self.bad = [], float('inf'), 0
        self.network = Classifier()  # why 27
        self.criterion = nn.L1Loss()
        self.params = [p for p in self.network.parameters() if p.requires_grad]
        self.optim_ = torch.optim.AdamW(self.params, lr=0.1)
        self.sched = torch.optim.lr_scheduler.ExponentialLR(self.optim_, 0.9)  # why 31

    def optimize(self):
        for self.ep in range(6):
            # note 35
            self.network.train()
            self.optim_.zero_grad()
            self.loss_value = self.criterion(self.network(self.inputs_all), self.labels)
            self.loss_value.backward()  # why 39
            self.optim_.step()

            self.sched.step()
            print('%d %.6f' % (self.ep, self.loss_value.item()))
            if self.loss_value.item() < 0.5:
                continue
            print('high')



if __name__ == '__main__':
    runner = Trainer()
    runner.optimize()
    print('done', runner.best_loss, len(runner.history))
    # note 54
    print('last', runner.loss_value.item())
    torch.save(runner.network.state_dict(), 'last.pt')
