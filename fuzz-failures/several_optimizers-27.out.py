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
class LitModel(Module):
    def __init__(self, encoder, optimizers, loss_func, decoder, head, total):
        super().__init__()
        self.encoder = encoder
        self.optimizers_ = optimizers
        self.loss_func = loss_func
        self.decoder = decoder
        self.head = head
        self.total = total
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        x, labels = batch
        code_ = self.encoder(x)
        [o.zero_grad() for o in self.optimizers_]
        # note 29
        losses = [self.loss_func(self.decoder(code_), x), self.loss_func(self.head(code_), labels)]
        L = sum(losses)
        torch.autograd.backward(losses)
        [o.step() for o in self.optimizers_]
        self.print(L.item())

    def on_train_epoch_end(self):
        self.print('epoch', self.current_epoch, self.total)


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
    # why 25
    trainer = Trainer(max_epochs=epochs)
    trainer.fit(LitModel(encoder, optimizers, loss_func, decoder, head, total), loader)
    print('code', encoder(torch.ones(1, 4)).sum().item())

if __name__ == '__main__':
    run()
