"""State beside the weights: averaged and target networks, hidden states, rates set by hand, replaced optimizers."""

from __future__ import annotations

from tests.fuzz.families import common, episodes
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

SETUP = """
@seeds
@data
@loader
$epochs = <<2|3>>
$model = $Net()
$criterion = nn.MSELoss()
@optimizer
$step, $total, $history = 0, 0.0, []
"""
LOOP = """
for $epoch in range($epochs):
    @start
    for <<$i, ($x, $y)|$i, [$x, $y]>> in enumerate($loader):
        @step
        @more
    @end
    print('epoch', $epoch, $total, $loss.item())
"""
BASIC = """
@clear
$loss = $criterion($model($x), $y)
$loss.backward()
$optimizer.step()
"""
EMA = variants("""
with torch.no_grad():
    for $p, $q in zip($model.parameters(), $target_net.parameters()):
        $q.mul_(0.9).add_($p, alpha=0.1)
---
for $p, $q in zip($model.parameters(), $target_net.parameters()):
    $q.data = 0.9 * $q.data + 0.1 * $p.data
---
$step += 1
if $step % 3 == 0:
    $target_net.load_state_dict($model.state_dict())
---
for $k, $v in $model.state_dict().items():
    $shadow[$k] = 0.9 * $shadow[$k] + 0.1 * $v.float()
""")
REPLACED = variants("""
if $epoch == 1:
    $optimizer = OPTIM.Adam($model.parameters(), lr=0.01)
---
$optimizer = OPTIM.SGD($model.parameters(), lr=0.1 / ($epoch + 1))
---
if $epoch == 1:
    $model = nn.Sequential($model, nn.Linear(1, 1))
    $optimizer = OPTIM.SGD($model.parameters(), lr=0.05)
---
if $epoch > 0:
    $extra = nn.Linear(4, 1)
    $optimizer.add_param_group({'params': $extra.parameters(), 'lr': 0.01})
---
$model = copy.deepcopy($model)
$optimizer = OPTIM.Adam($model.parameters(), lr=0.02)
---
$optimizer.param_groups[0]['params'] = list($model.parameters())
---
$optimizer.state.clear()
""")
FROZEN = variants("""
for $p in list($model.parameters())[:2]:
    $p.requires_grad = $epoch > 0
---
if $epoch == 1:
    for $p in $model.parameters(): $p.requires_grad_(True)
else:
    next($model.parameters()).requires_grad_(False)
---
$model.requires_grad_($epoch % 2 == 0)
list($model.parameters())[-1].requires_grad = True
""")
RATES = variants("""
for $g in $optimizer.param_groups:
    $g['lr'] = 0.1 * 0.5 ** $epoch
---
$rate = 0.1 / (1 + $epoch)
for $g in $optimizer.param_groups:
    $g['lr'] = $rate
print('lr', $rate)
---
$optimizer.param_groups[0]['lr'] *= 0.9
---
if $epoch == 1: $optimizer.param_groups[0].update(lr=0.01)
""")
AMP = variants("""
@clear
with torch.autocast('cpu', enabled=False):
    $loss = $criterion($model($x), $y)
$scaler.scale($loss).backward()
?40 $scaler.unscale_($optimizer)
$scaler.step($optimizer)
$scaler.update()
---
with torch.autocast(device_type='cpu', dtype=torch.bfloat16):
    $out = $model($x)
    $loss = F.mse_loss($out.float(), $y)
@clear
$loss.backward()
$optimizer.step()
---
@clear
with torch.autocast('cpu', dtype=torch.bfloat16, enabled=$i % 2 == 0):
    $loss = $criterion($model($x).float(), $y)
$scaler.scale($loss).backward()
$scaler.step($optimizer)
$scaler.update()
""")
ACCUMULATED = """
?10 if $i == <<1|2>>: continue
?15 if $i % $every == 0: $optimizer.zero_grad()
with torch.autocast('cpu', dtype=torch.bfloat16, enabled=<<True|False>>):
    $loss = $criterion($model($x).float(), $y)
?50 $total += $loss.item()
?60 $loss = $loss / <<$every|$every|2>>
?20 print($i, $loss.item())
<<$scaler.scale($loss)|$scaler.scale($loss / $every)>>.backward()
?15 print('behind', $i)
if <<($i + 1) % $every == 0|$i % $every == $every - 1|$i % $every == 0>><<| or $i + 1 == len($loader)>>:
    ?50 $scaler.unscale_($optimizer)
    ?40 nn.utils.clip_grad_norm_($model.parameters(), 0.5)
    $scaler.step($optimizer)
    $scaler.update()
    ?90 $optimizer.zero_grad()
    ?30 $step += 1
?20 print($step, $loss.item(), <<$i|$scaler.get_scale()|$optimizer.param_groups[0]['lr']>>)
?10 if $i == 2: break
"""
EVERY_N = """
$step += 1
if $step % <<2|3>> == 0:
    $model.eval()
    with torch.no_grad():
        $val = $criterion($model($features), $labels).item()
    print('step', $step, $val)
    ?40 if $val < $total:
        torch.save($model.state_dict(), 'best.pt')
    $model.train()
"""
ON_NETWORK = {
    "ema": {
        "setup": """
        $target_net = copy.deepcopy($model)
        $shadow = {k: v.clone().float() for k, v in $model.state_dict().items()}
        """,
        "more": EMA,
        "end": """
        with torch.no_grad():
            print('averaged', $target_net($features).sum().item())
        """,
    },
    "distilled": {
        "setup": """
        $target_net = $Net()
        $target_net.eval()
        for p in $target_net.parameters(): p.requires_grad = False
        """,
        "step": """
        with torch.no_grad():
            $soft = $target_net($x)
        @clear
        $out = $model($x)
        $loss = $criterion($out, $y) + 0.5 * F.mse_loss($out, $soft)
        $loss.backward()
        $optimizer.step()
        """,
    },
    "replaced": {
        "start": REPLACED,
    },
    "replaced_after": {
        "end": REPLACED,
    },
    "frozen": {
        "start": FROZEN,
    },
    "rates": {
        "start": RATES,
        "more": "?50 $total += $loss.item()",
    },
    "rates_by_step": {
        "step": """
        $step += 1
        for $g in $optimizer.param_groups: $g['lr'] = 0.01 * min(1.0, $step / 5)
        @basic
        """,
    },
    "amp": {
        "setup": """
        $scaler = torch.<<amp.GradScaler('cpu', |cuda.amp.GradScaler(|amp.GradScaler('cuda', >>enabled=False)
        """,
        "step": AMP,
    },
    "accumulated": {
        "setup": """
        $every = <<2|3>>
        $scaler = torch.amp.GradScaler('cpu', init_scale=64.0, growth_interval=2, enabled=<<True|False>>)
        """,
        "start": "?50 $optimizer.zero_grad()",
        "step": ACCUMULATED,
    },
    "evaluated_often": {
        "more": EVERY_N,
    },
    "memory": {
        "setup": "$memory = []",
        "step": """
        $memory.append(($x, $y))
        @clear
        $loss = $criterion($model($x), $y)
        if len($memory) > 2:
            $old_x, $old_y = random.choice($memory)
            $loss = $loss + 0.5 * $criterion($model($old_x), $old_y)
        $loss.backward()
        $optimizer.step()
        """,
    },
    "centers": {
        "setup": "$centers = torch.zeros(4)",
        "step": """
        @clear
        $centers = 0.9 * $centers + 0.1 * $x.mean(0)
        $loss = $criterion($model($x - $centers), $y)
        $loss.backward()
        $optimizer.step()
        """,
    },
    "previous_loss": {
        "setup": "$before = None",
        "step": """
        @basic
        if $before is not None and $loss.item() > $before:
            for $g in $optimizer.param_groups: $g['lr'] *= 0.8
        $before = $loss.item()
        """,
    },
}


def on_network(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    kind = draw.pick(list(ON_NETWORK))
    own = ON_NETWORK[kind]
    blocks = {"clear": "$optimizer.zero_grad()", "basic": BASIC}
    chosen = {name: draw.text(pick(draw, own.get(name, "")), **blocks) for name in ("start", "more", "end")}
    step = draw.text(pick(draw, own.get("step", BASIC)), **blocks)
    body = draw.text(LOOP, step=step, **chosen)
    optimizers = [o for o in common.OPTIMIZERS if "$params" not in o]
    setup = draw.text(SETUP, seeds=common.SEEDS, data=common.DATASETS, loader=common.LOADERS, optimizer=optimizers)
    setup += "\n" + draw.text(pick(draw, own.get("setup", "")))
    net = draw.text(draw.pick(common.NETS[:2] if kind in ("amp", "frozen") else common.NETS))
    pieces = [imports + "\n" + net, setup.rstrip(), body, draw.text(episodes.AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


def pick(draw: Draw, block: str | list[str]) -> str:
    return block if isinstance(block, str) else draw.pick(block)


def make(draw: Draw, seed: int) -> Parts:
    parts = draw.pick([on_network, on_network, episodes.by_itself])(draw, seed)
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
