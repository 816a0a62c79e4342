"""The pieces that random scripts are made of, as templates: `$role` stands for the name chosen for that role.

`variants` splits a text at lines of three dashes; an empty piece is one way of doing nothing.
"""

from __future__ import annotations

from string import Template

Lines = list[str]


def variants(text: str) -> list[Lines]:
    return [piece.strip("\n").splitlines() for piece in text.strip("\n").split("---\n")]


def filled(lines: Lines, names: dict[str, str]) -> Lines:
    return [Template(line).substitute(names) for line in lines]


NET = variants("""
class $Net(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.first = nn.Linear(4, width)  # 4 features
        self.act = ACT
        self.drop = nn.Dropout(DROP)
        self.last = nn.Linear(width, OUTPUTS)

    def forward(self, x):
        return self.last(self.drop(self.act(self.first(x))))

""")[0]

DATA = variants("""
def make_data(n):
    x = torch.randn(n, 4)
    return TensorDataset(x, TARGETS)


---
def make_data(n):
    x = torch.randn(n, 4)
    return TensorDataset(x, TARGETS)


---
class Noise(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, k):
        x = torch.randn(4) + random.random() + float(np.random.rand())
        return x, TARGET


def make_data(n):
    return Noise(n)


""")

OPTIMIZERS = variants("""
$optimizer = torch.optim.SGD($model.parameters(), lr=0.1)
---
$optimizer = torch.optim.SGD($model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
---
$optimizer = torch.optim.Adam($model.parameters(), lr=0.01)
---
$optimizer = torch.optim.AdamW(params=$model.parameters(), lr=0.02)
---
$optimizer = torch.optim.Adagrad($model.parameters())
---
$optimizer = torch.optim.SGD([
    {'params': $model.first.parameters()},
    {'params': $model.last.parameters(), 'lr': 0.01},  # slower
], lr=0.1)
---
learning_rate = 0.1
$optimizer = torch.optim.SGD(
    filter(lambda p: p.requires_grad, $model.parameters()), lr=learning_rate)
learning_rate = 5
""")

SCHEDULERS = variants("""
$scheduler = torch.optim.lr_scheduler.StepLR($optimizer, step_size=1, gamma=0.7)
---
$scheduler = torch.optim.lr_scheduler.ExponentialLR($optimizer, 0.9)
---
$scheduler = torch.optim.lr_scheduler.LambdaLR($optimizer, lambda k: 1 / (k + 1))
""")

HEADERS = variants("""
for $x, $y in LOADER:
---
for ($x, $y) in LOADER:
---
for $i, ($x, $y) in enumerate(LOADER):
---
for $i, ($x, $y) in enumerate(LOADER):
---
for $i, ($x, $y) in enumerate(LOADER, 1):
---
for $i, [$x, $y] in enumerate(LOADER, start=5):
---
for $batch in LOADER:
    $x, $y = $batch
---
for $i, $batch in enumerate(LOADER):
    $x = $batch[0]; $y = $batch[1]
---
for $i, $batch in enumerate(LOADER):
    $x, $y = (t for t in $batch)
""")

BARS = [
    "$bar = tqdm($loader)", "$bar = tqdm($loader, desc=f'epoch {$epoch}', leave=False)",
    "$bar = tqdm($loader, total=len($loader))",
]  # fmt: skip
ON_BAR = variants("""
$bar.set_postfix(loss=$loss.item())
---
$bar.set_description(f'loss {$loss.item():.3f}')
---
$bar.set_postfix({'loss': $loss.item(), 'drawn': random.random()})
---
$bar.set_postfix_str(f'{$x.shape}')
print('on a bar', $bar.n)
""")
LOADERS = ["$loader", "$loader", "$loader", "$loader", "tqdm($loader)", "tqdm($loader, desc='train', leave=False)"]

ZERO = variants("""
$optimizer.zero_grad()
---
$optimizer.zero_grad()
---
$optimizer.zero_grad(set_to_none=True)
---
$optimizer.zero_grad(set_to_none=False)
---
$model.zero_grad()
""")

BEFORE_FORWARD = variants("""
if len($x) < 2:
    continue
---
if len($x) < 2:
    print(0); continue
---
if len($x) == 1: break
---
$x = $x + 0.1 * torch.randn_like($x)  # augmentation
---
noise = random.random()
$x = $x * (1 + 0.1 * noise)
---
assert len($x) == len($y), 'sizes'
""")

BEFORE_BACKWARD = variants("""
$loss = $loss * $args.scale
---
$loss = $loss + 1e-3 * sum(p.pow(2).sum() for p in $model.parameters())
---
print('before', $loss.item())
---
if not torch.isfinite($loss):
    break
---
if torch.isnan($loss):
    raise ValueError('nan')
---
torch.rand(1)
""")

AFTER_BACKWARD = variants("""
nn.utils.clip_grad_norm_($model.parameters(), 0.5)
---
norm = torch.nn.utils.clip_grad_norm_($model.parameters(), max_norm=1.0)
print('norm', float(norm))
---
# clip
nn.utils.clip_grad_value_($model.parameters(), 0.05)
---
for p in $model.parameters():
    p.grad.mul_(0.9)
---
print('grad', $model.last.bias.grad.sum().item())
""")

