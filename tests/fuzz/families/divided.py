"""A function that trains or evaluates, as an argument says: `run_epoch(loader, optimizer)` or `run_epoch(loader)`."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, named, variants
from tests.fuzz.families.parts import Parts

SETUP = """
@seeds
@data
@loader
$val_loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randn(8, 1)), batch_size=3)
$epochs = <<2|3>>
$model = $Net()
$criterion = nn.MSELoss()
@optimizer
@scheduler
$best, $history, $count = float('inf'), [], 0
"""
# what decides, the condition, the arguments that train and those that evaluate
DECISIONS = [
    ("$train=True", "$train", "<<|True|$train=True>>", "<<False|$train=False>>"),
    ("$train", "$train", "<<True|$train=True>>", "<<False|$train=False>>"),
    ("$train=False", "$train", "<<True|$train=True>>", "<<|False>>"),
    ("$opt=None", "$opt is not None", "<<$optimizer|$opt=$optimizer>>", "<<|None|$opt=None>>"),
    ("$opt=None", "$opt", "<<$optimizer|$opt=$optimizer>>", "<<|None>>"),
    ("$mode='train'", "$mode == 'train'", "<<|'train'|$mode='train'>>", "<<'val'|$mode='val'>>"),
    ("$phase", "$phase == 'train'", "'train'", "'<<val|test>>'"),
    ("$evaluating=False", "not $evaluating", "<<|False>>", "<<True|$evaluating=True>>"),
]
FUNCTION = """
def $run_epoch(FREE_run_epoch, $data, DECISION):
    @mode
    @init
    @block
    @tail
    @returned
"""
TAILS = variants("""

---

---
if TRAINS:
    print('trained', $n)
---
if TRAINS:
    print('trained', $n)
else:
    print('evaluated', $n, $model.training)
---
if not (TRAINS):
    $model.train()
""")
MODES = variants("""
$model.train(TRAINS_BOOL)
---
if TRAINS:
    $model.train()
else:
    $model.eval()
---
$model.train() if TRAINS else $model.eval()
---
$model.eval()
if TRAINS:
    $model.train()
---

""")
INITS = ["$total, $n = 0.0, 0", "$total = 0.\n$n = 0", "$total, $n, $seen = 0, 0, []"]
BLOCKS = variants("""
with torch.set_grad_enabled(TRAINS_BOOL):
    @loop
---
@loop
---
with (torch.enable_grad() if TRAINS else torch.no_grad()):
    @loop
---
$context = torch.enable_grad if TRAINS else torch.no_grad
with $context():
    @loop
---
torch.set_grad_enabled(TRAINS_BOOL)
@loop
torch.set_grad_enabled(True)
""")
LOOPS = variants("""
for $x, $y in $data:
    @batch
---
for $i, ($x, $y) in enumerate($data):
    @batch
    @indexed
---
for $i, $batch in enumerate($data):
    $x, $y = $batch
    @batch
    @indexed
""")
INDEXED = variants("""

---
if TRAINS and $i % 2 == 0:
    print('batch', $i, $loss.item())
---
if not (TRAINS) and $i == 1:
    break
---
if $i >= <<2|3>>:
    break
---
if TRAINS:
    continue
print('evaluated', $i)
""")
BATCHES = variants("""
$out = $model($x)
$loss = $criterion($out, $y)
if TRAINS:
    OPTIMIZER.zero_grad()
    $loss.backward()
    OPTIMIZER.step()
@stepped
---
if TRAINS:
    OPTIMIZER.zero_grad()
$out = $model($x)
$loss = $criterion($out, $y)
@middle
if TRAINS:
    $loss.backward()
    ?30 nn.utils.clip_grad_norm_($model.parameters(), 0.5)
    OPTIMIZER.step()
@stepped
---
if TRAINS:
    OPTIMIZER.zero_grad()
    $out = $model($x)
    $loss = $criterion($out, $y)
    $loss.backward()
    OPTIMIZER.step()
else:
    with torch.no_grad():
        $out = $model($x)
        $loss = $criterion($out, $y)
@stepped
---
with torch.set_grad_enabled(TRAINS_BOOL):
    $out = $model($x)
    $loss = $criterion($out, $y)
if TRAINS:
    $loss.backward()
    OPTIMIZER.step()
    OPTIMIZER.zero_grad()
@stepped
""")
STEPPED = variants("""
$total += $loss.item() * len($x)
$n += len($x)
---
$total += $loss.item()
$n += 1
print('seen', $n, $loss.requires_grad)
---
$n += len($x)
$total += float($loss)
if TRAINS:
    $total += 0.0
else:
    print('val', $loss.item())
---
$n += 1
$total = $total + $loss.detach()
---
$n += 1
$total += $loss.item()
if $loss.item() > 2:
    continue
