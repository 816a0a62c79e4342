"""Scripts that could tell if an evaluation became a loop of the Trainer: they do the same before and after.

Each evaluation stands behind a training, at the end of each epoch, and there without a `model.train()`.
"""

from __future__ import annotations

import textwrap

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.fixtures_harness import Runner, first_difference

HEAD = """
import torch, random
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8); self.bn = nn.BatchNorm1d(8); self.drop = nn.Dropout(0.5); self.b = nn.Linear(8, 2)
    def forward(self, x):
        return self.b(self.drop(F.relu(self.bn(self.a(x)))))
x = torch.randn(20, 4); y = torch.randint(0, 2, (20,))
train_loader = DataLoader(TensorDataset(x, y), batch_size=5, shuffle=True)
test_loader = DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True, generator=torch.Generator().manual_seed(3))
plain_loader = DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True)
model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
"""
EPOCHS = """
for epoch in range(3):
    model.train()
    for images, labels in train_loader:
        loss = criterion(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
"""
EVALUATIONS = {
    "the_mode_is_read_behind_it": """
model.eval()
with torch.no_grad():
    correct = 0
    for images, labels in plain_loader:
        correct += (model(images).argmax(1) == labels).sum().item()
print(correct, model(x[:3]), torch.rand(1), model.training)
""",
    "the_model_is_used_behind_it": """
model.eval()
with torch.no_grad():
    correct = 0
    for images, labels in plain_loader:
        correct += (model(images).argmax(1) == labels).sum().item()
print(correct, model(x[:3]), torch.rand(1))
""",
    "in_training_mode": """
with torch.no_grad():
    correct = 0
    for images, labels in test_loader:
        correct += (model(images).argmax(1) == labels).sum().item()
print(correct, model.bn.running_mean, torch.rand(1))
""",
    "in_training_mode_with_gradients": """
correct = 0
for images, labels in test_loader:
    correct += (model(images).argmax(1) == labels).sum().item()
print(correct, model.bn.running_mean, torch.rand(1))
""",
    "prints_losses_with_graphs": """
model.eval()
for images, labels in test_loader:
    loss = criterion(model(images), labels)
    print(loss)
print(loss, loss.grad_fn is not None)
""",
    "adds_up_losses_with_graphs": """
model.eval()
total = 0
for images, labels in test_loader:
    total += criterion(model(images), labels)
print(total)
""",
    "leaves_a_batch_behind": """
model.eval()
total = 0
for images, labels in test_loader:
    output = model(images)
    total += criterion(output, labels).item()
print(total, images.shape, epoch)
""",
    "leaves_early": """
model.eval()
with torch.no_grad():
    n = 0
    for i, (images, labels) in enumerate(plain_loader):
        if i == 0:
            continue
        n += model(images).argmax(1).sum().item()
        if i == 2:
            break
    print(n, i)
print(torch.rand(2), i)
""",
    "counts_from_one": """
model.eval()
with torch.no_grad():
    for i, (images, labels) in enumerate(plain_loader, start=1):
        if i % 2 == 0:
            print(i, criterion(model(images), labels).item())
    print(i)
""",
    "raises": """
model.eval()
with torch.no_grad():
    for i, (images, labels) in enumerate(plain_loader):
        if i == 2:
            model(images)
            raise ValueError('no')
""",
    "exits": """
import sys
model.eval()
with torch.no_grad():
    for i, (images, labels) in enumerate(plain_loader):
        model(images)
        if i == 2:
            sys.exit(3)
""",
    "a_value_from_between": """
print(loss.item(), loss)
best = loss.item()
model.eval()
with torch.no_grad():
    total = 0
    for images, labels in plain_loader:
        total += criterion(model(images), labels).item()
    if total < best: print('better')
    best = total
print(best, total)
""",
    "the_epoch_and_the_last_loss": """
print(epoch)
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        print(epoch, criterion(model(images), labels))
    print(loss)
print(epoch, images.sum())
""",
    "draws_random_numbers": """
model.eval()
with torch.no_grad():
    a = []
    for images, labels in plain_loader:
        a.append((model(images + torch.randn_like(images)).argmax(1) == labels).float().mean())
print(torch.stack(a), random.random())
""",
    "computes_with_parameters_beside_it": """
model.eval()
with torch.no_grad():
    w = model.a.weight * 2
    for images, labels in plain_loader:
        out = model(images)
    v = model.b.weight.sum() + out.sum()
    print(w.requires_grad, v)
print(v.requires_grad, w.grad_fn)
""",
    "another_model": """
model = Net()
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        print(model(images).sum())
""",
    "two_of_them": """
model.eval()
with torch.no_grad():
    c = 0
    for images, labels in plain_loader:
        c += (model(images).argmax(1) == labels).sum().item()
    print(c)
with torch.no_grad():
    c = 0
    for images, labels in train_loader:
        c += (model(images).argmax(1) == labels).sum().item()
    print(c)
torch.save(model.state_dict(), 'm.pt')
""",
    "in_a_loop": """
for loader in (train_loader, test_loader):
    model.eval()
    with torch.no_grad():
        c = 0
        for images, labels in loader:
            c += (model(images).argmax(1) == labels).sum().item()
        print(c)
""",
    "a_function": """
def evaluate(net, loader, name='x'):
    'docs'
    net.eval()
    hits = 0
    with torch.no_grad():
        for a, b in loader:
            hits += (net(a).argmax(1) == b).sum().item()
    return hits / len(loader.dataset)
acc = evaluate(model, plain_loader)
print('acc', acc, model.training)
""",
    "a_decorated_function": """
@torch.no_grad()
def evaluate(net, loader, name='x'):
    net.eval()
    hits = 0
    for a, b in loader:
        hits += (net(a).argmax(1) == b).sum().item()
        if hits > 3: break
    w = net.b.weight * 2
    return hits / len(loader.dataset), w
acc, w = evaluate(model, plain_loader)
print('acc', acc, w)
net = model
print(net(x[:2]))
""",
    "another_module_with_modes": """
class Crit(nn.Module):
    def __init__(self):
        super().__init__(); self.d = nn.Dropout(0.5)
    def forward(self, a, b): return F.cross_entropy(self.d(a), b)
crit = Crit()
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        print(crit(model(images), labels))
""",
    "saves_the_whole_model": """
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        model(images)
torch.save(model, 'm.pt')
print(torch.load('m.pt', weights_only=False).training)
""",
    "asks_for_lengths": """
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        print(len(plain_loader), len(train_loader), model(images).sum().item())
""",
    "a_while_inside": """
model.eval()
with torch.no_grad():
    k = 0
    for images, labels in plain_loader:
        while True:
            k += 1
            if k % 3 == 0: break
        if model(images).sum() > 1e9: break
print(k)
""",
    "an_else_branch": """
model.eval()
with torch.no_grad():
    for images, labels in plain_loader:
        model(images)
    else:
        print('done')
""",
    "gradients_of_the_input": """
model.eval()
for images, labels in plain_loader:
    images.requires_grad_()
    out = model(images).sum()
    g, = torch.autograd.grad(out, images)
    print(g.sum())
""",
    "no_grad_inside": """
model.eval()
tot = 0
for data in plain_loader:
    img, label = data
    with torch.no_grad():
        out = model(img)
        loss = criterion(out, label)
    tot += loss.item()
    _, pred = torch.max(out, 1)
print(tot, loss, out.requires_grad)
""",
    "a_loader_in_an_attribute": """
class Data: pass
data = Data(); data.loader = plain_loader
model.eval()
with torch.no_grad():
    for images, labels in data.loader:
        print(model(images).sum().item())
""",
}
PLACES = ("behind", "in the epoch", "never in training mode again")


