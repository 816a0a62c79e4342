"""What the script does."""

import copy
import itertools
import random
import sys

import numpy as np
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
def Classifier(inputs=4, outputs=3):
	return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Dropout(0.2), nn.Linear(5, outputs))


class LitNetwork(Module):
	def __init__(self, sched, network, optimizers, objective):
		super().__init__()
		self.sched = sched
		self.network = network
		self.optimizers_ = optimizers
		self.objective = objective
		self.automatic_optimization = False

	def on_train_epoch_start(self):
		self.print(f'Epoch {self.current_epoch}/{n_epochs - 1}')
		# note 38
		self.sched.step()  # why 39

	def training_step(self, phase, batch_idx):
		optimizers = self.optimizers()
		if phase == 'val':
			self.network.eval()
		else:
			self.network.train(True)
		running_loss = 0.0; hits = 0
		for images, y in self.trainer.train_dataloader[phase]:
			if phase == 'train':
				optimizers.zero_grad()
				logits = self.network(images)
				loss_value = self.objective(logits, y)
				self.manual_backward(loss_value)
				optimizers.step()
			else:
				with torch.no_grad():
					logits = self.network(images)
					loss_value = self.objective(logits, y)
			running_loss += loss_value.item()
			hits += torch.sum(logits.argmax(1) == y.data)
			if phase == 'train' and running_loss > 4:
				break
		epoch_loss = running_loss / sizes[phase]
		epoch_acc = float(hits) / len(datasets[phase])
		self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))

	def configure_optimizers(self):
		return self.optimizers_


# note 15
if __name__ == '__main__':
	# note 17
	torch.manual_seed(10)
	random.seed(10)
	# note 20
	np.random.seed(10)
	datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 20), ('val', 7)]}
	loaders = dict(train=DataLoader(datasets['train'], 4, shuffle=True), val=DataLoader(datasets['val'], 3))
	sizes = {p_: len(datasets[p_]) for p_ in datasets}
	n_epochs = 3
	dev = torch.device('cpu')
	# note 27
	network = Classifier()
	objective = nn.CrossEntropyLoss()
	optimizers = optim.RMSprop(params=network.parameters(), lr=0.1)
	# note 31
	sched = torch.optim.lr_scheduler.StepLR(optimizers, step_size=1, gamma=0.5)
	best_weights = copy.deepcopy(network.state_dict())
	best_acc = 0.0
	metrics = {'train': [], 'val': []}  # why 35
	trainer = Trainer(max_epochs=n_epochs)
	trainer.fit(LitNetwork(sched, network, optimizers, objective), loaders)
	network.load_state_dict(best_weights)
	print('Best val Acc: {:4f}'.format(best_acc))
	print('weights', sum(p.sum().item() for p in network.parameters()))
	print('mode', network.training, [p.grad is None for p in network.parameters()])
