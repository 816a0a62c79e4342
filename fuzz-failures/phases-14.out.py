import copy
import itertools
import random  # why 2
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from runtime import Module, Trainer
class Model(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        # note 13
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
        # note 16
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))


class LitModel(Module):
    def __init__(self, net, opt, objective, scheduler):
        super().__init__()
        self.net = net
        self.opt = opt
        self.objective = objective
        self.scheduler = scheduler
        self.automatic_optimization = False

    def on_train_epoch_start(self):
        self.print(f'Epoch {self.current_epoch}/{num_epochs - 1}')

    def training_step(self, phase_, batch_idx):
        opt = self.optimizers()
        self.phase_ = phase_
        self.net.train() if self.phase_ == 'train' else self.net.eval()
        running, correct = 0.0, 0
        for images, target in self.trainer.train_dataloader[self.phase_]:
            images = images.to(self.device); target = target.to(self.device)
            opt.zero_grad()  # why 47
            with torch.set_grad_enabled(self.phase_ == 'train'):
                out = self.net(images)
                loss = self.objective(out, target)
                if self.phase_ == 'train':
                    # note 52
                    self.manual_backward(loss)
                    nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)  # why 54
                    opt.step()

            running += loss.item()
            correct += torch.sum(out.argmax(1) == target.data)
        if self.phase_ == 'train':
            self.scheduler.step()
        self.epoch_loss = running / sizes[self.phase_]
        epoch_acc = float(correct) / len(datasets[self.phase_])
        # note 63
        self.print('{} Loss: {:.4f} Acc: {:.4f}'.format(self.phase_, self.epoch_loss, epoch_acc))

    def configure_optimizers(self):
        return self.opt


if __name__ == '__main__':
    torch.manual_seed(14)
    random.seed(14)
    np.random.seed(14)
    datasets = {p_: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for p_, n in [('train', 12), ('val', 7)]}
    # note 26
    loaders = {'train': DataLoader(datasets['train'], 5, shuffle=True), 'val': DataLoader(datasets['val'], 4)}

    sizes = {p_: len(datasets[p_]) for p_ in datasets}
    num_epochs = 3
    # note 31
    dev = torch.device('cpu')
    net = Model().to(dev)
    objective = nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
    best_weights = copy.deepcopy(net.state_dict())
    best_acc = 0.0
    records = []
    trainer = Trainer(max_epochs=num_epochs, device=dev)
    module = LitModel(net, opt, objective, scheduler)
    trainer.fit(module, loaders)
    net.load_state_dict(best_weights)
    print('Best val Acc: {:4f}'.format(best_acc))
    print('weights', sum(p.sum().item() for p in net.parameters()))
    print('phase', module.phase_, module.epoch_loss)
    print('mode', net.training, [p.grad is None for p in net.parameters()])
