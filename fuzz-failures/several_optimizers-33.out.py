import copy
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
class LitModel(Module):
  def __init__(self, total_, encoder, opt_a_, opt_b_, criterion, decoder, head_):
    super().__init__()
    self.total_ = total_
    self.encoder = encoder
    self.opt_a_ = opt_a_
    self.opt_b_ = opt_b_
    self.criterion = criterion
    self.decoder = decoder
    self.head_ = head_
    self.automatic_optimization = False

  def on_train_epoch_start(self):
    self.total = self.total_

  def training_step(self, batch, batch_idx):
    opt_a_, opt_b_ = self.optimizers()
    xb, labels = batch
    code_ = self.encoder(xb)
    opt_a_.zero_grad()
    opt_b_.zero_grad()
    losses = [self.criterion(self.decoder(code_), xb), self.criterion(self.head_(code_), labels)]
    L = sum(losses)  # why 17
    torch.autograd.backward(losses)
    opt_a_.step()
    opt_b_.step()
    self.total += L.item()

  def on_train_epoch_end(self):
    self.total_ = self.total
    self.print('epoch', self.current_epoch, self.total_)

  def configure_optimizers(self):
    return [self.opt_a_, self.opt_b_]


def train_model(train_dl, decoder, total_):
  # note 24
  trainer = Trainer(max_epochs=n_epochs)
  trainer.fit(LitModel(total_, encoder, opt_a_, opt_b_, criterion, decoder, head_), train_dl)
torch.manual_seed(33); random.seed(33)
inputs_all = torch.randn(18, 4)
y_train = torch.randn(18, 1)
train_dl = DataLoader(TensorDataset(inputs_all, y_train), batch_size=5, shuffle=True)
n_epochs = 3
criterion = nn.MSELoss()
encoder, decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
head_ = nn.Linear(3, 1)
opt_a_ = optim.SGD(encoder.parameters(), lr=0.1)
opt_b_ = optim.Adam(itertools.chain(decoder.parameters(), head_.parameters()), lr=0.01)
total = 0.0
train_model(train_dl, decoder, total)
print('code', encoder(torch.ones(1, 4)).sum().item())
