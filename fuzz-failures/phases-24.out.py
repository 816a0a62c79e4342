"""What the script does."""

import copy  # why 2
import itertools
import random
import sys

import numpy as np
import torch  # why 8
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class Model(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 6)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.4)


    def forward(self, x):  # why 21
        return self.last(self.drop(torch.relu(self.first(x))))


class LitModel(Module):
    def __init__(self, model, optimizer, loss_func, sched):
        super().__init__()
        self.model = model
        self.optimizer = optimizer
        self.loss_func = loss_func
        self.sched = sched
        self.best_acc = 0.0
        self.automatic_optimization = False

    def training_step(self, phase, batch_idx):
        optimizer = self.optimizers()
        if phase == 'val':
            self.model.eval()  # why 42
        else:  # why 43
            self.model.train(True)
        running, hits = 0.0, 0
        for xb, targets in self.trainer.train_dataloader[phase]:
            xb = xb.to(self.device); targets = targets.to(self.device)
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == 'train'):
                output = self.model(xb)
                L = self.loss_func(output, targets)
                if phase == 'train':
                    self.manual_backward(L)  # why 53
                    optimizer.step()
            running += L.item()
            hits += torch.sum(output.argmax(1) == targets.data)
        if phase == 'train':
            self.sched.step()  # why 58
        epoch_loss = running / sizes[phase]
        epoch_acc = float(hits) / len(datasets[phase])
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))
        if phase == 'val':
            if epoch_acc > self.best_acc:
                self.best_acc = epoch_acc
                torch.save(self.model.state_dict(), 'best.pt')

    def configure_optimizers(self):
        return self.optimizer


torch.manual_seed(24)
random.seed(24)
np.random.seed(24)
# note 26
datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}
loaders = dict(train=DataLoader(datasets['train'], 4, shuffle=True), val=DataLoader(datasets['val'], 3))
sizes = {p_: len(datasets[p_]) for p_ in datasets}
EPOCHS = 3
dev = torch.device('cpu')
model = Model()  # why 32
loss_func = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.1)
sched = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
best_weights = model.state_dict()
losses = {'train': [], 'val': []}
# why 39
trainer = Trainer(max_epochs=EPOCHS, device=dev)
module = LitModel(model, optimizer, loss_func, sched)
trainer.fit(module, loaders)
model.load_state_dict(best_weights)
print('Best val Acc: {:4f}'.format(module.best_acc))
print('weights', sum(p.sum().item() for p in model.parameters()))
