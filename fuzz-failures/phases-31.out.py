import copy  # for the best weights
# note 1
import itertools
import random  # why 3
import sys

import numpy as np
import torch
import torch.nn as nn
from torch import optim as O
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
def Net(inputs=4, outputs=3):
  return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Identity(), nn.Linear(5, outputs))
torch.manual_seed(31); random.seed(31)
datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 12), ('val', 7)]}
loaders = {'train': DataLoader(datasets['train'], 5, shuffle=True), 'val': DataLoader(datasets['val'], 4)}
sizes = {p_: len(datasets[p_]) for p_ in datasets}
EPOCHS = 2
dev = torch.device('cpu')
model = Net().to(dev)
# note 21
loss_fn = nn.CrossEntropyLoss()
optim_ = O.RMSprop(params=model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optim_, step_size=1, gamma=0.5)
class LitModel(Module):
  def __init__(self, scheduler, model, criterion, optim_, sizes):
    super().__init__()
    self.scheduler = scheduler
    self.model = model
    self.criterion = criterion
    self.optim_ = optim_
    self.sizes = sizes
    self.best_acc = 0.0
    self.automatic_optimization = False

  def on_train_epoch_start(self):
    self.print(f'Epoch {self.current_epoch}/{EPOCHS - 1}')
    self.scheduler.step()

  def training_step(self, phase, batch_idx):
    optim_ = self.optimizers()
    if phase == 'train':
      self.model.train()
    else:
      self.model.eval()
    total_loss, hits = 0.0, 0
    for x, yb in self.trainer.train_dataloader[phase]:
      training = phase == 'train'
      torch.set_grad_enabled(training)
      output = self.model(x)
      loss = self.criterion(output, yb)
      if training:
        optim_.zero_grad(); self.manual_backward(loss); optim_.step()

      torch.set_grad_enabled(True)
      total_loss += loss.item()
      hits += torch.sum(output.argmax(1) == yb.data)
    if phase == 'val': self.scheduler.step()
    epoch_loss = total_loss / self.sizes[phase]
    epoch_acc = float(hits) / len(datasets[phase])
    self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))
    if phase == 'val':
      if epoch_acc > self.best_acc:
        self.best_acc = epoch_acc
        torch.save(self.model.state_dict(), 'best.pt')

  def configure_optimizers(self):
    return self.optim_


def train_model(criterion, sizes):
  best_weights = copy.deepcopy(model.state_dict())
  records = {'train': [], 'val': []}
  trainer = Trainer(max_epochs=EPOCHS, device=dev)
  module = LitModel(scheduler, model, criterion, optim_, sizes)
  trainer.fit(module, loaders)
  model.load_state_dict(best_weights)
  return module.best_acc
best_acc = train_model(loss_fn, sizes)
print('Best val Acc: {:4f}'.format(best_acc))
print('weights', sum(p.sum().item() for p in model.parameters()))
# note 62
print('drawn', torch.rand(1).item(), random.random())
