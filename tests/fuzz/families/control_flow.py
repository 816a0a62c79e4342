"""Jumps and blocks in and around the loops: return, else, try, with, match, nonlocal, conditions around the step."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import IN_FUNCTION, Parts

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
$step, $best, $bad, $total, $history = 0, float('inf'), 0, 0.0, []
"""
BAR = """
class Bar:
    \"\"\"Wraps a loader like a progress bar.\"\"\"

    def __init__(self, items, title=''):
        self.items, self.title, self.shown = items, title, {}

    def __enter__(self):
        <<print('enter', self.title)|self.count = 0>>
        return self

    def __exit__(self, kind, value, trace):
        print('leave', self.title, kind.__name__ if kind else None, sorted(self.shown))

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)

    def set_postfix(self, **shown):
        self.shown = shown

    def update(self, n=1):
        pass
"""
BASIC = """
@clear
$loss = $criterion($model($x), $y)
$loss.backward()
?20 @clip
$optimizer.step()
"""
# ways of stepping with a jump or a block somewhere inside
STEPS = variants("""
try:
    @basic
except RuntimeError as error:
    print('failed', error)
    <<continue|break|raise>>
---
try:
    @basic
except (RuntimeError, ValueError):
    raise
else:
    $total += $loss.item()
finally:
    $step += 1
---
try:
    if len($x) < 4:
        raise ValueError('small')
    @basic
except ValueError as error:
    print(error)
    ?50 continue
---
try:
    @basic
    ?40 if $loss.item() < 0.5:
        continue
finally:
    print('finally', len($x))
---
with torch.autograd.set_detect_anomaly(<<False|True>>):
    @basic
---
with torch.enable_grad():
    $loss = $criterion($model($x), $y)
    @clear
    $loss.backward()
$optimizer.step()
---
with torch.autograd.profiler.record_function('step'):
    @basic
---
with open('log.txt', 'a') as log:
    @basic
    log.write('%f\\n' % $loss.item())
---
with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    @basic
---
with torch.random.fork_rng(enabled=<<True|False>>):
    @basic
---
$loss = $criterion($model($x), $y)
if $loss.item() < <<0.4|0.9>>:
    print('skip')
    continue
@clear
$loss.backward()
$optimizer.step()
---
@clear
$loss = $criterion($model($x), $y)
if torch.isfinite($loss) and $step % 3 != 2:
    $loss.backward()
    $optimizer.step()
print('past')
---
@clear
$loss = $criterion($model($x), $y)
$loss.backward()
$norm = sum(p.grad.norm().item() for p in $model.parameters())
if $norm < <<0.5|3>>:
    $optimizer.step()
else:
    print('too large')
---
if ($n := len($x)) > 3:
    @basic
    $total += $n
---
if len($x) > 4:
    @basic
elif len($x) > 2:
    @clear
    $loss = 0.1 * $model($x).pow(2).mean()
    $loss.backward()
    $optimizer.step()
else:
    continue
---
match $step % 3:
    case 0:
        @basic
    case 1 | 2:
        $loss = $model($x).abs().mean()
        @clear
        $loss.backward()
        $optimizer.step()
    case _:
        pass
$step += 1
---
@basic
match $loss.item():
    case value if value < 0.3:
        break
    case _:
        $total += $loss.item()
---
$loss = $criterion($model($x), $y) / 2
$loss.backward()
$step += 1
if $step % 2 == 0:
    $optimizer.step()
    $optimizer.zero_grad()
---
for $part in range(2):
    $loss = $criterion($model($x[$part::2]), $y[$part::2]) / 2
    ?30 if $part == 1 and len($x) < 4: break
    $loss.backward()
$optimizer.step()
@clear
---
@clear
$losses = []
for $xi, $yi in zip($x, $y):
    $losses.append($criterion($model($xi[None]), $yi[None]))
$loss = torch.stack($losses).mean()
$loss.backward()
$optimizer.step()
---
@basic
while $loss.item() > <<1.5|2.5>> and $step < 4:
    @clear
    $loss = $criterion($model($x), $y)
    $loss.backward()
    $optimizer.step()
    $step += 1
---
@basic
del $x, $y
---
@basic
if not $loss.requires_grad: raise RuntimeError('no gradient')
---
if random.random() < 0.3:
    print('dropped'); continue
@basic
""")
ENDS = variants("""

---

---
if $loss.item() < <<0.3|0.8>>: break
---
print($epoch, $loss.item())
---
$total += $loss.item()
---
if $step > 2:
    continue
print('early steps', $loss.item())
---
if (value := $loss.item()) < $best:
    $best = value
""")
LOOPS = variants("""
for $x, $y in $loader:
    @step
    @end
---
for $i, ($x, $y) in enumerate($loader):
    @step
    @end
    ?20 if $i == 2: break
---
for $i, $batch in enumerate($loader):
    $x, $y = $batch
    @step
    @end
---
for $x, $y in $loader:
    @step
    @end
else:
    print('no break')
---
with Bar($loader, f'epoch {$epoch}') as $bar:
    for $x, $y in $bar:
        @step
        @end
        $bar.set_postfix(loss=$loss.item())
---
with tqdm($loader, <<total=len($loader)|leave=False>>) as $bar:
    for $x, $y in $bar:
        @step
        @end
        ?50 $bar.set_description('%.3f' % $loss.item())
---
$bar = Bar($loader)
for $i, ($x, $y) in enumerate($bar):
    @step
    @end
    $bar.update()
---
try:
    for $x, $y in $loader:
        @step
        @end
<<except KeyboardInterrupt|except StopIteration>>:
    print('interrupted')
    break
---
try:
    for $x, $y in $loader:
        @step
        @end
finally:
    print('epoch is over')
""")
SIMPLE_EVALUATION = """
$val = 0.0
with torch.no_grad():
    for $vx, $vy in $val_loader:
        $val += $criterion($model($vx), $vy).item()
"""
EPOCH_ENDS = variants("""

---
print('epoch', $epoch, $total)
---
@evaluation
if $val < $best:
    $best, $bad = $val, 0
else:
    $bad += 1
if $bad >= 1:
    print('early stop', $epoch)
    LEAVE
---
@evaluation
print('val', $val)
if $val > $best:
    LEAVE
$best = $val
---
if $total > <<2|8>>:
    print('enough')
    LEAVE
""")
OUTER = variants("""
for $epoch in range($epochs):
    @inner
    @schedule
    @close
---
for $epoch in range($epochs):
    @inner
    @schedule
    @close
else:
    print('all epochs')
---
$epoch = 0
while $epoch < $epochs:
    @inner
    $epoch += 1
    @schedule
    @close
else:
    print('while is over')
---
try:
    for $epoch in range($epochs):
        @inner
        @schedule
        @close
except KeyboardInterrupt:
    print('stopped by hand')
finally:
    print('cleaning up')
---
for $epoch in range(1, $epochs + 1):
    try:
        @inner
        @close
    except ZeroDivisionError:
        continue
    @schedule
---
with Bar([]) as $outer_bar:
    for $epoch in range($epochs):
        @inner
        @close
""")
LEAVES = ["break", "break", "return RESULT", "return RESULT", "sys.exit(3)"]
RESULTS = ["", "$model", "$epoch", "'stopped'", "$model, $best", "None"]
AFTER = """
print('done', $step, $best, $bad, $total)
@after
"""


