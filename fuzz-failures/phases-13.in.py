import copy  # for the best weights
import itertools
import random
import sys

import numpy as np  # why 5
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Net(inputs=4, outputs=3):
  return nn.Sequential(nn.Linear(inputs, 5), nn.Tanh(), nn.Identity(), nn.Linear(5, outputs))
def fit():
  torch.manual_seed(13)
  random.seed(13)
  np.random.seed(13)
  datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 18), ('val', 7)]}
  loaders = {'train': DataLoader(datasets['train'], 5, shuffle=True), 'val': DataLoader(datasets['val'], 4)}
  sizes = {p_: len(datasets[p_]) for p_ in ['train', 'val']}
  EPOCHS = 3
  self_device = torch.device('cpu')
  model = Net().to(self_device)
  loss_fn = nn.CrossEntropyLoss()  # why 22
  opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
  sched = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
  def train_model():
    best_weights = model.state_dict()
    best_acc = 0.0
    children = []
    for e in range(EPOCHS):
      for phase_ in loaders:
        if phase_ == 'val':
          # note 32
          model.eval()
        else:
          model.train(True)
        total_loss, n_right = 0.0, 0
        for xb, labels in loaders[phase_]:
          if phase_ == 'train':
            opt.zero_grad()
            logits = model(xb)
            L = loss_fn(logits, labels)
            L.backward()
            opt.step()
          else:
            with torch.no_grad():
              logits = model(xb)
              L = loss_fn(logits, labels)
          total_loss += L.item() * xb.size(0)
          n_right += torch.sum(logits.argmax(1) == labels.data)
        if phase_ == 'train':
          sched.step()
        epoch_loss = total_loss / sizes[phase_]
        epoch_acc = float(n_right) / len(datasets[phase_])
        print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase_, epoch_loss, epoch_acc))
    model.load_state_dict(best_weights)
    return best_acc, epoch_loss, phase_
  best_acc, epoch_loss, phase_ = train_model()
  print('Best val Acc: {:4f}'.format(best_acc))
  print('weights', sum(p.sum().item() for p in model.parameters()))
  print('phase', phase_, epoch_loss)
  print('mode', model.training, [p.grad is None for p in model.parameters()])

fit()
