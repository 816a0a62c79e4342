"""State beside the weights: averaged and target networks, hidden states, rates set by hand, replaced optimizers."""

from __future__ import annotations

from tests.fuzz.families import common
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
# families of their own kind: (setup, body)
RECURRENT = (
    """
    @seeds
    $series = torch.randn(24, 2, 3)
    $rnn, $head = nn.<<GRU|RNN>>(3, 4), nn.Linear(4, 3)
    $criterion = nn.MSELoss()
    $optimizer = OPTIM.SGD(list($rnn.parameters()) + list($head.parameters()), lr=0.1)
    $epochs, $total = 2, 0.0
    """,
    [
        """
        for $epoch in range($epochs):
            $hidden = <<torch.zeros(1, 2, 4)|None>>
            for $start in range(0, len($series) - 6, 6):
                $x, $y = $series[$start:$start + 6], $series[$start + 1:$start + 7]
                if $hidden is not None:
                    $hidden = $hidden.detach()
                $optimizer.zero_grad()
                $out, $hidden = $rnn($x, $hidden)
                $loss = $criterion($head($out), $y)
                $loss.backward()
                ?40 nn.utils.clip_grad_norm_($rnn.parameters(), 0.25)
                $optimizer.step()
                $total += $loss.item()
            print($epoch, $total, $hidden.sum().item())
        """,
        """
        $hidden = torch.zeros(1, 2, 4)
        for $epoch in range($epochs):
            for $x in $series.split(6):
                $optimizer.zero_grad()
                $out, $hidden = $rnn($x, $hidden.data)
                $loss = $criterion($head($out)[:-1], $x[1:])
                $loss.backward()
                for $p in $rnn.parameters():
                    $p.data.add_($p.grad, alpha=-0.01)
                $optimizer.step()
                print($loss.item())
        print('hidden', $hidden.sum().item())
        """,
        """
        for $epoch in range($epochs):
            for $chunk in $series.split(6):
                $hidden, $loss = torch.zeros(1, 2, 4), 0
                $optimizer.zero_grad()
                $x = $chunk[:1]
                for $t in range(1, len($chunk)):
                    $out, $hidden = $rnn($x, $hidden)
                    $prediction = $head($out)
                    $loss += $criterion($prediction, $chunk[$t:$t + 1])
                    $teacher = random.random() < 0.5
                    $x = $chunk[$t:$t + 1] if <<$teacher|random.random() < 0.5>> else $prediction.detach()
                $loss.backward()
                $optimizer.step()
                $total += $loss.item() / len($chunk)
            print($epoch, $total)
        """,
    ],
)
REINFORCE = (
    """
    @seeds
    $policy = nn.<<Linear(3, 2)|Sequential(nn.Linear(3, 5), nn.Dropout(0.1), nn.Linear(5, 2))>>
    $optimizer = OPTIM.Adam($policy.parameters(), lr=0.02)
    $running, $total = 0.0, 0.0
    """,
    [
        """
        for $episode in <<range(4)|range(1, 5)|itertools.count(1)>>:
            $state, $saved, $rewards = torch.randn(3), [], []
            for $t in range(6):
                $distribution = torch.distributions.Categorical(logits=$policy($state))
                $action = $distribution.sample()
                $saved.append($distribution.log_prob($action))
                $rewards.append(float($action) + random.random())
                $state = torch.randn(3) + 0.1 * $action
                ?60 if random.random() < 0.15:
                    break
            $R, $returns = 0.0, []
            for $r in $rewards[::-1]:
                $R = $r + 0.9 * $R
                $returns.insert(0, $R)
            $returns = torch.tensor($returns)
            $loss = -(torch.stack($saved) * $returns).sum()
            ?40 $loss = torch.stack([-l * g for l, g in zip($saved, $returns)]).sum()
            $optimizer.zero_grad()
            $loss.backward()
            $optimizer.step()
            $running = 0.5 * $running + 0.5 * sum($rewards)
            print($episode, $running, $t)
            if $episode >= 4:
                break
        """,
        """
        $saved_log_probs = []
        for $episode in range(4):
            $state, $done, $R = torch.randn(3), False, 0.0
            while not $done:
                $logits = $policy($state)
                $action = torch.multinomial(torch.softmax($logits, 0), 1).item()
                $saved_log_probs.append(torch.log_softmax($logits, 0)[$action])
                $R += 1.0 if $action else -1.0
                $state, $done = torch.randn(3), len($saved_log_probs) >= 5
            $optimizer.zero_grad()
            $loss = -torch.stack($saved_log_probs).mean() * $R
            $loss.backward()
            $optimizer.step()
            <<del $saved_log_probs[:]|$saved_log_probs = []|$saved_log_probs.clear()>>
            $running = 0.9 * $running + $R
            print('episode', $episode, $R, $running)
        """,
    ],
)
DQN = (
    """
    @seeds
    $q_net, $target_net = nn.Linear(3, 2), nn.Linear(3, 2)
    $target_net.load_state_dict($q_net.state_dict())
    $optimizer = OPTIM.RMSprop($q_net.parameters(), lr=0.02)
    $memory<<, $step = [], 0|, $step = collections.deque(maxlen=12), 0>>
    $epsilon, $running, $total = 0.5, 0.0, 0.0
    """,
    [
        """
        for $episode in range(<<3|4>>):
            $state, $score = torch.randn(3), 0.0
            for $t in range(5):
                if random.random() < $epsilon:
                    $action = random.randrange(2)
                else:
                    with torch.no_grad():
                        $action = $q_net($state).argmax().item()
                $next_state, $reward = torch.randn(3), float($action) + 0.1 * np.random.rand()
                $memory.append(($state, $action, $reward, $next_state))
                $state = $next_state
                $score += $reward
                $step += 1
                if len($memory) < 4:
                    continue
                $sample = random.sample(list($memory), 4)
                $s, $a, $r, $s2 = zip(*$sample)
                $q = $q_net(torch.stack($s)).gather(1, torch.tensor($a)[:, None])
                with torch.no_grad():
                    $goal = torch.tensor($r)[:, None] + 0.9 * $target_net(torch.stack($s2)).max(1, keepdim=True)[0]
                $loss = F.smooth_l1_loss($q, $goal)
                $optimizer.zero_grad()
                $loss.backward()
                ?50 for $p in $q_net.parameters(): $p.grad.data.clamp_(-1, 1)
                $optimizer.step()
                if $step % <<3|4>> == 0:
                    $target_net.load_state_dict($q_net.state_dict())
            $epsilon = max(0.1, $epsilon * 0.8)
            print('episode', $episode, $score, $epsilon)
        """,
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
