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
class Model(nn.Module):
    def __init__(self, inputs=4, outputs=3):
        # note 13
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU())
        # note 16
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))
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
    for epoch in range(num_epochs):
        print(f'Epoch {epoch}/{num_epochs - 1}')
        for phase_ in loaders:
            net.train() if phase_ == 'train' else net.eval()
            running, correct = 0.0, 0
            for images, target in loaders[phase_]:
                images = images.to(dev); target = target.to(dev)
                opt.zero_grad()  # why 47
                with torch.set_grad_enabled(phase_ == 'train'):
                    out = net(images)
                    loss = objective(out, target)
                    if phase_ == 'train':
                        # note 52
                        loss.backward()
                        nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # why 54
                        opt.step()

                running += loss.item()
                correct += torch.sum(out.argmax(1) == target.data)
            if phase_ == 'train':
                scheduler.step()
            epoch_loss = running / sizes[phase_]
            epoch_acc = float(correct) / len(datasets[phase_])
            # note 63
            print('{} Loss: {:.4f} Acc: {:.4f}'.format(phase_, epoch_loss, epoch_acc))
    net.load_state_dict(best_weights)
    print('Best val Acc: {:4f}'.format(best_acc))
    print('weights', sum(p.sum().item() for p in net.parameters()))
    print('phase', phase_, epoch_loss)
    print('mode', net.training, [p.grad is None for p in net.parameters()])
