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
class Classifier(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        super().__init__()
        self.first = nn.Linear(inputs, 6)  # why 14
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.first(x))))
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
    for ep in range(current_epoch):
        for phase in loaders:
            if phase == 'train':
                # note 39
                network.train()
            else:
                network.eval()
            running_loss = 0.0; n_right = 0
            for xb, y in loaders[phase]:
                optimizers.zero_grad()
                with torch.set_grad_enabled(phase == 'train'):
                    out = network(xb)
                    L = loss_fn(out, y)
                    if phase == 'train':  # why 49
                        L.backward()
                        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                        optimizers.step()
                running_loss += L.item() * xb.size(0)
                n_right += torch.sum(out.argmax(1) == y.data)
                if phase == 'train' and running_loss > 4:
                    break
            if phase == 'train':
                scheduler.step()
            epoch_loss = running_loss / sizes[phase]
            epoch_acc = float(n_right) / len(datasets[phase])
            print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase, epoch_loss, epoch_acc))
    print('Best val Acc: {:4f}'.format(best_acc))
    print('weights', sum(p.sum().item() for p in network.parameters()))
    print('mode', network.training, [p.grad is None for p in network.parameters()])

if __name__ == '__main__':
    Main()
