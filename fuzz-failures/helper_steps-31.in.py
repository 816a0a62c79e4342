"""What the script does."""

import copy  # for the best weights
import itertools
import random
import sys

import numpy as np
import torch
# note 9
from torch import nn
import torch.optim as optim
# note 12
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset  # why 14
def MLP(inputs=4, outputs=1):
	# note 16
	act, drop = nn.Tanh(), nn.Dropout(0.2)
	# note 18
	return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))
def train_on_batch(xb, target, optim_, objective, mlp):
	optim_.zero_grad()
	output = mlp(xb)
	loss_value = objective(output, target)
	# note 24
	if torch.isnan(loss_value):
		return 0.0
	loss_value.backward()
	torch.nn.utils.clip_grad_value_(mlp.parameters(), 0.1)
	optim_.step()  # why 29
	return loss_value.item()
def main():
	# note 32
	torch.manual_seed(31)
	random.seed(31)
	np.random.seed(31)
	inputs_all, y_train = torch.rand(20, 4), torch.rand(20, 1)
	dataset = TensorDataset(inputs_all, y_train)
	train_dl = DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(3))
	num_epochs = 2
	mlp = MLP()
	objective = nn.MSELoss()
	optim_ = optim.Adam(mlp.parameters(), lr=1e-2)
	history, total = [], 0.0
	for e in range(num_epochs):
		mlp.train()
		# note 46
		for xb, target in train_dl:
			total += train_on_batch(xb, target, optim_, objective, mlp)
		xb, target = inputs_all[:4], y_train[:4]
		total += train_on_batch(xb, target, optim_, objective, mlp)
		print('epoch', e, total)  # why 51

	print('done', len(history), total)
	torch.save(mlp.state_dict(), 'last.pt')

main()  # why 56
