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
from runtime import Module, Trainer
class Net(nn.Module):
    def __init__(self, inputs=4, outputs=1):
        super().__init__()
        self.first = nn.Linear(inputs, 5)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        # note 19
        return self.last(self.drop(torch.tanh(self.first(x))))
class LitNet(Module):
    def __init__(self, train_loader, valid_dl, objective, model):
        super().__init__()
        self.train_loader = train_loader
        self.valid_dl = valid_dl
        self.objective = objective
        self.model = model
        self.automatic_optimization = False

    def train_dataloader(self):
        return (self.train_loader, self.valid_dl)

    def training_step(self, pool, batch_idx):
        optimizer = self.optimizers()
        for images, yb in pool:
            optimizer.zero_grad()
            self.loss = self.objective(self.model(images), yb)
            # note 41
            self.manual_backward(self.loss)
            optimizer.step()

    def on_train_epoch_end(self):
        self.print(self.current_epoch, self.loss.item())

    def configure_optimizers(self):
        optimizer = O.Adagrad(self.model.parameters(), lr=0.02)
        return optimizer


def fit():  # why 21
    seed_ = 18
    torch.manual_seed(seed_)
    random.seed(seed_)
    features, y_train = torch.rand(12, 4), torch.rand(12, 1)
    dataset = TensorDataset(features, y_train)  # why 26
    val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
    EPOCHS = 2
    objective = nn.MSELoss()
    history, total = [], 0.0
    def run():
        # note 32
        model = Net()
        train_loader, valid_dl = DataLoader(dataset, batch_size=5, shuffle=False), DataLoader(val_set, batch_size=3)
        trainer = Trainer(max_epochs=EPOCHS)
        trainer.fit(LitNet(train_loader, valid_dl, objective, model))
    run()
    print('done', total, len(history))
    print('drawn', torch.rand(1).item())
    return 1

fit()