def script(body: str, place: str) -> str:
    """The evaluation in a script; functions that it defines stand in front of the training."""
    lines = body.strip().split("\nacc", 1)
    functions, rest = (lines[0] + "\n", "acc" + lines[1]) if len(lines) > 1 and "def " in lines[0] else ("", body)
    end = "print('end', torch.rand(1), model.bn.running_mean.sum().item())\n"
    epochs = EPOCHS if place != PLACES[2] else EPOCHS.replace("    model.train()\n", "")
    return HEAD + functions + epochs + (rest if place == PLACES[0] else textwrap.indent(rest, "    ")) + "\n" + end


def kind(after: str) -> str:
    """What became of the evaluation: the step's name, who switches modes, whether it keeps gradients."""
    step = "test" if "def test_step" in after else "validation" if "def validation_step" in after else ""
    own = " own modes" if "self.automatic_modes = False" in after else ""
    return step + own + (" with gradients" if "torch.enable_grad()" in after else "")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", EVALUATIONS)
def test_it_does_the_same(name: str, place: str, runner: Runner) -> None:
    text = script(EVALUATIONS[name], place)
    result = convert(text)
    assert isinstance(result, Converted), result.diagnostics
    assert first_difference(runner.run(text), runner.run(result.after)) is None
    assert kind(result.after) == EXPECTED[name, place], result.after


