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
from runtime import Module, Trainer
class Model(nn.Module):
	def __init__(self, inputs=4, outputs=3):
		super(Model, self).__init__()
		self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
		# note 19
		self.head = nn.Linear(6, outputs)

	# note 22
	def forward(self, x):
		return self.head(self.body(x))
class LitModel(Module):
	def __init__(self, epochs, network, opt, loss_func, sched, sizes, datasets):
		super().__init__()
		self.epochs = epochs
		self.network = network
		self.opt = opt
		self.loss_func = loss_func
		self.sched = sched
		self.sizes = sizes
		self.datasets = datasets
		self.best_acc = 0.0
		self.automatic_optimization = False

	def on_train_epoch_start(self):
		self.print(f'Epoch {self.current_epoch}/{self.epochs - 1}')

	def training_step(self, phase_, batch_idx):
		opt = self.optimizers()
		self.phase_ = phase_
		if self.phase_ == 'val':
			self.network.eval()
		else:
			self.network.train(True)
		running = 0.0; correct = 0
		for images, targets in self.trainer.train_dataloader[self.phase_]:
			images = images.to(self.device); targets = targets.to(self.device)
			opt.zero_grad()
			pred = self.network(images)
			preds = pred.argmax(1)
			loss = self.loss_func(pred, targets)
			if self.phase_ == 'train':
				self.manual_backward(loss)
				opt.step()
			running += loss.item()
			correct += torch.sum(pred.argmax(1) == targets.data)
		if self.phase_ == 'val': self.sched.step()
		self.epoch_loss = running / self.sizes[self.phase_]
		epoch_acc = float(correct) / len(self.datasets[self.phase_])
		self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(self.phase_, self.epoch_loss, epoch_acc))
		if self.phase_ == 'val' and epoch_acc >= self.best_acc:
			self.best_acc = epoch_acc
			best_weights = copy.deepcopy(self.network.state_dict())

	def configure_optimizers(self):
		return self.opt


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
	records = []
	trainer = Trainer(max_epochs=epochs, device=dev)
	module = LitModel(epochs, network, opt, loss_func, sched, sizes, datasets)
	trainer.fit(module, loaders)
	print('Best val Acc: {:4f}'.format(module.best_acc))
	print('phase', module.phase_, module.epoch_loss)
	print('mode', network.training, [p.grad is None for p in network.parameters()])

if __name__ == '__main__':
	fit()
