"""What a training inside another loop leaves: the variables of its driver, and none of the functions that it calls."""

from __future__ import annotations

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

SEARCH = """import copy
import time

import torch
from torch import nn


def search(model, optimizer, x, y, x_valid, y_valid):
    weights, best = torch.ones(3, 2), None
    try:
        for trial in range(3):
            for epoch in range(2):
                begun = time.time()
                train_epoch(model, optimizer, x, y, weights[trial])
                took = time.time() - begun
                loss = evaluate(model, x, y, weights[trial])
                valid_loss = evaluate(model, x_valid, y_valid, weights[trial])
                if best is None or valid_loss < best:
                    best, kept = valid_loss, copy.deepcopy(model.state_dict())
                print(trial, epoch, repr(loss), repr(valid_loss), took < 100)
    except KeyboardInterrupt:
        print("stopped")
    print(weights.shape, best, kept, valid_loss)


def train_epoch(model, optimizer, x, y, weights):
    model.train()
    for i in range(0, len(x), 4):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[i : i + 4]) * weights, y[i : i + 4])
        loss.backward()
        optimizer.step()


def evaluate(model, x, y, weights):
    model.eval()
    order = torch.arange(len(x))
    order = torch.LongTensor(order)
    total = 0
    for i in range(0, len(order), 4):
        some = order[i : i + 4]
        total += nn.functional.mse_loss(model(x[some]) * weights, y[some]).item()
    return total


torch.manual_seed(0)
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
search(model, optimizer, torch.randn(10, 3), torch.randn(10, 2), torch.randn(6, 3), torch.randn(6, 2))
print(torch.rand(1).item())
"""


def test_a_parameter_of_an_evaluation_is_no_variable_of_the_driver(runner: Runner) -> None:
    result = convert(SEARCH)
    assert isinstance(result, Converted), result
    assert "self.val_weights = self.weights_[self.trial]" in result.after
    assert "valid_loss = module.valid_loss" in result.after
    assert "weights = module" not in result.after
    assert "order = module" not in result.after
    assert first_difference(runner.run(SEARCH), runner.run(result.after)) is None
