"""Training and validation as phases of one loop, with a dictionary of loaders and the best weights kept."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

SETUP = """
@seeds
$sets = [('train', COUNT), ('val', 7)]
$datasets = {$p: TensorDataset(torch.randn(n, 4), torch.randint(0, 3, (n,))) for $p, n in $sets}
@loaders
$sizes = {$p: len($datasets[$p]) for $p in <<['train', 'val']|$datasets>>}
$epochs = <<2|3>>
$device = torch.device('cpu')
$model = $Net()<<|.to($device)>>
$criterion = nn.CrossEntropyLoss()
@optimizer
$scheduler = torch.optim.lr_scheduler.StepLR($optimizer, step_size=1, gamma=0.5)
"""
LOADERS = [
    "$loaders = {$p: DataLoader($datasets[$p], batch_size=4, shuffle=True) for $p in ['train', 'val']}",
    "$loaders = {'train': DataLoader($datasets['train'], 5, shuffle=True), 'val': DataLoader($datasets['val'], 4)}",
    "$loaders = dict(train=DataLoader($datasets['train'], 4, <<True|False>>), val=DataLoader($datasets['val'], 3))",
]
BODY = """
@best
$best_acc = 0.0
<<$history = []|$history = {'train': [], 'val': []}>>
for $epoch in range($epochs):
    ?70 print(f'Epoch {$epoch}/{$epochs - 1}')
    @first
    for $phase in <<['train', 'val']|('train', 'val')|$loaders>>:
        @mode
        <<$running, $correct = 0.0, 0|$running = 0.0; $correct = 0>>
        for $x, $y in $loaders[$phase]:
            ?40 $x = $x.to($device); $y = $y.to($device)
            @batch
            $running += $loss.item()<<| * $x.size(0)>>
            $correct += torch.sum($out.argmax(1) == $y.data)<<|.item()>>
            ?15 if $phase == 'train' and $running > 4:
                break
        @schedule
        $epoch_loss = $running / $sizes[$phase]
        $epoch_acc = float($correct) / len($datasets[$phase])
        print('{} Loss: {:.4f} Acc: {:.4f}'.format($phase, $epoch_loss, $epoch_acc))
        @keep
    ?30 print()
?60 $model.load_state_dict($best_weights)
"""
MODES = variants("""
if $phase == 'train':
    $model.train()
else:
    $model.eval()
---
$model.train($phase == 'train')
---
$model.train() if $phase == 'train' else $model.eval()
---
if $phase == 'val':
    $model.eval()
    ?30 print('validating')
else:
    $model.train(True)
""")
BATCHES = variants("""
$optimizer.zero_grad()
with torch.set_grad_enabled($phase == 'train'):
    $out = $model($x)
    $loss = $criterion($out, $y)
    if $phase == 'train':
        $loss.backward()
        ?30 nn.utils.clip_grad_norm_($model.parameters(), 1.0)
        $optimizer.step()

---
$optimizer.zero_grad()
$out = $model($x)
<<_, $preds = torch.max($out, 1)|$preds = $out.argmax(1)>>
$loss = $criterion($out, $y)
if $phase == 'train':
    $loss.backward()
    $optimizer.step()

---
if $phase == 'train':
    $optimizer.zero_grad()
    $out = $model($x)
    $loss = $criterion($out, $y)
    $loss.backward()
    $optimizer.step()
else:
    with torch.no_grad():
        $out = $model($x)
        $loss = $criterion($out, $y)

---
$training = $phase == 'train'
torch.set_grad_enabled($training)
$out = $model($x)
$loss = $criterion($out, $y)
if $training:
    $optimizer.zero_grad(); $loss.backward(); $optimizer.step()
torch.set_grad_enabled(True)

""")
KEEP = variants("""
if $phase == 'val' and $epoch_acc >= $best_acc:
    $best_acc = $epoch_acc
    $best_weights = copy.deepcopy($model.state_dict())
---
if $phase == 'val':
    if $epoch_acc > $best_acc:
        $best_acc = $epoch_acc
        torch.save($model.state_dict(), 'best.pt')
---

""")
SCHEDULE = variants("""
if $phase == 'train':
    $scheduler.step()
---
if $phase == 'val': $scheduler.step()
---

""")
AFTER = """
print('Best val Acc: {:4f}'.format($best_acc))
?50 print('weights', sum(p.sum().item() for p in $model.parameters()))
?30 print('phase', $phase, $epoch_loss)
@after
"""
OPTIMIZERS = [o for o in common.OPTIMIZERS if "$params" not in o]


def make(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    body = draw.text(
        BODY,
        best=["$best_weights = copy.deepcopy($model.state_dict())", "$best_weights = $model.state_dict()"],
        first=["", "", "$scheduler.step()"],
        mode=MODES,
        batch=BATCHES,
        schedule=SCHEDULE,
        keep=KEEP,
    )
    setup = draw.text(SETUP, seeds=common.SEEDS, loaders=LOADERS, optimizer=OPTIMIZERS)
    pieces = [imports + "\n" + draw.text(draw.pick(common.NETS)), setup, body, draw.text(AFTER, after=common.AFTER)]
    parts = Parts(*(common.finished(draw, t, imports, seed=seed, classes=3) for t in pieces))
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
