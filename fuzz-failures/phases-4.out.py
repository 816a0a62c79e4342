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
from runtime import Module, Trainer
class LightningNet(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 5)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(F.relu(self.first(x))))


class LitSolver(Module):
    def __init__(self, solver, best_weights):
        super().__init__()
        self.solver = solver
        self.best_weights = best_weights
        self.automatic_optimization = False

    def train_dataloader(self):
        return self.solver.loaders

    def training_step(self, phase, batch_idx):
        if phase == 'val':
            self.solver.hparams.eval()
            self.print('validating')
        else:
            self.solver.hparams.train(True)
        running_loss, hits = 0.0, 0
        for images, self.solver.targets in self.solver.loaders[phase]:
            training = phase == 'train'
            torch.set_grad_enabled(training)
            pred = self.solver.hparams(images)
            L = self.solver.loss_fn(pred, self.solver.targets)
            if training:
                self.solver.opt.zero_grad(); self.manual_backward(L); self.solver.opt.step()
            torch.set_grad_enabled(True)
            running_loss += L.item()
            hits += torch.sum(pred.argmax(1) == self.solver.targets.data)
        if phase == 'val': self.solver.scheduler.step()
        epoch_loss = running_loss / self.solver.sizes[phase]
        self.solver.epoch_acc = float(hits) / len(self.solver.datasets[phase])
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, self.solver.epoch_acc))
        if phase == 'val' and self.solver.epoch_acc >= self.solver.best_acc:
            self.solver.best_acc = self.solver.epoch_acc
            self.best_weights = copy.deepcopy(self.solver.hparams.state_dict())


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
        trainer = Trainer(max_epochs=self.max_epochs)
        module = LitSolver(self, best_weights)
        trainer.fit(module)
        self.hparams.load_state_dict(module.best_weights)



agent = Solver()
agent.run()
print('Best val Acc: {:4f}'.format(agent.best_acc))
print('weights', sum(p.sum().item() for p in agent.hparams.parameters()))  # why 73
