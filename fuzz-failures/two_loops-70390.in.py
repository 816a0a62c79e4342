import random

import sys
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Model(nn.Module):
    def __init__(self, width=6):
        # note 13
        super().__init__()
        self.first = nn.Linear(4, width)  # 4 features
        self.act = nn.Tanh()
        self.drop = nn.Dropout(0.1)
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        return self.last(self.drop(self.act(self.first(x))))


class Noise(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    # note 30
    def __getitem__(self, k):
        # note 32
        x = torch.randn(4) + random.random() + float(np.random.rand())
        return x, x.sum().view(1)


def make_data(n):
    return Noise(n)


if __name__ == "__main__":
    torch.manual_seed(70390)

    # note 44
    random.seed(70390)
    np.random.seed(70390)  # why 46
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    epochs = 3  # epochs
    trainloader = DataLoader(make_data(12), batch_size=4, shuffle=True, drop_last=True)
    test_loader = DataLoader(make_data(11), batch_size=4, shuffle=False)
    self = Model().to(device)
    hp = SimpleNamespace(scale=1.0, seen=0, bad=0)
    objective = nn.MSELoss()
    optimizers = torch.optim.SGD(
        [
            {"params": self.first.parameters()},
            {"params": self.last.parameters(), "lr": 0.01},  # slower
        ],
        lr=0.1,
    )
    # note 58
    lr_schedulers = torch.optim.lr_scheduler.StepLR(optimizers, step_size=1, gamma=0.7)

    carried = []
    records = []
    best_val = float("inf")
    # note 64
    metric = None

    for current_epoch in range(5, 5 + epochs):
        random.seed(current_epoch)
        running_loss = 0.0
        # note 70
        for batch_idx, [args, labels] in enumerate(trainloader, start=5):
            args, labels = args.to(device), labels.to(device)
            logits = self(args)
            # note 74
            L = objective(logits, labels)
            L = L * hp.scale
            L.backward()
            optimizers.step()
            optimizers.zero_grad(set_to_none=True)
            lr_schedulers.step()
            running_loss += L.data.item()
            carried += [v.item() for v in (L, L * 2)]
        records.append("epoch")
        print("index", batch_idx, batch_idx / len(trainloader))

    print("done", best_val, metric, len(records))
    print("shared", len(carried), carried[-1])
    current_epoch = None
