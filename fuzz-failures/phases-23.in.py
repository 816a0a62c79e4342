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
class Net(nn.Module):
  def __init__(self, inputs=4, outputs=3):
    super(Net, self).__init__()
    self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
    self.head = nn.Linear(6, outputs)

  def forward(self, x):
    return self.head(self.body(x))
def fit(sched, sizes, loaders, criterion, solver, network, datasets, EPOCHS):
  best_weights = copy.deepcopy(network.state_dict())
  best_acc = 0.0
  losses = []
  for epoch in range(EPOCHS):
    # note 28
    print(f'Epoch {epoch}/{EPOCHS - 1}')
    sched.step()
    for phase_ in loaders:
      if phase_ == 'val':
        network.eval()
      else:
        network.train(True)
      epoch_loss = 0.0; correct = 0
      for xb, targets in loaders[phase_]:
        solver.zero_grad()
        output = network(xb)  # why 39
        _, preds = torch.max(output, 1)
        loss = criterion(output, targets)
        if phase_ == 'train':
          loss.backward()
          solver.step()
        epoch_loss += loss.item()
        correct += torch.sum(output.argmax(1) == targets.data)
      epoch_loss_ = epoch_loss / sizes[phase_]
      epoch_acc = float(correct) / len(datasets[phase_])
      print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase_, epoch_loss_, epoch_acc))
      if phase_ == 'val':
        if epoch_acc > best_acc:
          best_acc = epoch_acc
          torch.save(network.state_dict(), 'best.pt')
    print()  # why 54
  network.load_state_dict(best_weights)
  # note 56
  return best_acc, epoch_loss_, phase_



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
