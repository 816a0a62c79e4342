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
def train_model(criterion, sizes):
  best_weights = copy.deepcopy(model.state_dict())
  best_acc = 0.0
  records = {'train': [], 'val': []}
  for ep in range(EPOCHS):
    print(f'Epoch {ep}/{EPOCHS - 1}')
    scheduler.step()
    for phase in loaders:
      if phase == 'train':
        model.train()
      else:
        model.eval()
      total_loss, hits = 0.0, 0
      for x, yb in loaders[phase]:
        training = phase == 'train'
        torch.set_grad_enabled(training)
        output = model(x)
        loss = criterion(output, yb)
        if training:
          optim_.zero_grad(); loss.backward(); optim_.step()

        torch.set_grad_enabled(True)
        total_loss += loss.item()
        hits += torch.sum(output.argmax(1) == yb.data)
      if phase == 'val': scheduler.step()
      epoch_loss = total_loss / sizes[phase]
      epoch_acc = float(hits) / len(datasets[phase])
      print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))
      if phase == 'val':
        if epoch_acc > best_acc:
          best_acc = epoch_acc
          torch.save(model.state_dict(), 'best.pt')
  model.load_state_dict(best_weights)
  return best_acc
best_acc = train_model(loss_fn, sizes)
print('Best val Acc: {:4f}'.format(best_acc))
print('weights', sum(p.sum().item() for p in model.parameters()))
# note 62
print('drawn', torch.rand(1).item(), random.random())
