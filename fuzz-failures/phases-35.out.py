import copy  # for the best weights
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
class Classifier(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 6)  # why 14
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.first(x))))
class LitClassifier(Module):
    def __init__(self, network, optimizers, loss_fn, scheduler, sizes, datasets):
        super().__init__()
        self.network = network
        self.optimizers_ = optimizers
        self.loss_fn = loss_fn
        self.scheduler = scheduler
        self.sizes = sizes
        self.datasets = datasets
        self.automatic_optimization = False

    def training_step(self, phase, batch_idx):
        optimizers = self.optimizers()
        if phase == 'train':
            # note 39
            self.network.train()
        else:
            self.network.eval()
        running_loss = 0.0; n_right = 0
        for xb, y in self.trainer.train_dataloader[phase]:
            optimizers.zero_grad()
            with torch.set_grad_enabled(phase == 'train'):
                out = self.network(xb)
                L = self.loss_fn(out, y)
                if phase == 'train':  # why 49
                    self.manual_backward(L)
                    nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                    optimizers.step()
            running_loss += L.item() * xb.size(0)
            n_right += torch.sum(out.argmax(1) == y.data)
            if phase == 'train' and running_loss > 4:
                break
        if phase == 'train':
            self.scheduler.step()
        epoch_loss = running_loss / self.sizes[phase]
        epoch_acc = float(n_right) / len(self.datasets[phase])
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))

    def configure_optimizers(self):
        return self.optimizers_


def Main():
    torch.manual_seed(35); random.seed(35)
    datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}
    loaders = dict(train=DataLoader(datasets['train'], 4, shuffle=False), val=DataLoader(datasets['val'], 3))
    sizes = {p_: len(datasets[p_]) for p_ in datasets}
    current_epoch = 3
    self_device = torch.device('cpu')
    # note 27
    network = Classifier()  # why 28
    loss_fn = nn.CrossEntropyLoss()
    optimizers = optim.RMSprop(params=network.parameters(), lr=0.05)  # why 30

    scheduler = torch.optim.lr_scheduler.StepLR(optimizers, step_size=1, gamma=0.5)
    best_weights = copy.deepcopy(network.state_dict())
    best_acc = 0.0
    losses = {'train': [], 'val': []}
    trainer = Trainer(max_epochs=current_epoch)
    trainer.fit(LitClassifier(network, optimizers, loss_fn, scheduler, sizes, datasets), loaders)
    print('Best val Acc: {:4f}'.format(best_acc))
    print('weights', sum(p.sum().item() for p in network.parameters()))
    print('mode', network.training, [p.grad is None for p in network.parameters()])

if __name__ == '__main__':
    Main()