def make(draw: Draw, seed: int) -> Parts:
    scheduler = draw.some(common.SCHEDULERS, 0.25)
    leave, result = draw.pick(LEAVES), draw.pick(RESULTS)
    basic = draw.text(BASIC, clear=common.CLEAR, clip=common.CLIP)
    blocks = {"basic": basic, "clear": "$optimizer.zero_grad()"}
    step = draw.text(draw.pick(STEPS), **blocks)
    inner = draw.text(draw.pick(LOOPS), step=step, end=ENDS)
    close = draw.text(draw.pick(EPOCH_ENDS), evaluation=SIMPLE_EVALUATION)
    schedule = "$scheduler.step()" if scheduler else ""
    body = draw.text(draw.pick(OUTER), inner=inner, schedule=schedule, close=close)
    returns = "LEAVE" in body and leave.startswith("return")
    body = body.replace("LEAVE", leave.replace("RESULT", result).strip())
    if returns and draw.maybe(0.6):
        body += f"\nprint('through')\nreturn {result}".rstrip()
    more = "import warnings\n" * ("warnings" in body) + "from tqdm import tqdm\n" * ("tqdm(" in body)
    imports = common.head(draw, more=more.rstrip())
    head = imports + "\n" + draw.text(draw.pick(common.NETS[:2])) + ("\n\n" + draw.text(BAR) if "Bar(" in body else "")
    setup = draw.text(
        SETUP,
        seeds=common.SEEDS,
        data=common.DATASETS,
        loader=common.LOADERS,
        optimizer=common.OPTIMIZERS,
        scheduler=scheduler,
    )
    after = draw.text(AFTER, after=common.AFTER)
    if returns:
        after = draw.pick(
            [
                "print('done', type($returned).__name__)",
                "print('returned', $returned is None)\n" + draw.text(draw.pick(common.AFTER)),
            ]
        )
    parts = Parts(*(common.finished(draw, t, imports, seed=seed) for t in (head, setup, body, after)))
    if returns:
        parts.result, parts.layouts = "$returned", IN_FUNCTION
    if ":=" in body:
        parts.layouts = tuple(k for k in parts.layouts if k not in ("class", "closure"))
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
