"""Loops driven by steps: `while`, ranges with a function that draws a batch, `iter` and `next`, generators."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, named, variants
from tests.fuzz.families.parts import Parts

SETUP = """
@seeds
@data
@loader
$max_steps = <<5|7>>
$model = $Net()
$criterion = nn.MSELoss()
@optimizer
@scheduler
$step, $best, $bad, $total, $history = 0, float('inf'), 0, 0.0, []
"""
GET_BATCH = variants("""
def $get_batch(FREE_get_batch):
    $index = torch.randint(0, len($features), (5,))
    return $features[$index], $labels[$index]

---
def $get_batch($size=4, FREE_get_batch):
    $start = <<random.randint(0, 6)|int(np.random.randint(0, 6))>>
    return $features[$start : $start + $size], $labels[$start:$start + $size]

---
def $get_batch(FREE_get_batch):
    $k = torch.randperm(len($features))[:6]
    <<$x, $y = $features[$k], $labels[$k]|$x = $features[$k]; $y = $labels[$k]>>
    return $x, $y

""")
GENERATORS = variants("""
def $batches(FREE_batches):
    while True:
        for $pair in $loader:
            yield $pair

---
def $batches(FREE_batches):
    $order = torch.randperm(len($features))
    for $start in range(0, len($features), 5):
        $chosen = $order[$start:$start + 5]
        yield $features[$chosen], $labels[$chosen]
    <<|print('through')>>

""")
STEP = """
?40 $model.train()
@clear
$loss = $criterion($model($x), $y)
?20 $total += $loss.item()
$loss.backward()
?20 @clip
$optimizer.step()
"""
COUNT = "<<$step += 1|$step = $step + 1>>"
REPORTS = variants("""
if $step % <<2|3>> == 0:
    print($step, $loss.item())
    @evaluate
---
print(f'{$step}: {$loss.item():.6f}')
---
$history.append(($step, $loss.item()))
---
if $step == 3:
    torch.save($model.state_dict(), 'step3.pt')
""")
EVALUATE = variants("""

---
$model.eval()
with torch.no_grad():
    print('eval', $criterion($model($features), $labels).item())
?60 $model.train()
---
$model.eval()
for $vx, $vy in $loader:
    with torch.no_grad():
        $total += $criterion($model($vx), $vy).item()
print('val', $total)
$model.train()
""")
LOOPS = named("""
=== while_break
while True:
    $x, $y = GET
    @step
    @count
    @report
    if $step >= $max_steps:
        break
=== while_less
while $step < $max_steps:
    $x, $y = GET
    @step
    @report
    @schedule
    @count
=== while_early
while $step < 12 and $bad < 2:
    $x, $y = GET
    @step
    @count
    if $loss.item() < $best:
        $best, $bad = $loss.item(), 0
    else:
        $bad += 1
    @report
=== range
for $step in range(<<$max_steps|1, $max_steps + 1|0, 10, 2>>):
    $x, $y = GET
    @step
    @schedule
    @report
=== next
$batches_left = iter($loader)
for $step in range($max_steps):
    try:
        $x, $y = next($batches_left)
    except StopIteration:
        ?50 print('again')
        $batches_left = iter($loader)
        $x, $y = next($batches_left)
    @step
    @report
=== next_while
$batches_left, $step = iter($loader), 0
while $step < $max_steps:
    $batch = next($batches_left, None)
    if $batch is None:
        $batches_left = iter($loader)
        continue
    $x, $y = $batch
    @step
    @count
    @report
=== next_length
for $epoch in range(2):
    $batches_left = iter($loader)
    for $i in range(len($loader)):
        $x, $y = next($batches_left)
        @step
        @count
    @schedule
    print($epoch, $i, $step)
=== stopped_by_iteration
for $epoch in range(2):
    $batches_left = $loader.__iter__()
    while True:
        try:
            $x, $y = next($batches_left)
        except StopIteration:
            break
        @step
        @count
    print($epoch, $step)
    @schedule
=== until_epoch_ends
$epoch = 0
while $epoch < <<2|3>>:
    for $i, ($x, $y) in enumerate($loader):
        @step
        @report
    $epoch += 1
    @schedule
    print('epoch', $epoch, $i)
=== epochs_until_steps
while $step < $max_steps:
    for $x, $y in $loader:
        @step
        @count
        @report
        if $step <<>=|==>> $max_steps:
            break
    ?50 print('round', $step)
=== early_epochs
$epoch = 0
while $epoch < 4 and $bad < <<1|2>>:
    $total = 0.0
    for $x, $y in $loader:
        @step
        $total += $loss.item()
    if $total < $best:
        $best = $total
    else:
        $bad += 1
    $epoch += 1
    print($epoch, $best, $bad)
=== cycle
for $step, ($x, $y) in enumerate(itertools.islice(itertools.cycle($loader), $max_steps)):
    @step
    @report
=== cycle_zip
for $step, ($x, $y) in zip(range($max_steps), itertools.cycle($loader)):
    @step
    @report