EXPECTED = {
    ("the_mode_is_read_behind_it", "behind"): "test own modes",
    ("the_mode_is_read_behind_it", "in the epoch"): "validation own modes",
    ("the_mode_is_read_behind_it", "never in training mode again"): "validation own modes",
    ("the_model_is_used_behind_it", "behind"): "test",
    ("the_model_is_used_behind_it", "in the epoch"): "validation own modes",
    ("the_model_is_used_behind_it", "never in training mode again"): "validation own modes",
    ("in_training_mode", "behind"): "test own modes",
    ("in_training_mode", "in the epoch"): "validation own modes",
    ("in_training_mode", "never in training mode again"): "validation own modes",
    ("in_training_mode_with_gradients", "behind"): "",
    ("in_training_mode_with_gradients", "in the epoch"): "",
    ("in_training_mode_with_gradients", "never in training mode again"): "",
    ("prints_losses_with_graphs", "behind"): "test with gradients",
    ("prints_losses_with_graphs", "in the epoch"): "validation own modes with gradients",
    ("prints_losses_with_graphs", "never in training mode again"): "validation own modes with gradients",
    ("adds_up_losses_with_graphs", "behind"): "test with gradients",
    ("adds_up_losses_with_graphs", "in the epoch"): "validation own modes with gradients",
    ("adds_up_losses_with_graphs", "never in training mode again"): "validation own modes with gradients",
    ("leaves_a_batch_behind", "behind"): "test",
    ("leaves_a_batch_behind", "in the epoch"): "validation own modes",
    ("leaves_a_batch_behind", "never in training mode again"): "validation own modes",
    ("leaves_early", "behind"): "test",
    ("leaves_early", "in the epoch"): "validation own modes",
    ("leaves_early", "never in training mode again"): "validation own modes",
    ("counts_from_one", "behind"): "test",
    ("counts_from_one", "in the epoch"): "validation own modes",
    ("counts_from_one", "never in training mode again"): "validation own modes",
    ("raises", "behind"): "test",
    ("raises", "in the epoch"): "validation own modes",
    ("raises", "never in training mode again"): "validation own modes",
    ("exits", "behind"): "",
    ("exits", "in the epoch"): "validation own modes",
    ("exits", "never in training mode again"): "validation own modes",
    ("a_value_from_between", "behind"): "",
    ("a_value_from_between", "in the epoch"): "validation own modes",
    ("a_value_from_between", "never in training mode again"): "validation own modes",
    ("the_epoch_and_the_last_loss", "behind"): "test",
    ("the_epoch_and_the_last_loss", "in the epoch"): "validation own modes",
    ("the_epoch_and_the_last_loss", "never in training mode again"): "validation own modes",
    ("draws_random_numbers", "behind"): "test",
    ("draws_random_numbers", "in the epoch"): "validation own modes",
    ("draws_random_numbers", "never in training mode again"): "validation own modes",
    ("computes_with_parameters_beside_it", "behind"): "test own modes",
    ("computes_with_parameters_beside_it", "in the epoch"): "validation own modes",
    ("computes_with_parameters_beside_it", "never in training mode again"): "validation own modes",
    ("another_model", "behind"): "",
    ("another_model", "in the epoch"): "validation own modes",
    ("another_model", "never in training mode again"): "validation own modes",
    ("two_of_them", "behind"): "test",
    ("two_of_them", "in the epoch"): "validation own modes",
    ("two_of_them", "never in training mode again"): "validation own modes",
    ("in_a_loop", "behind"): "",
    ("in_a_loop", "in the epoch"): "",
    ("in_a_loop", "never in training mode again"): "",
    ("a_function", "behind"): "test own modes",
    ("a_function", "in the epoch"): "validation own modes",
    ("a_function", "never in training mode again"): "validation own modes",
    ("a_decorated_function", "behind"): "test own modes",
    ("a_decorated_function", "in the epoch"): "validation own modes",
    ("a_decorated_function", "never in training mode again"): "validation own modes",
    ("another_module_with_modes", "behind"): "",
    ("another_module_with_modes", "in the epoch"): "",
    ("another_module_with_modes", "never in training mode again"): "",
    ("saves_the_whole_model", "behind"): "test own modes",
    ("saves_the_whole_model", "in the epoch"): "validation own modes",
    ("saves_the_whole_model", "never in training mode again"): "validation own modes",
    ("asks_for_lengths", "behind"): "test",
    ("asks_for_lengths", "in the epoch"): "validation own modes",
    ("asks_for_lengths", "never in training mode again"): "validation own modes",
    ("a_while_inside", "behind"): "test",
    ("a_while_inside", "in the epoch"): "validation own modes",
    ("a_while_inside", "never in training mode again"): "validation own modes",
    ("an_else_branch", "behind"): "",
    ("an_else_branch", "in the epoch"): "",
    ("an_else_branch", "never in training mode again"): "",
    ("gradients_of_the_input", "behind"): "test with gradients",
    ("gradients_of_the_input", "in the epoch"): "validation own modes with gradients",
    ("gradients_of_the_input", "never in training mode again"): "validation own modes with gradients",
    ("no_grad_inside", "behind"): "test",
    ("no_grad_inside", "in the epoch"): "validation own modes",
    ("no_grad_inside", "never in training mode again"): "validation own modes",
    ("a_loader_in_an_attribute", "behind"): "",
    ("a_loader_in_an_attribute", "in the epoch"): "",
    ("a_loader_in_an_attribute", "never in training mode again"): "",
}