PRINTS = variants("""
print('epoch', $epoch, $loss.item())
---
print(f'{$epoch} {$loss.item():.6f} {len($loader)}')
---
print('%s %d/%d' % ($epoch, len($x), len($loader.dataset)))
---
print('{} {:.5f}'.format($loss.item(), $optimizer.param_groups[0]['lr']))
---
print('Epoch: [{0}]\\t'
      'Loss {loss:.4f}'.format($epoch, loss=$loss.item()))
---
print($epoch, end=': ')
print($loss.item())  # a line in two parts
""")

END_OF_BATCH = variants("""
print($model.first.weight.sum().item())
---
$history.append($loss.item())
---
$history.append(($epoch, $loss.item()))
---
$x = $x.sum()
---
if $loss.item() < 0.6:
    break
print('still here')
---
if $loss.item() < 0.8:
    print('low')
    continue
print('high')
---
del $out
---
$loss = $loss.item() * torch.ones(())
---
with torch.no_grad():
    print('again', $model($x).sum().item())
---
try:
    print(1 / (len($x) - 3))
except ZeroDivisionError:
    print('three')
---
noise = torch.rand(1).item() + random.random()
---
if $epoch == 1 and len($history) >= 0:
    print('leaving')
    sys.exit(3)
---
for k in range(3):
    if k == 1: continue
    if k == 2: break
print('k', k)
---
$args.seen += 1
print('seen', $args.seen)
---
$loss, last_x = $loss.detach(), $x
---
assert $loss.numel() == 1
""")

INDEXED_END = variants("""
if $i == 1 and $epoch != 1:
    break
---
if $i == 1:
    print('one'); continue
print('not one')
---
if $i >= 2:
    print('enough', $i)
    break
""")

AFTER_LOOP = variants("""
print('last loss', $loss.item())
---
print('graph', $loss.grad_fn is not None, $loss.requires_grad)
---
print('last batch', $x.shape, $y.shape)
---
print('drawn', torch.rand(1).item(), random.random(), np.random.rand())
---
print('gradient', [p.grad is None for p in $model.parameters()])
---
$history.append('epoch')
""")

EPOCHS = [
    "for $epoch in range($epochs):",
    "for $epoch in range($epochs):",
    "for $epoch in range(1, $epochs + 1):",
    "for $epoch in range(5, 5 + $epochs):",
    "for $epoch in [3, 1, 4]:",
    "for $epoch in reversed(range($epochs)):",
    "for $epoch in range(0, $epochs * 2, 2):",
]

EPOCH_BARS = ["for $epoch in tqdm(range($epochs)):", "for $epoch in trange($epochs, leave=False):"]

START_OF_EPOCH = variants("""
print('epoch', $epoch)
---
print('-' * 10); print(f'Epoch {$epoch}')
---
torch.manual_seed($epoch + 100)
---
random.seed($epoch)
---
$optimizer.zero_grad()
---
$args.scale *= 0.9
print('scale', $args.scale)
""")

TRAIN_MODE = ["$model.train()"] * 6 + [
    "$model.train(True)",
    "$model.train(mode=$epoch % 2 == 0)",
    "$model.first.train()",
    "$model.train(); $model.drop.eval()",
]

EVAL_MODE = ["$model.eval()"] * 6 + ["$model.train(False)", "$model.drop.eval()"]

END_OF_EPOCH = variants("""
print('lr', [g['lr'] for g in $optimizer.param_groups])
---
for g in $optimizer.param_groups:
    g['lr'] *= 0.9
---
if $epoch == 1:
    break
print('end of epoch')
---
if $epoch == 1:
    continue
print('end of epoch')
---
torch.save($model.state_dict(), f'epoch{$epoch}.pt')
---
torch.save({'epoch': $epoch, 'model': $model.state_dict(), 'optimizer': $optimizer.state_dict()}, 'last.pt')
---
with open('log.txt', 'a') as f:
    f.write(f'{$epoch} {len($history)}\\n')
""")

BEST = variants("""
if $result < $best:
    $best = $result
    print('better')
---
if $result < $best:
    $best = $result
    torch.save($model.state_dict(), 'best.pt')
---
if $result >= $best:
    print('worse, stopping')
    break
$best = $result
---
is_best = $result < $best
$best = min($result, $best)
if is_best: print('best so far', $best)
else: print('no better')
---
if $result < $best:
    $best, $args.bad = $result, 0
else:
    $args.bad += 1
    if $args.bad > 1:
        print('patience is over')
        break
---
$best, before = min($best, $result), $best
print('from', before, 'to', $best)
""")

AFTERWARDS = variants("""
print('epoch was', $epoch)
---
print('mode', $model.training)
---
print('grads', [None if p.grad is None else p.grad.sum().item() for p in $model.parameters()])
---
torch.save($model.state_dict(), 'model.pt')
---
torch.save($optimizer.state_dict(), 'optimizer.pt')
---
print('random', torch.rand(1).item(), random.random())
---
print('state', len($optimizer.state), next($model.parameters()).device)
---
$epoch = None
---
print('predict', $model(torch.ones(2, 4)).sum().item(), torch.rand(1).item())
---
print('args', $args)
""")
