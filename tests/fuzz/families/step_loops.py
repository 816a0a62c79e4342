"""Loops driven by steps: `while`, ranges with a function that draws a batch, `iter` and `next`, generators, itertools."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw
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
GET_BATCH = [
    """
    def $get_batch(FREE_get_batch):
        $index = torch.randint(0, len($features), (5,))
        return $features[$index], $labels[$index]
    """,
    """
    def $get_batch($size=4, FREE_get_batch):
        $start = <<random.randint(0, 6)|int(np.random.randint(0, 6))>>
        return $features[$start : $start + $size], $labels[$start:$start + $size]
    """,
    """
    def $get_batch(FREE_get_batch):
        $k = torch.randperm(len($features))[:6]
        <<$x, $y = $features[$k], $labels[$k]|$x = $features[$k]; $y = $labels[$k]>>
        return $x, $y
    """,
]
GENERATORS = [
    """
    def $batches(FREE_batches):
        while True:
            for $pair in $loader:
                yield $pair
    """,
    """
    def $batches(FREE_batches):
        $order = torch.randperm(len($features))
        for $start in range(0, len($features), 5):
            $chosen = $order[$start:$start + 5]
            yield $features[$chosen], $labels[$chosen]
        <<|print('through')>>
    """,
]
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
REPORTS = [
    "if $step % <<2|3>> == 0:\n    print($step, $loss.item())\n    @evaluate",
    "print(f'{$step}: {$loss.item():.6f}')",
    "$history.append(($step, $loss.item()))",
    "if $step == 3:\n    torch.save($model.state_dict(), 'step3.pt')",
]
EVALUATE = [
    "",
    "$model.eval()\nwith torch.no_grad():\n    print('eval', $criterion($model($features), $labels).item())\n?60 $model.train()",
    "$model.eval()\nfor $vx, $vy in $loader:\n    with torch.no_grad():\n        $total += $criterion($model($vx), $vy).item()\nprint('val', $total)\n$model.train()",
]
LOOPS = {
    # draws a batch by hand
    "while_break": "while True:\n    $x, $y = GET\n    @step\n    @count\n    @report\n    if $step >= $max_steps:\n        break",
    "while_less": "while $step < $max_steps:\n    $x, $y = GET\n    @step\n    @report\n    @schedule\n    @count",
    "while_early": "while $step < 12 and $bad < 2:\n    $x, $y = GET\n    @step\n    @count\n    if $loss.item() < $best:\n        $best, $bad = $loss.item(), 0\n    else:\n        $bad += 1\n    @report",
    "range": "for $step in range(<<$max_steps|1, $max_steps + 1|0, 10, 2>>):\n    $x, $y = GET\n    @step\n    @schedule\n    @report",
    # goes through the loader by hand
    "next": "$batches_left = iter($loader)\nfor $step in range($max_steps):\n    try:\n        $x, $y = next($batches_left)\n    except StopIteration:\n        ?50 print('again')\n        $batches_left = iter($loader)\n        $x, $y = next($batches_left)\n    @step\n    @report",
    "next_while": "$batches_left, $step = iter($loader), 0\nwhile $step < $max_steps:\n    $batch = next($batches_left, None)\n    if $batch is None:\n        $batches_left = iter($loader)\n        continue\n    $x, $y = $batch\n    @step\n    @count\n    @report",
    "next_length": "for $epoch in range(2):\n    $batches_left = iter($loader)\n    for $i in range(len($loader)):\n        $x, $y = next($batches_left)\n        @step\n        @count\n    @schedule\n    print($epoch, $i, $step)",
    "stopped_by_iteration": "for $epoch in range(2):\n    $batches_left = $loader.__iter__()\n    while True:\n        try:\n            $x, $y = next($batches_left)\n        except StopIteration:\n            break\n        @step\n        @count\n    print($epoch, $step)\n    @schedule",
    "until_epoch_ends": "$epoch = 0\nwhile $epoch < <<2|3>>:\n    for $i, ($x, $y) in enumerate($loader):\n        @step\n        @report\n    $epoch += 1\n    @schedule\n    print('epoch', $epoch, $i)",
    "epochs_until_steps": "while $step < $max_steps:\n    for $x, $y in $loader:\n        @step\n        @count\n        @report\n        if $step <<>=|==>> $max_steps:\n            break\n    ?50 print('round', $step)",
    "early_epochs": "$epoch = 0\nwhile $epoch < 4 and $bad < <<1|2>>:\n    $total = 0.0\n    for $x, $y in $loader:\n        @step\n        $total += $loss.item()\n    if $total < $best:\n        $best = $total\n    else:\n        $bad += 1\n    $epoch += 1\n    print($epoch, $best, $bad)",
    # iterables
    "cycle": "for $step, ($x, $y) in <<enumerate(itertools.islice(itertools.cycle($loader), $max_steps))|zip(range($max_steps), itertools.cycle($loader))>>:\n    @step\n    @report",
    "islice": "for $epoch in range(2):\n    for $step, ($x, $y) in enumerate(itertools.islice($loader, <<2|3>>)):\n        @step\n        @report\n    @schedule\n    print('epoch', $epoch)",
    "zip": "for $epoch in range(2):\n    for $step, (($x, $y), ($x2, $y2)) in enumerate(zip($loader, $other)):\n        @step\n        $optimizer.zero_grad()\n        <<($criterion($model($x2), $y2) * 0.5).backward()|$criterion($model($x2), $y2).backward()>>\n        $optimizer.step()\n    @report\n    @schedule",
    "zip_cycle": "for $epoch in range(2):\n    for ($x, $y), $extra in zip($loader, itertools.cycle($other)):\n        $x = torch.cat([$x, $extra[0]])\n        $y = torch.cat([$y, $extra[1]])\n        @step\n        @count\n    @report",
    "permutation": "for $epoch in range(<<2|3>>):\n    $order = <<torch.randperm(len($features))|np.random.permutation(len($features))>>\n    for $start in range(0, len($features), 5):\n        $chosen = $order[$start : $start + 5]\n        $x, $y = $features[$chosen], $labels[$chosen]\n        @step\n    @schedule\n    print($epoch, $start, $loss.item())",
    "chunks": "for $epoch in range(2):\n    for $x, $y in zip($features.split(5), <<$labels.split(5)|torch.split($labels, 5)>>):\n        @step\n        @count\n    @report",
    "list_of_batches": "$batch_list = <<list($loader)|[b for b in $loader]>>\nfor $epoch in range(2):\n    ?60 random.shuffle($batch_list)\n    for $step, $batch in enumerate($batch_list):\n        $x, $y = $batch\n        @step\n        @report",
    "generator": "for $epoch in range(2):\n    for $x, $y in itertools.islice($batches(FREE_batches), 3):\n        @step\n        @count\n    @report\n    print('epoch', $epoch)",
    "generator_enumerate": "for $step, ($x, $y) in enumerate($batches(FREE_batches)):\n    @step\n    @report\n    if $step >= <<2|4>>:\n        break",
    "generator_next": "$stream = itertools.chain.from_iterable($batches(FREE_batches) for _ in range(3))\nwhile $step < 6:\n    <<$x, $y = next($stream)|$batch = next($stream); $x, $y = $batch>>\n    @step\n    @count\n    @report",
    "dict_batches": "for $epoch in range(2):\n    for $batch in ({'x': a, 'y': b} for a, b in $loader):\n        $x, $y = $batch['x'], $batch['y']\n        @step\n        @count\n    @schedule\n    print($epoch, sorted($batch), $step)",
    "countdown": "$step = $max_steps\nwhile $step:\n    $x, $y = GET\n    @step\n    $step -= 1\n    print('left', $step)",
    "walrus": "while ($step := $step + 1) <= $max_steps:\n    $x, $y = GET\n    @step\n    @report",
    "nested_steps": "for $epoch in range(2):\n    for $step in range($epoch * 3, ($epoch + 1) * 3):\n        $x, $y = GET\n        @step\n        ?40 if $loss.item() < 0.5: continue\n        @report\n    @schedule",
}
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
