"""State beside the weights: averaged and target networks, hidden states, rates set by hand, replaced optimizers."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw
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
BASIC = "@clear\n$loss = $criterion($model($x), $y)\n$loss.backward()\n$optimizer.step()"
EMA = [
    "with torch.no_grad():\n    for $p, $q in zip($model.parameters(), $target_net.parameters()):\n        $q.mul_(0.9).add_($p, alpha=0.1)",
    "for $p, $q in zip($model.parameters(), $target_net.parameters()):\n    $q.data = 0.9 * $q.data + 0.1 * $p.data",
    "$step += 1\nif $step % 3 == 0:\n    $target_net.load_state_dict($model.state_dict())",
    "for $k, $v in $model.state_dict().items():\n    $shadow[$k] = 0.9 * $shadow[$k] + 0.1 * $v.float()",
]
REPLACED = [
    "if $epoch == 1:\n    $optimizer = OPTIM.Adam($model.parameters(), lr=0.01)",
    "$optimizer = OPTIM.SGD($model.parameters(), lr=0.1 / ($epoch + 1))",
    "if $epoch == 1:\n    $model = nn.Sequential($model, nn.Linear(1, 1))\n    $optimizer = OPTIM.SGD($model.parameters(), lr=0.05)",
    "if $epoch > 0:\n    $extra = nn.Linear(4, 1)\n    $optimizer.add_param_group({'params': $extra.parameters(), 'lr': 0.01})",
    "$model = copy.deepcopy($model)\n$optimizer = OPTIM.Adam($model.parameters(), lr=0.02)",
    "$optimizer.param_groups[0]['params'] = list($model.parameters())",
    "$optimizer.state.clear()",
]
FROZEN = [
    "for $p in list($model.parameters())[:2]:\n    $p.requires_grad = $epoch > 0",
    "if $epoch == 1:\n    for $p in $model.parameters(): $p.requires_grad_(True)\nelse:\n    next($model.parameters()).requires_grad_(False)",
    "$model.requires_grad_($epoch % 2 == 0)\nlist($model.parameters())[-1].requires_grad = True",
]
RATES = [
    "for $g in $optimizer.param_groups:\n    $g['lr'] = 0.1 * 0.5 ** $epoch",
    "$rate = 0.1 / (1 + $epoch)\nfor $g in $optimizer.param_groups:\n    $g['lr'] = $rate\nprint('lr', $rate)",
    "$optimizer.param_groups[0]['lr'] *= 0.9",
    "if $epoch == 1: $optimizer.param_groups[0].update(lr=0.01)",
]
AMP = [
    "@clear\nwith torch.autocast('cpu', enabled=False):\n    $loss = $criterion($model($x), $y)\n$scaler.scale($loss).backward()\n?40 $scaler.unscale_($optimizer)\n$scaler.step($optimizer)\n$scaler.update()",
    "with torch.autocast(device_type='cpu', dtype=torch.bfloat16):\n    $out = $model($x)\n    $loss = F.mse_loss($out.float(), $y)\n@clear\n$loss.backward()\n$optimizer.step()",
    "@clear\nwith torch.autocast('cpu', dtype=torch.bfloat16, enabled=$i % 2 == 0):\n    $loss = $criterion($model($x).float(), $y)\n$scaler.scale($loss).backward()\n$scaler.step($optimizer)\n$scaler.update()",
]
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
    "ema": {"setup": "$target_net = copy.deepcopy($model)\n$shadow = {k: v.clone().float() for k, v in $model.state_dict().items()}", "more": EMA, "end": "with torch.no_grad():\n    print('averaged', $target_net($features).sum().item())"},
    "distilled": {"setup": "$target_net = $Net()\n$target_net.eval()\nfor p in $target_net.parameters(): p.requires_grad = False", "step": "with torch.no_grad():\n    $soft = $target_net($x)\n@clear\n$out = $model($x)\n$loss = $criterion($out, $y) + 0.5 * F.mse_loss($out, $soft)\n$loss.backward()\n$optimizer.step()"},
    "replaced": {"start": REPLACED},
    "replaced_after": {"end": REPLACED},
    "frozen": {"start": FROZEN},
    "rates": {"start": RATES, "more": "?50 $total += $loss.item()"},
    "rates_by_step": {"step": "$step += 1\nfor $g in $optimizer.param_groups: $g['lr'] = 0.01 * min(1.0, $step / 5)\n@basic"},
    "amp": {"setup": "$scaler = torch.<<amp.GradScaler('cpu', |cuda.amp.GradScaler(|amp.GradScaler(|amp.GradScaler('cuda', >>enabled=False)", "step": AMP},
    "evaluated_often": {"more": EVERY_N},
    "memory": {"setup": "$memory = []", "step": "$memory.append(($x, $y))\n@clear\n$loss = $criterion($model($x), $y)\nif len($memory) > 2:\n    $old_x, $old_y = random.choice($memory)\n    $loss = $loss + 0.5 * $criterion($model($old_x), $old_y)\n$loss.backward()\n$optimizer.step()"},
    "centers": {"setup": "$centers = torch.zeros(4)", "step": "@clear\n$centers = 0.9 * $centers + 0.1 * $x.mean(0)\n$loss = $criterion($model($x - $centers), $y)\n$loss.backward()\n$optimizer.step()"},
    "previous_loss": {"setup": "$before = None", "step": "@basic\nif $before is not None and $loss.item() > $before:\n    for $g in $optimizer.param_groups: $g['lr'] *= 0.8\n$before = $loss.item()"},
}
# families of their own kind: (setup, body)
RECURRENT = (
    "@seeds\n$series = torch.randn(<<24|25>>, 2, 3)\n$rnn, $head = nn.<<GRU|RNN>>(3, 4), nn.Linear(4, 3)\n$criterion = nn.MSELoss()\n$optimizer = OPTIM.SGD(list($rnn.parameters()) + list($head.parameters()), lr=0.1)\n$epochs, $total = 2, 0.0",
    [
        "for $epoch in range($epochs):\n    $hidden = <<torch.zeros(1, 2, 4)|None>>\n    for $start in range(0, len($series) - 6, 6):\n        $x, $y = $series[$start:$start + 6], $series[$start + 1:$start + 7]\n        if $hidden is not None:\n            $hidden = $hidden.detach()\n        $optimizer.zero_grad()\n        $out, $hidden = $rnn($x, $hidden)\n        $loss = $criterion($head($out), $y)\n        $loss.backward()\n        ?40 nn.utils.clip_grad_norm_($rnn.parameters(), 0.25)\n        $optimizer.step()\n        $total += $loss.item()\n    print($epoch, $total, $hidden.sum().item())",
        "$hidden = torch.zeros(1, 2, 4)\nfor $epoch in range($epochs):\n    for $x in $series.split(6):\n        $optimizer.zero_grad()\n        $out, $hidden = $rnn($x, $hidden.data)\n        $loss = $criterion($head($out)[:-1], $x[1:])\n        $loss.backward()\n        for $p in $rnn.parameters():\n            $p.data.add_($p.grad, alpha=-0.01)\n        $optimizer.step()\n        print($loss.item())\nprint('hidden', $hidden.sum().item())",
        "for $epoch in range($epochs):\n    for $chunk in $series.split(6):\n        $hidden, $loss = torch.zeros(1, 2, 4), 0\n        $optimizer.zero_grad()\n        $x = $chunk[:1]\n        for $t in range(1, len($chunk)):\n            $out, $hidden = $rnn($x, $hidden)\n            $prediction = $head($out)\n            $loss += $criterion($prediction, $chunk[$t:$t + 1])\n            <<$x = $chunk[$t:$t + 1] if random.random() < 0.5 else $prediction.detach()|$teacher = random.random() < 0.5; $x = $chunk[$t:$t + 1] if $teacher else $prediction.detach()>>\n        $loss.backward()\n        $optimizer.step()\n        $total += $loss.item() / len($chunk)\n    print($epoch, $total)",
    ],
)
REINFORCE = (
    "@seeds\n$policy = nn.<<Linear(3, 2)|Sequential(nn.Linear(3, 5), nn.Dropout(0.1), nn.Linear(5, 2))>>\n$optimizer = OPTIM.Adam($policy.parameters(), lr=0.02)\n$running, $total = 0.0, 0.0",
    [
        "for $episode in <<range(4)|range(1, 5)|itertools.count(1)>>:\n    $state, $saved, $rewards = torch.randn(3), [], []\n    for $t in range(6):\n        $distribution = torch.distributions.Categorical(logits=$policy($state))\n        $action = $distribution.sample()\n        $saved.append($distribution.log_prob($action))\n        $rewards.append(float($action) + random.random())\n        $state = torch.randn(3) + 0.1 * $action\n        ?60 if random.random() < 0.15:\n            break\n    $R, $returns = 0.0, []\n    for $r in $rewards[::-1]:\n        $R = $r + 0.9 * $R\n        $returns.insert(0, $R)\n    $returns = torch.tensor($returns)\n    $loss = <<torch.stack([-l * g for l, g in zip($saved, $returns)]).sum()|-(torch.stack($saved) * $returns).sum()>>\n    $optimizer.zero_grad()\n    $loss.backward()\n    $optimizer.step()\n    $running = 0.5 * $running + 0.5 * sum($rewards)\n    print($episode, $running, $t)\n    if $episode >= 4:\n        break",
        "$saved_log_probs = []\nfor $episode in range(4):\n    $state, $done, $R = torch.randn(3), False, 0.0\n    while not $done:\n        $logits = $policy($state)\n        $action = torch.multinomial(torch.softmax($logits, 0), 1).item()\n        $saved_log_probs.append(torch.log_softmax($logits, 0)[$action])\n        $R += 1.0 if $action else -1.0\n        $state, $done = torch.randn(3), len($saved_log_probs) >= 5\n    $optimizer.zero_grad()\n    $loss = -torch.stack($saved_log_probs).mean() * $R\n    $loss.backward()\n    $optimizer.step()\n    <<del $saved_log_probs[:]|$saved_log_probs = []|$saved_log_probs.clear()>>\n    $running = 0.9 * $running + $R\n    print('episode', $episode, $R, $running)",
    ],
)
DQN = (
    "@seeds\n$q_net, $target_net = nn.Linear(3, 2), nn.Linear(3, 2)\n$target_net.load_state_dict($q_net.state_dict())\n$optimizer = OPTIM.RMSprop($q_net.parameters(), lr=0.02)\n$memory<<, $step = [], 0|, $step = collections.deque(maxlen=12), 0>>\n$epsilon, $running, $total = 0.5, 0.0, 0.0",
    [
        "for $episode in range(<<3|4>>):\n    $state, $score = torch.randn(3), 0.0\n    for $t in range(5):\n        if random.random() < $epsilon:\n            $action = random.randrange(2)\n        else:\n            with torch.no_grad():\n                $action = $q_net($state).argmax().item()\n        $next_state, $reward = torch.randn(3), float($action) + 0.1 * np.random.rand()\n        $memory.append(($state, $action, $reward, $next_state))\n        $state = $next_state\n        $score += $reward\n        $step += 1\n        if len($memory) < 4:\n            continue\n        $sample = random.sample(list($memory), 4)\n        $s, $a, $r, $s2 = zip(*$sample)\n        $q = $q_net(torch.stack($s)).gather(1, torch.tensor($a)[:, None])\n        with torch.no_grad():\n            $goal = torch.tensor($r)[:, None] + 0.9 * $target_net(torch.stack($s2)).max(1, keepdim=True)[0]\n        $loss = F.smooth_l1_loss($q, $goal)\n        $optimizer.zero_grad()\n        $loss.backward()\n        ?50 for $p in $q_net.parameters(): $p.grad.data.clamp_(-1, 1)\n        $optimizer.step()\n        if $step % <<3|4>> == 0:\n            $target_net.load_state_dict($q_net.state_dict())\n    $epsilon = max(0.1, $epsilon * 0.8)\n    print('episode', $episode, $score, $epsilon)",
    ],
)
AFTER = """
print('done', $total)
?50 print('last', $loss.item())
?50 torch.save($optimizer.state_dict(), 'optimizer.pt')
?50 print('drawn', torch.rand(1).item(), random.random())
"""


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
    pieces = [imports + "\n" + net, setup.rstrip(), body, draw.text(AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


def pick(draw: Draw, block: str | list[str]) -> str:
    return block if isinstance(block, str) else draw.pick(block)


def by_itself(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw, more="import collections")
    setup, bodies = draw.pick([RECURRENT, REINFORCE, DQN])
    pieces = [imports, draw.text(setup, seeds=common.SEEDS), draw.text(draw.pick(bodies)), draw.text(AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


def make(draw: Draw, seed: int) -> Parts:
    parts = draw.pick([on_network, on_network, by_itself])(draw, seed)
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
