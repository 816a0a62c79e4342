"""Several trainings in one file: pre-training and fine-tuning, folds, a function called again, loops side by side."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

SETUP = """
@seeds
@data
$val_set = TensorDataset(torch.randn(8, 4), torch.randn(8, 1))
$epochs = 2
$criterion = nn.MSELoss()
$history, $total = [], 0.0
"""
LOADER = "DataLoader($dataset, batch_size=<<4|5>>, shuffle=<<True|False>>)"
OPTIMIZER = "OPTIM.<<SGD|Adam|Adagrad>>($model.parameters(), lr=<<0.1|0.02>>)"
BATCHES = """
for $x, $y in $loader:
    $optimizer.zero_grad()
    $loss = $criterion($model($x), $y)
    $loss.backward()
    ?20 nn.utils.clip_grad_norm_($model.parameters(), 1.0)
    $optimizer.step()
    @in_batch
"""
IN_BATCH = ["", "print($loss.item())", "$total += $loss.item()", "$history.append($loss.item())"]
EVALUATE = """
$model.eval()
with torch.no_grad():
    print('eval', $criterion($model($features), $labels).item())
?60 $model.train()
"""
TWO_STAGES = """
$model = $Net()
$loader = LOADER
$optimizer = OPTIMIZER
for $epoch in range($epochs):
    @batches
    print('pretrain', $epoch, $loss.item())
@between
$optimizer = OPTIMIZER
?40 $loader = LOADER
for $epoch in range(<<$epochs|1>>):
    ?40 $model.train()
    @batches
    print('finetune', $epoch, $loss.item())
@evaluate
"""
BETWEEN = variants("""
print('stage two')
---
for $p in list($model.parameters())[:2]:
    $p.requires_grad = False
---
torch.save($model.state_dict(), 'pre.pt')
$model.load_state_dict(torch.load('pre.pt'))
---
$model = nn.Sequential($model, nn.Linear(1, 1))
---
$reference = copy.deepcopy($model)
""")
FOLDS = """
$scores = []
for $fold in range(<<2|3>>):
    $held = torch.arange(len($features)) % 3 == $fold
    $model = $Net()
    $optimizer = OPTIMIZER
    $loader = DataLoader(TensorDataset($features[~$held], $labels[~$held]), batch_size=4, shuffle=True, drop_last=True)
    for $epoch in range($epochs):
        @batches
        ?40 print($fold, $epoch, $loss.item())
    $model.eval()
    with torch.no_grad():
        $score = $criterion($model($features[$held]), $labels[$held]).item()
    $scores.append($score)
    print('fold', $fold, $score)
print('mean', sum($scores) / len($scores))
"""
SWEEP = """
$results = {}
for $rate in <<[0.1, 0.01]|(0.05, 0.5, 0.1)>>:
    torch.manual_seed(5)
    $model = $Net()
    $optimizer = OPTIM.SGD($model.parameters(), lr=$rate)
    $loader = LOADER
    for $epoch in range($epochs):
        @batches
    $results[$rate] = $loss.item()
print($results)
"""
LOOPS_IN_EPOCH = """
$model, $other = $Net(), $Net()
$loader = LOADER
$val_loader = DataLoader($val_set, batch_size=3<<|, shuffle=True>>)
$optimizer, $second = OPTIMIZER, OPTIM.SGD($other.parameters(), lr=0.1)
for $epoch in range($epochs):
    @batches
    @middle
    for $vx, $vy in $val_loader:
        $second.zero_grad()
        $criterion($other($vx), <<$vy|$model($vx).detach()>>).backward()
        $second.step()
    ?50 print('epoch', $epoch, $loss.item())
"""
SAME_MODEL_TWICE = """
$model = $Net()
$loader, $val_loader = LOADER, DataLoader($val_set, batch_size=3)
$optimizer = OPTIMIZER
for $epoch in range($epochs):
    for $pool in ($loader, $val_loader):
        for $x, $y in $pool:
            $optimizer.zero_grad()
            $loss = $criterion($model($x), $y)
            $loss.backward()
            $optimizer.step()
    print($epoch, $loss.item())
"""
FUNCTION = """
def $train($model, $loader, $optimizer, FREE_train, $n=2<<|, $name='model'>>):
    ?20 \"\"\"Trains a model.\"\"\"
    for $epoch in range($n):
        ?40 $model.train()
        @batches
        ?60 print('epoch', $epoch, $loss.item())
    @returned
"""
CALLS = variants("""
$a, $b = $Net(), $Net()
$train($a, LOADER, OPTIM.SGD($a.parameters(), lr=0.1), FREE_train)
$train($b, LOADER, OPTIM.Adam($b.parameters()), FREE_train)
---
for $k in range(2):
    $m = $Net()
    $train($m, LOADER, OPTIM.SGD($m.parameters(), 0.1), FREE_train)
    print('model', $k)
---
$m = $Net()
$o = OPTIM.Adam($m.parameters(), lr=0.02)
$train($m, LOADER, $o, FREE_train)
print('more')
$train($m, LOADER, $o, FREE_train)
---
$models = [$Net(), $Net()]
$values = [$train(m, LOADER, OPTIM.SGD(m.parameters(), lr=0.1), FREE_train) for m in $models]
print($values)
""")
RETURNED = ["", "return $loss.item()", "return $model", "return $loss.item(), $epoch"]
AFTER = """
print('done', $total, len($history))
?40 print('drawn', torch.rand(1).item())
"""


def make(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    kind = draw.pick([TWO_STAGES, TWO_STAGES, FOLDS, SWEEP, LOOPS_IN_EPOCH, SAME_MODEL_TWICE, CALLS, CALLS])
    helpers = {}
    batches = draw.text(BATCHES, in_batch=IN_BATCH)
    if kind is CALLS:
        batches = batches.replace("$total +=", "$sum =")  # a local of the function
        helpers["train"] = draw.text(FUNCTION, batches=batches, returned=RETURNED)
        body = draw.pick(CALLS)
        body = body.replace("FREE_train)", "FREE_train, $n=1)", 1) if draw.maybe(0.4) else body
    else:
        body = draw.text(kind, batches=batches, between=BETWEEN, evaluate=EVALUATE, middle=draw.some(EVALUATE, 0.4))
    setup = draw.text(SETUP, seeds=common.SEEDS, data=common.DATASETS)
    body = body.replace("LOADER", draw.text(LOADER)).replace("OPTIMIZER", draw.text(OPTIMIZER))
    pieces = [imports + "\n" + draw.text(draw.pick(common.NETS)), setup, body, draw.text(AFTER)]
    parts = Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))
    parts.helpers = {k: common.finished(draw, v, imports, seed=seed) for k, v in helpers.items()}
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
