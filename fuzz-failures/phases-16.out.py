import copy
import itertools
import random
# note 3
import sys

import numpy as np
import torch
import torch.nn as nn
from torch import optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class MLP(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super(MLP, self).__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.LayerNorm(6), nn.ReLU())
        # note 16
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
class LitMLP(Module):
    def __init__(self, epochs, loaders, mlp, solver, objective, sizes, datasets):
        super().__init__()
        self.epochs = epochs
        self.loaders = loaders
        self.mlp = mlp
        self.solver = solver
        self.objective = objective
        self.sizes = sizes
        self.datasets = datasets
        self.best_acc = 0.0
        self.automatic_optimization = False

    def on_train_epoch_start(self):
        self.print(f'Epoch {self.current_epoch}/{self.epochs - 1}')

    def train_dataloader(self):
        return self.loaders

    def training_step(self, phase, batch_idx):
        solver = self.optimizers()
        self.mlp.train(phase == 'train')
        epoch_loss = 0.0; hits = 0
        for images, yb in self.loaders[phase]:
            if phase == 'train':
                solver.zero_grad()

                pred = self.mlp(images)
                L = self.objective(pred, yb)
                self.manual_backward(L)
                solver.step()
            else:
                with torch.no_grad():
                    pred = self.mlp(images)
                    L = self.objective(pred, yb)
            epoch_loss += L.item() * images.size(0)
            hits += torch.sum(pred.argmax(1) == yb.data)
        epoch_loss_ = epoch_loss / self.sizes[phase]
        epoch_acc = float(hits) / len(self.datasets[phase])
        # note 62
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss_, epoch_acc))
        if phase == 'val':
            if epoch_acc > self.best_acc:
                self.best_acc = epoch_acc
                torch.save(self.mlp.state_dict(), 'best.pt')

    def configure_optimizers(self):
        return self.solver


def main():
    torch.manual_seed(16)
    random.seed(16)
    np.random.seed(16)
    datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 23), ('val', 7)]}
    # note 26
    loaders = {'train': DataLoader(datasets['train'], 5, shuffle=True), 'val': DataLoader(datasets['val'], 4)}
    sizes = {p_: len(datasets[p_]) for p_ in ['train', 'val']}
    epochs = 3
    dev = torch.device('cpu')  # why 30
    mlp = MLP().to(dev)
    # note 32
    objective = nn.CrossEntropyLoss()
    solver = optim.RMSprop(params=mlp.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(solver, step_size=1, gamma=0.5)
    def run():
        best_weights = copy.deepcopy(mlp.state_dict())  # why 37

        records = {'train': [], 'val': []}
        trainer = Trainer(max_epochs=epochs, device=next(mlp.parameters()).device)
        module = LitMLP(epochs, loaders, mlp, solver, objective, sizes, datasets)
        trainer.fit(module)
        mlp.load_state_dict(best_weights)
        # note 69
        return module.best_acc
    best_acc = run()
    print('Best val Acc: {:4f}'.format(best_acc))
    print('mode', mlp.training, [p.grad is None for p in mlp.parameters()])

main()
