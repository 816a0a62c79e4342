"""Jumps and blocks in and around the loops: return, else, try, with, match, nonlocal, conditions around the step."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw
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
STEPS = [
    "try:\n    @basic\nexcept RuntimeError as error:\n    print('failed', error)\n    <<continue|break|raise>>",
    "try:\n    @basic\nexcept (RuntimeError, ValueError):\n    raise\nelse:\n    $total += $loss.item()\nfinally:\n    $step += 1",
    "try:\n    if len($x) < 4:\n        raise ValueError('small')\n    @basic\nexcept ValueError as error:\n    print(error)\n    ?50 continue",
    "try:\n    @basic\n    ?40 if $loss.item() < 0.5:\n        continue\nfinally:\n    print('finally', len($x))",
    "with torch.autograd.set_detect_anomaly(<<False|True>>):\n    @basic",
    "with torch.enable_grad():\n    $loss = $criterion($model($x), $y)\n    @clear\n    $loss.backward()\n$optimizer.step()",
    "with torch.autograd.profiler.record_function('step'):\n    @basic",
    "with open('log.txt', 'a') as log:\n    @basic\n    log.write('%f\\n' % $loss.item())",
    "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    @basic",
    "with torch.random.fork_rng(enabled=<<True|False>>):\n    @basic",
    "$loss = $criterion($model($x), $y)\nif $loss.item() < <<0.4|0.9>>:\n    print('skip')\n    continue\n@clear\n$loss.backward()\n$optimizer.step()",
    "@clear\n$loss = $criterion($model($x), $y)\nif torch.isfinite($loss) and $step % 3 != 2:\n    $loss.backward()\n    $optimizer.step()\n<<else:\n    print('no step')|print('past')>>".replace("<<else:\n    print('no step')|print('past')>>", "print('past')"),
    "@clear\n$loss = $criterion($model($x), $y)\n$loss.backward()\n$norm = sum(p.grad.norm().item() for p in $model.parameters())\nif $norm < <<0.5|3>>:\n    $optimizer.step()\nelse:\n    print('too large')",
    "if ($n := len($x)) > 3:\n    @basic\n    $total += $n",
    "if len($x) > 4:\n    @basic\nelif len($x) > 2:\n    @clear\n    $loss = 0.1 * $model($x).pow(2).mean()\n    $loss.backward()\n    $optimizer.step()\nelse:\n    continue",
    "match $step % 3:\n    case 0:\n        @basic\n    case 1 | 2:\n        $loss = $model($x).abs().mean()\n        @clear\n        $loss.backward()\n        $optimizer.step()\n    case _:\n        pass\n$step += 1",
    "@basic\nmatch $loss.item():\n    case value if value < 0.3:\n        break\n    case _:\n        $total += $loss.item()",
    "$loss = $criterion($model($x), $y) / 2\n$loss.backward()\n$step += 1\nif $step % 2 == 0:\n    $optimizer.step()\n    $optimizer.zero_grad()",
    "for $part in range(2):\n    $loss = $criterion($model($x[$part::2]), $y[$part::2]) / 2\n    ?30 if $part == 1 and len($x) < 4: break\n    $loss.backward()\n$optimizer.step()\n@clear",
    "@clear\n$losses = []\nfor $xi, $yi in zip($x, $y):\n    $losses.append($criterion($model($xi[None]), $yi[None]))\n$loss = torch.stack($losses).mean()\n$loss.backward()\n$optimizer.step()",
    "@basic\nwhile $loss.item() > <<1.5|2.5>> and $step < 4:\n    @clear\n    $loss = $criterion($model($x), $y)\n    $loss.backward()\n    $optimizer.step()\n    $step += 1",
    "@basic\ndel $x, $y",
    "@basic\nif not $loss.requires_grad: raise RuntimeError('no gradient')",
    "if random.random() < 0.3:\n    print('dropped'); continue\n@basic",
]
ENDS = [
    "",
    "",
    "if $loss.item() < <<0.3|0.8>>: break",
    "print($epoch, $loss.item())",
    "$total += $loss.item()",
    "if $step > 2:\n    continue\nprint('early steps', $loss.item())",
    "if (value := $loss.item()) < $best:\n    $best = value",
]
LOOPS = [
    "for $x, $y in $loader:\n    @step\n    @end",
    "for $i, ($x, $y) in enumerate($loader):\n    @step\n    @end\n    ?20 if $i == 2: break",
    "for $i, $batch in enumerate($loader):\n    $x, $y = $batch\n    @step\n    @end",
    "for $x, $y in $loader:\n    @step\n    @end\nelse:\n    print('no break')",
    "with Bar($loader, f'epoch {$epoch}') as $bar:\n    for $x, $y in $bar:\n        @step\n        @end\n        $bar.set_postfix(loss=$loss.item())",
    "with tqdm($loader, <<total=len($loader)|leave=False>>) as $bar:\n    for $x, $y in $bar:\n        @step\n        @end\n        ?50 $bar.set_description('%.3f' % $loss.item())",
    "$bar = Bar($loader)\nfor $i, ($x, $y) in enumerate($bar):\n    @step\n    @end\n    $bar.update()",
    "try:\n    for $x, $y in $loader:\n        @step\n        @end\n<<except KeyboardInterrupt|except StopIteration>>:\n    print('interrupted')\n    break",
    "try:\n    for $x, $y in $loader:\n        @step\n        @end\nfinally:\n    print('epoch is over')",
]
SIMPLE_EVALUATION = "$val = 0.0\nwith torch.no_grad():\n    for $vx, $vy in $val_loader:\n        $val += $criterion($model($vx), $vy).item()"
EPOCH_ENDS = [
    "",
    "print('epoch', $epoch, $total)",
    "@evaluation\nif $val < $best:\n    $best, $bad = $val, 0\nelse:\n    $bad += 1\nif $bad >= 1:\n    print('early stop', $epoch)\n    LEAVE",
    "@evaluation\nprint('val', $val)\nif $val > $best:\n    LEAVE\n$best = $val",
    "if $total > <<2|8>>:\n    print('enough')\n    LEAVE",
]
OUTER = [
    "for $epoch in range($epochs):\n    @inner\n    @schedule\n    @close",
    "for $epoch in range($epochs):\n    @inner\n    @schedule\n    @close\nelse:\n    print('all epochs')",
    "$epoch = 0\nwhile $epoch < $epochs:\n    @inner\n    $epoch += 1\n    @schedule\n    @close\nelse:\n    print('while is over')",
    "try:\n    for $epoch in range($epochs):\n        @inner\n        @schedule\n        @close\nexcept KeyboardInterrupt:\n    print('stopped by hand')\nfinally:\n    print('cleaning up')",
    "for $epoch in range(1, $epochs + 1):\n    try:\n        @inner\n        @close\n    except ZeroDivisionError:\n        continue\n    @schedule",
    "with Bar([]) as $outer_bar:\n    for $epoch in range($epochs):\n        @inner\n        @close",
]
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
    if draw.maybe(0.12) and "LEAVE" in close:  # leaves both loops from a batch
        body = body.replace("@nothing", "")
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
        after = draw.pick(["print('done', type($returned).__name__)", "print('returned', $returned is None)\n" + draw.pick(common.AFTER)])
    parts = Parts(*(common.finished(draw, t, imports, seed=seed) for t in (head, setup, body, after)))
    if returns:
        parts.result, parts.layouts = "$returned", IN_FUNCTION
    if ":=" in body:
        parts.layouts = tuple(k for k in parts.layouts if k not in ("class", "closure"))
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