=== islice
for $epoch in range(2):
    for $step, ($x, $y) in enumerate(itertools.islice($loader, <<2|3>>)):
        @step
        @report
    @schedule
    print('epoch', $epoch)
=== zip
for $epoch in range(2):
    for $step, (($x, $y), ($x2, $y2)) in enumerate(zip($loader, $other)):
        @step
        $optimizer.zero_grad()
        <<($criterion($model($x2), $y2) * 0.5).backward()|$criterion($model($x2), $y2).backward()>>
        $optimizer.step()
    @report
    @schedule
=== zip_cycle
for $epoch in range(2):
    for ($x, $y), $extra in zip($loader, itertools.cycle($other)):
        $x = torch.cat([$x, $extra[0]])
        $y = torch.cat([$y, $extra[1]])
        @step
        @count
    @report
=== permutation
for $epoch in range(<<2|3>>):
    $order = <<torch.randperm(len($features))|np.random.permutation(len($features))>>
    for $start in range(0, len($features), 5):
        $chosen = $order[$start : $start + 5]
        $x, $y = $features[$chosen], $labels[$chosen]
        @step
    @schedule
    print($epoch, $start, $loss.item())
=== chunks
for $epoch in range(2):
    for $x, $y in zip($features.split(5), <<$labels.split(5)|torch.split($labels, 5)>>):
        @step
        @count
    @report
=== list_of_batches
$batch_list = <<list($loader)|[b for b in $loader]>>
for $epoch in range(2):
    ?60 random.shuffle($batch_list)
    for $step, $batch in enumerate($batch_list):
        $x, $y = $batch
        @step
        @report
=== generator
for $epoch in range(2):
    for $x, $y in itertools.islice($batches(FREE_batches), 3):
        @step
        @count
    @report
    print('epoch', $epoch)
=== generator_enumerate
for $step, ($x, $y) in enumerate($batches(FREE_batches)):
    @step
    @report
    if $step >= <<2|4>>:
        break
=== generator_next
$stream = itertools.chain.from_iterable($batches(FREE_batches) for _ in range(3))
while $step < 6:
    <<$x, $y = next($stream)|$batch = next($stream); $x, $y = $batch>>
    @step
    @count
    @report
=== dict_batches
for $epoch in range(2):
    for $batch in ({'x': a, 'y': b} for a, b in $loader):
        $x, $y = $batch['x'], $batch['y']
        @step
        @count
    @schedule
    print($epoch, sorted($batch), $step)
=== countdown
$step = $max_steps
while $step:
    $x, $y = GET
    @step
    $step -= 1
    print('left', $step)
=== walrus
while ($step := $step + 1) <= $max_steps:
    $x, $y = GET
    @step
    @report
=== nested_steps
for $epoch in range(2):
    for $step in range($epoch * 3, ($epoch + 1) * 3):
        $x, $y = GET
        @step
        ?40 if $loss.item() < 0.5: continue
        @report
    @schedule
""")
AFTER = """
print('done', $step, $best, len($history), $total)
?40 print('last', $loss.item())
@after
"""


def make(draw: Draw, seed: int) -> Parts:
    kind = draw.pick(list(LOOPS))
    helpers, imports, loop = {}, common.head(draw), LOOPS[kind]
    if "GET" in loop and draw.maybe(0.7):
        loop = loop.replace("GET", "$get_batch(FREE_get_batch)")
        helpers["get_batch"] = draw.text(draw.pick(GET_BATCH[:1] + GET_BATCH[2:]))
    loop = loop.replace("GET", draw.pick(["$dataset[torch.randint(0, 12, (4,))]", "next(iter($loader))"]))
    if "$batches(" in loop:
        helpers["batches"] = draw.text(GENERATORS[1] if kind in ("generator_next",) or draw.maybe() else GENERATORS[0])
    scheduler = draw.some(common.SCHEDULERS, 0.3)
    other = "$other = DataLoader($dataset, batch_size=<<4|6>>, shuffle=<<True|False>>)" if "$other" in loop else ""
    blocks = {"clear": common.CLEAR, "clip": common.CLIP, "evaluate": EVALUATE, "count": COUNT}
    step = draw.text(STEP, **blocks)
    schedule = "$scheduler.step()" if scheduler else ""
    report = draw.some(draw.text(draw.pick(REPORTS), **blocks), 0.8)
    body = draw.text(loop, step=step, schedule=schedule, report=report, **blocks)
    if "$scheduler" not in body:
        scheduler = ""
    setup = draw.text(
        SETUP + other,
        seeds=common.SEEDS,
        data=common.DATASETS,
        loader=common.LOADERS,
        optimizer=common.OPTIMIZERS,
        scheduler=scheduler,
    )
    pieces = [imports + "\n" + draw.text(draw.pick(common.NETS)), setup, body, draw.text(AFTER, after=common.AFTER)]
    parts = Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces), helpers=helpers)
    if kind == "walrus":
        parts.layouts = ("module", "guard", "main", "function")
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
