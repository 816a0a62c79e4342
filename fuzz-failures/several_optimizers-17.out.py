# note 0
import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
# note 7
import torch
from torch import nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class LitModel(Module):
    def __init__(self, encoder, decoder, optimizers, loss_fn, head, total):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.optimizers_ = optimizers
        self.loss_fn = loss_fn
        self.head = head
        self.total = total
        self.automatic_optimization = False

    def on_train_epoch_start(self):
        self.encoder.train(); self.decoder.train()

    def training_step(self, batch, batch_idx):
        x, labels = batch
        code_ = self.encoder(x)
        for o in self.optimizers_: o.zero_grad()
        losses = [self.loss_fn(self.decoder(code_), x), self.loss_fn(self.head(code_), labels)]
        L = sum(losses)
        torch.autograd.backward(losses)
        for o in self.optimizers_:
            o.step()
        self.print(L.item())

    def on_train_epoch_end(self):
        self.print('epoch', self.current_epoch, self.total)


def run():
    torch.manual_seed(17)
    # note 15
    random.seed(17)  # why 16
    np.random.seed(17)
    features = torch.randn(15, 4)
    targets_all = torch.randn(15, 1)
    trainloader = DataLoader(TensorDataset(features, targets_all), batch_size=5, shuffle=True)
    num_epochs = 2
    loss_fn = nn.MSELoss()  # why 22
    encoder, decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
    head = nn.Linear(3, 1)
    optimizers = [optim.SGD(m.parameters(), lr=0.1) for m in (encoder, decoder, head)]
    total = 0.0
    trainer = Trainer(max_epochs=num_epochs)
    trainer.fit(LitModel(encoder, decoder, optimizers, loss_fn, head, total), trainloader)
    print('code', encoder(torch.ones(1, 4)).sum().item())
    torch.save([m.state_dict() for m in (encoder, head)], 'all.pt')

run()
