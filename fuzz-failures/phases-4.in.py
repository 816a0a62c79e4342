import copy
import itertools
import random
# note 3
import sys

import numpy as np
import torch
from torch import nn
# note 9
from torch import optim  # why 10
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
class LightningNet(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 5)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(F.relu(self.first(x))))
class Solver:
    def __init__(self):
        torch.manual_seed(4); random.seed(4)

        # note 26
        self.datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 15), ('val', 7)]}
        self.loaders = {'train': DataLoader(self.datasets['train'], 5, shuffle=True), 'val': DataLoader(self.datasets['val'], 4)}  # why 28
        self.sizes = {p_: len(self.datasets[p_]) for p_ in self.datasets}
        self.max_epochs = 3
        self.dev = torch.device('cpu')
        self.hparams = LightningNet()
        self.loss_fn = nn.CrossEntropyLoss()
        self.opt = optim.SGD(self.hparams.parameters(), lr=1e-2)  # why 34
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.opt, step_size=1, gamma=0.5)

    def run(self):
        best_weights = self.hparams.state_dict()  # why 38
        self.best_acc = 0.0
        losses = []
        for epoch in range(self.max_epochs):
            for phase in self.loaders:
                if phase == 'val':
                    self.hparams.eval()
                    print('validating')
                else:
                    self.hparams.train(True)
                running_loss, hits = 0.0, 0
                for images, self.targets in self.loaders[phase]:
                    training = phase == 'train'
                    torch.set_grad_enabled(training)
                    pred = self.hparams(images)
                    L = self.loss_fn(pred, self.targets)
                    if training:
                        self.opt.zero_grad(); L.backward(); self.opt.step()
                    torch.set_grad_enabled(True)
                    running_loss += L.item()
                    hits += torch.sum(pred.argmax(1) == self.targets.data)
                if phase == 'val': self.scheduler.step()
                epoch_loss = running_loss / self.sizes[phase]
                self.epoch_acc = float(hits) / len(self.datasets[phase])
                print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, self.epoch_acc))
                if phase == 'val' and self.epoch_acc >= self.best_acc:
                    self.best_acc = self.epoch_acc
                    best_weights = copy.deepcopy(self.hparams.state_dict())
        self.hparams.load_state_dict(best_weights)



agent = Solver()
agent.run()
print('Best val Acc: {:4f}'.format(agent.best_acc))
print('weights', sum(p.sum().item() for p in agent.hparams.parameters()))  # why 73
