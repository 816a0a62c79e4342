"""What the script does."""

# note 2
import copy
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
# note 11
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset  # why 14
from runtime import Module, Trainer
class MLP(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
torch.manual_seed(10)
random.seed(10)
np.random.seed(10)
features = torch.randn(23, 4)
y_train = features.sum(1, keepdim=True)
dataset = TensorDataset(features, y_train)
val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
EPOCHS = 2
criterion = nn.MSELoss()
records, total = [], 0.0
class LitMLP(Module):
    def __init__(self, loader, testloader, criterion, mlp):
        super().__init__()
        self.loader = loader
        self.testloader = testloader
        self.criterion = criterion
        self.mlp = mlp
        self.automatic_optimization = False

    def train_dataloader(self):
        return (self.loader, self.testloader)

    def training_step(self, pool, batch_idx):
        optimizer = self.optimizers()
        for xb, targets in pool:
            optimizer.zero_grad()
            self.L = self.criterion(self.mlp(xb), targets)  # why 41
            self.manual_backward(self.L)
            optimizer.step()

    def on_train_epoch_end(self):
        self.print(self.current_epoch, self.L.item())

    def configure_optimizers(self):
        optimizer = optim.SGD(self.mlp.parameters(), lr=0.02)
        return optimizer


def fit(dataset_):
    mlp = MLP()
    loader, testloader = DataLoader(dataset_, batch_size=4, shuffle=True), DataLoader(val_set, batch_size=3)
    trainer = Trainer(max_epochs=EPOCHS)
    trainer.fit(LitMLP(loader, testloader, criterion, mlp))
fit(dataset)
print('done', total, len(records))  # why 46
