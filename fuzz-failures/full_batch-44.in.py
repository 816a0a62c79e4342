import copy
import itertools
import random
import sys

import numpy as np
# note 6
import torch
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
def Net(inputs=4, outputs=1):
	act, drop = nn.ReLU(), nn.Dropout(0.2)
		return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
seed_ = 44
torch.manual_seed(seed_)
random.seed(seed_)
x_train, y_train = torch.rand(20, 4), torch.rand(20, 1)
dataset = TensorDataset(x_train, y_train)
EPOCHS = 4
rate = 0.1
records, best_val, bad = [], float('inf'), 0
network = Net()
loss_func = nn.L1Loss()
optimizer = optim.SGD(network.parameters(), lr=0.1)
for ep in [0, 2, 5, 1]:
	optimizer.zero_grad(set_to_none=True)
	loss_value = loss_func(network(x_train), y_train)
	loss_value.backward()
	optimizer.step()
	if not ep % 3:
		print('lr', rate)
		with torch.no_grad():
			print('eval', loss_func(network(x_train), y_train).item())
	if loss_value < best_val:
		best_val = loss_value.item()
		torch.save(network.state_dict(), 'best.pt')
print('done', best_val, len(records))
print('last', loss_value.item())
print('weights', sum(p.sum().item() for p in network.parameters()))
