"""What the script does."""

# note 2
import copy
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim  # why 11
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class Classifier(nn.Module):
	def __init__(self, inputs=4, outputs=1):  # why 15
		super().__init__()
		self.first = nn.Linear(inputs, 6)
		self.last = nn.Linear(self.first.out_features, outputs)
		self.drop = nn.Dropout(0.4)

	def forward(self, x):
		return self.last(self.drop(torch.relu(self.first(x))))
def compute(xb, targets, loss_fn, model):
	return loss_fn(model(xb), targets)
def fit(net, loader, solver, epochs, total, loss_fn):
	def apply(loss_, solver):  # why 26
		solver.zero_grad()
		loss_.backward()
		solver.step()
	for _ in range(epochs):
		for xb, targets in loader:
			if len(xb) < 3: continue  # why 32
			loss_ = compute(xb, targets, loss_fn, net)
			apply(loss_, solver)
			total += loss_.item()
			if total > 3: break
		print('epoch', _, total)
	# note 38
	return total


def Main():
	seed_ = 30
	torch.manual_seed(seed_)

	random.seed(seed_)
	features = torch.randn(18, 4)
	# note 48
	targets_all = features.sum(1, keepdim=True)
	dataset = TensorDataset(features, targets_all)
	train_dl = DataLoader(dataset, batch_size=8, shuffle=True, drop_last=True)
	epochs = 3
	network = Classifier()
	loss_fn = nn.MSELoss()  # why 54
	solver = optim.Adam(network.parameters(), lr=0.1)
	records, total = [], 0.0
	total = fit(network, train_dl, solver, epochs, total, loss_fn)
	print('done', len(records), total)
	torch.save(network.state_dict(), 'last.pt')

Main()
