"""What the script does."""

import copy
import itertools
# note 4
import random  # why 5
import sys

# note 8
import numpy as np
import torch
from torch import nn
import torch.optim as optim
import torch.nn.functional as F
# note 14
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class Classifier(nn.Module):  # why 16
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 5)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.first(x))))


class LitSolver(Module):
    def __init__(self, solver):
        super().__init__()
        self.solver = solver
        self.automatic_optimization = False

    def train_dataloader(self):
        return self.solver.loaders

    def training_step(self, phase, batch_idx):
        # note 45
        self.solver.net.train(phase == 'train')
        running_loss = 0.0; n_right = 0
        for xb, labels in self.solver.loaders[phase]:
            self.solver.optimizer.zero_grad()
            with torch.set_grad_enabled(phase == 'train'):
                logits = self.solver.net(xb)
                # note 52
                loss_value = self.solver.objective(logits, labels)
                if phase == 'train':
                    self.manual_backward(loss_value)
                    self.solver.optimizer.step()
            # note 57
            running_loss += loss_value.item()
            n_right += torch.sum(logits.argmax(1) == labels.data)
        if phase == 'val': self.solver.scheduler.step()
        epoch_loss = running_loss / self.solver.sizes[phase]
        epoch_acc = float(n_right) / len(self.solver.datasets[phase])
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))


class Solver(object):
    def __init__(self):
        random.seed(19)
        np.random.seed(19)
        self.datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}
        self.loaders = {'train': DataLoader(self.datasets['train'], 5, shuffle=True), 'val': DataLoader(self.datasets['val'], 4)}
        self.sizes = {p_: len(self.datasets[p_]) for p_ in ['train', 'val']}
        self.EPOCHS = 3
        self.dev = torch.device('cpu')
        self.net = Classifier().to(self.dev)
        self.objective = nn.CrossEntropyLoss()
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.05, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1, gamma=0.5)

    def optimize(self):
        best_weights = self.net.state_dict()
        self.best_acc = 0.0
        losses = []
        trainer = Trainer(max_epochs=self.EPOCHS)
        trainer.fit(LitSolver(self))



if __name__ == '__main__':
    torch.manual_seed(19)
    t = Solver()
    t.optimize()
    print('Best val Acc: {:4f}'.format(t.best_acc))
    print('weights', sum(p.sum().item() for p in t.net.parameters()))
    print('weights', sum(p.sum().item() for p in t.net.parameters()))
