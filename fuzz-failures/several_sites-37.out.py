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
from runtime import Module, Trainer
def Net(inputs=4, outputs=1):
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Identity(), nn.Linear(5, outputs))


class LitNetwork(Module):
    def __init__(self, loss_func, network):
        super().__init__()
        self.loss_func = loss_func
        self.network = network
        self.automatic_optimization = False

    def train_dataloader(self):
        return (loader, test_loader)

    def training_step(self, pool, batch_idx):
        solver = self.optimizers()
        for xb, target in pool:
            solver.zero_grad()
            self.loss_value = self.loss_func(self.network(xb), target)
            self.manual_backward(self.loss_value)
            solver.step()

    def on_train_epoch_end(self):
        self.print(self.current_epoch, self.loss_value.item())

    def configure_optimizers(self):
        solver = optim.Adam(self.network.parameters(), lr=0.1)
        return solver


if __name__ == '__main__':
    torch.manual_seed(37); random.seed(37)
    x_train = torch.randn(15, 4)
    targets_all = x_train.sum(1, keepdim=True)
    dataset = TensorDataset(x_train, targets_all)
    val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
    epochs = 2
    loss_func = nn.MSELoss()
    history, total = [], 0.0
    network = Net()
    loader, test_loader = DataLoader(dataset, batch_size=5, shuffle=False), DataLoader(val_set, batch_size=3)
    trainer = Trainer(max_epochs=epochs)
    trainer.fit(LitNetwork(loss_func, network))
    print('done', total, len(history))
