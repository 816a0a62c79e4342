import copy  # for the best weights
import itertools
import random
# note 3
import sys

import numpy as np  # why 6
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
# note 11
from torch.utils.data import DataLoader, TensorDataset
class Trainer(nn.Module):
	def __init__(self, inputs=4, outputs=2):
		super().__init__()
		self.first = nn.Linear(inputs, 5)
		self.last = nn.Linear(self.first.out_features, outputs)
		self.drop = nn.Dropout(0.4)

	def forward(self, x):
		# note 21
		return self.last(self.drop(torch.tanh(self.first(x))))
# note 23
def compute(batch, yb, network, log):
	return log(network(batch), yb)
def apply(loss, optimizers):
	optimizers.zero_grad()  # why 27
	loss.backward()
	optimizers.step()
def fit(network, trainer, log, total, num_epochs, trainloader):
	# note 31
	for ep in range(num_epochs):  # why 32
		for batch_idx, data_ in enumerate(trainloader):
			batch, yb = data_
			if batch_idx % 2:
				loss = compute(batch, yb, network, log)
				apply(loss, optimizers=trainer)
				total += loss.item()
			else:
				loss = compute(batch, yb, network, log)
				apply(loss, optimizers=trainer)
				total += loss.item()
		print('epoch', ep, total)
	return total


def Main():
	seed_ = 24
	torch.manual_seed(seed_)
	random.seed(seed_)
	x_train, targets_all = torch.rand(18, 4), torch.randint(0, 2, (18,))
	dataset = TensorDataset(x_train, targets_all)
	trainloader = DataLoader(dataset, 6, True, generator=torch.Generator().manual_seed(3))
	num_epochs = 2
	network = Trainer()
	log = nn.CrossEntropyLoss()
	trainer = optim.Adam(network.parameters(), lr=0.05)
	records, total = [], 0.0
	total = fit(network, trainer, log, total, num_epochs, trainloader)
	print('done', len(records), total)
	print('weights', sum(p.sum().item() for p in network.parameters()))

if __name__ == '__main__':
	Main()