print('small')
""")
MIDDLE = variants("""

---
if not (TRAINS):
    print('middle', torch.rand(1).item())
---
$noise = torch.rand(1).item()
""")
RETURNS = ["return $total / $n", "return $total / max($n, 1), $n", "return float($total)", "return {'loss': $total}"]
EPOCHS = named("""
=== plain
for $epoch in range($epochs):
    $train_loss = TRAIN
    $val_loss = EVALUATE
    @schedule
    print($epoch, $train_loss, $val_loss)
    @end
=== quiet
for $epoch in range($epochs):
    $train_loss = TRAIN
    with torch.no_grad():
        $val_loss = EVALUATE
    @schedule
    print($epoch, $train_loss, $val_loss)
    @end
=== appended
for $epoch in range(1, $epochs + 1):
    $history.append(TRAIN)
    @schedule
    $history.append(EVALUATE)
    print($epoch, $history[-2:])
=== before
print('before', EVALUATE)
for $epoch in range($epochs):
    print('train', TRAIN)
    @schedule
    print('val', EVALUATE)
=== behind
for $epoch in range($epochs):
    $train_loss = TRAIN
    print($epoch, $train_loss)
    @schedule
print('test', EVALUATE)
=== several
for $epoch in range($epochs):
    $train_loss = TRAIN
    $val_loss = EVALUATE
    @schedule
    print($epoch, $train_loss, $val_loss)
print('test', EVALUATE)
=== now_and_then
for $epoch in range($epochs):
    $train_loss = TRAIN
    print($epoch, $train_loss)
    @schedule
    if $epoch % 2 == 0:
        $val_loss = EVALUATE
        print('val', $val_loss)
=== other_order
for $epoch in range($epochs):
    $val_loss = EVALUATE
    $train_loss = TRAIN
    @schedule
    print($epoch, $train_loss, $val_loss)
""")
ENDS = variants("""

---
if str($val_loss) < str($best):
    $best = $val_loss
    torch.save($model.state_dict(), 'best.pt')
---
$model.eval()
with torch.no_grad():
    print('full', $criterion($model($features), $labels).item())
---
print('mode', $model.training, torch.is_grad_enabled())
---
if $epoch == 1:
    break
---
$history.append($train_loss)
""")


def make(draw: Draw, seed: int) -> Parts:
    decision, trains, train, evaluate = draw.pick(DECISIONS)
    own = "$opt" in decision
    blocks = {"mode": MODES, "init": INITS, "block": BLOCKS, "loop": LOOPS, "batch": BATCHES, "indexed": INDEXED}
    blocks |= {"stepped": STEPPED, "middle": MIDDLE, "returned": RETURNS, "tail": TAILS, "end": ENDS}
    function = draw.text(FUNCTION, **blocks).replace("DECISION", decision)
    function = function.replace("TRAINS_BOOL", f"bool({trains})" if trains == "$opt" else trains)
    function = function.replace("TRAINS", trains).replace("OPTIMIZER", "$opt" if own else "$optimizer")
    scheduler = draw.some(common.SCHEDULERS, 0.3)
    body = draw.text(EPOCHS[draw.pick(list(EPOCHS))], schedule="$scheduler.step()" if scheduler else "", **blocks)
    whole = draw.maybe()  # the function is handed what it needs, and so called by keywords
    name = decision.split("=")[0] if whole else ""
    for call, data, argument in (("TRAIN", "$loader", train), ("EVALUATE", "$val_loader", evaluate)):
        body = body.replace(call, called(data, draw.inline(argument), name))
    imports = common.head(draw)
    given = {"data": common.DATASETS, "loader": common.LOADERS, "optimizer": common.OPTIMIZERS, "scheduler": scheduler}
    setup = draw.text(SETUP, seeds=common.SEEDS, **given)
    function = function if whole else function.replace("FREE_run_epoch, ", "")
    head = imports + "\n" + draw.text(draw.pick(common.NETS))
    after = draw.text(draw.pick(common.AFTER))
    done = (common.finished(draw, t, imports, seed=seed) for t in (head, setup, body, after))
    layouts = ("module", "guard", "main", "function", "closure") if whole else ("module", "guard")
    return Parts(*done, helpers={"run_epoch": function}, layouts=layouts, nasty=draw.pick([0.0, 0.0, 0.2]))


def called(data: str, argument: str, name: str) -> str:
    """A call; all by keywords if the parameter has a `name`, else as `argument` says it."""
    if not name:
        return f"$run_epoch({', '.join(filter(None, [data, argument]))})"
    value = f", {name}={argument.split('=')[-1]}" if argument else ""
    return f"$run_epoch(FREE_run_epoch, $data={data}{value})"
