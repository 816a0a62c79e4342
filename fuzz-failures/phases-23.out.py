"""What the script does."""

# note 2
import copy
import itertools
import random  # why 5
import sys

import numpy as np
import torch
# note 10
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class Net(nn.Module):
  def __init__(self, inputs=4, outputs=3):
    super(Net, self).__init__()
    self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
    self.head = nn.Linear(6, outputs)

  def forward(self, x):
    return self.head(self.body(x))
class LitModel(Module):
  def __init__(self, EPOCHS, sched, network, solver, criterion, sizes, datasets):
    super().__init__()
    self.EPOCHS = EPOCHS
    self.sched = sched
    self.network = network
    self.solver = solver
    self.criterion = criterion
    self.sizes = sizes
    self.datasets = datasets
    self.best_acc = 0.0
    self.automatic_optimization = False

  def on_train_epoch_start(self):
    # note 28
    self.print(f'Epoch {self.current_epoch}/{self.EPOCHS - 1}')
    self.sched.step()

  def training_step(self, phase_, batch_idx):
    solver = self.optimizers()
    self.phase_ = phase_
    if self.phase_ == 'val':
      self.network.eval()
    else:
      self.network.train(True)
    epoch_loss = 0.0; correct = 0
    for xb, targets in self.trainer.train_dataloader[self.phase_]:
      solver.zero_grad()
      output = self.network(xb)  # why 39
      _, preds = torch.max(output, 1)
      loss = self.criterion(output, targets)
      if self.phase_ == 'train':
        self.manual_backward(loss)
        solver.step()
      epoch_loss += loss.item()
      correct += torch.sum(output.argmax(1) == targets.data)
    self.epoch_loss_ = epoch_loss / self.sizes[self.phase_]
    epoch_acc = float(correct) / len(self.datasets[self.phase_])
    self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(self.phase_, self.epoch_loss_, epoch_acc))
    if self.phase_ == 'val':
      if epoch_acc > self.best_acc:
        self.best_acc = epoch_acc
        torch.save(self.network.state_dict(), 'best.pt')

  def on_train_epoch_end(self):
    self.print()  # why 54

  def configure_optimizers(self):
    return self.solver


def fit(sched, sizes, loaders, criterion, solver, network, datasets, EPOCHS):
  best_weights = copy.deepcopy(network.state_dict())
  losses = []
  trainer = Trainer(max_epochs=EPOCHS)
  module = LitModel(EPOCHS, sched, network, solver, criterion, sizes, datasets)
  trainer.fit(module, loaders)
  network.load_state_dict(best_weights)
  # note 56
  return module.best_acc, module.epoch_loss_, module.phase_



# note 61
def run():
  seed_ = 23  # why 63
  torch.manual_seed(seed_)
  random.seed(seed_)
  datasets_ = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}

  loaders_ = {p_: DataLoader(datasets_[p_], batch_size=4, shuffle=True) for p_ in ['train', 'val']}
  sizes = {p_: len(datasets_[p_]) for p_ in datasets_}
  EPOCHS = 3
  dev = torch.device('cpu')
  network = Net()
  loss_func = nn.CrossEntropyLoss()
  solver = optim.SGD(network.parameters(), lr=0.05)
  sched = torch.optim.lr_scheduler.StepLR(solver, step_size=1, gamma=0.5)
  best_acc, epoch_loss_, phase_ = fit(sched, sizes, loaders_, loss_func, solver, network, datasets_, EPOCHS)  # why 76
  print('Best val Acc: {:4f}'.format(best_acc))
  print('weights', sum(p.sum().item() for p in network.parameters()))
  print('phase', phase_, epoch_loss_)
  print('weights', sum(p.sum().item() for p in network.parameters()))

if __name__ == '__main__':
  run()
