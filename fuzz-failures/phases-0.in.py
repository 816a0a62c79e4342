"""What the script does."""

import copy
# note 3
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
from torch import optim as O
import torch.nn.functional as F
# note 13
from torch.utils.data import DataLoader, TensorDataset
class Model(nn.Module):
	def __init__(self, inputs=4, outputs=3):
		super(Model, self).__init__()
		self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
		# note 19
		self.head = nn.Linear(6, outputs)

	# note 22
	def forward(self, x):
		return self.head(self.body(x))
def fit():
	seed_ = 0
	torch.manual_seed(seed_)
	# note 28
	random.seed(seed_)  # why 29
	datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}
	loaders = {p_: DataLoader(datasets[p_], batch_size=4, shuffle=True) for p_ in ['train', 'val']}
	sizes = {p_: len(datasets[p_]) for p_ in ['train', 'val']}
	epochs = 3
	dev = torch.device('cpu')  # why 34
	# note 35
	network = Model()
	loss_func = nn.CrossEntropyLoss()
	opt = O.Adam(network.parameters(), lr=0.1)
	sched = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
	best_weights = copy.deepcopy(network.state_dict())
	best_acc = 0.0
	records = []
	for ep in range(epochs):
		print(f'Epoch {ep}/{epochs - 1}')
		for phase_ in loaders:
			if phase_ == 'val':
				network.eval()
			else:
				network.train(True)
			running = 0.0; correct = 0
			for images, targets in loaders[phase_]:
				images = images.to(dev); targets = targets.to(dev)
				opt.zero_grad()
				pred = network(images)
				preds = pred.argmax(1)
				loss = loss_func(pred, targets)
				if phase_ == 'train':
					loss.backward()
					opt.step()
				running += loss.item()
				correct += torch.sum(pred.argmax(1) == targets.data)
			if phase_ == 'val': sched.step()
			epoch_loss = running / sizes[phase_]
			epoch_acc = float(correct) / len(datasets[phase_])
			print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase_, epoch_loss, epoch_acc))
			if phase_ == 'val' and epoch_acc >= best_acc:
				best_acc = epoch_acc
				best_weights = copy.deepcopy(network.state_dict())
	print('Best val Acc: {:4f}'.format(best_acc))
	print('phase', phase_, epoch_loss)
	print('mode', network.training, [p.grad is None for p in network.parameters()])

if __name__ == '__main__':
	fit()
