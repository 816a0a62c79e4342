"""Several optimizers at once: adversarial training, actor and critic, joint training, collections of optimizers."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

GAN_NETS = """
class <<Generator|Gen>>Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), <<nn.BatchNorm1d(6), |>>nn.ReLU(), nn.Linear(6, 4))

    def forward(self, z):
        return <<self.body(z)|torch.tanh(self.body(z))>>


class Disc(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 1)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.drop(<<F.leaky_relu(self.first(x), 0.2)|F.relu(self.first(x))>>)
        return <<torch.sigmoid(self.last(x))|self.last(x).sigmoid()>>


?40 def weights_init(m):
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, 0.0, 0.2)
"""
GAN_SETUP = """
@seeds
$features = torch.randn(COUNT, 4) + 1
$loader = DataLoader(TensorDataset($features), batch_size=<<4|6>>, shuffle=<<True|True|False>><<||, drop_last=True>>)
$epochs = <<2|3>>
$n_critic = <<2|3>>
$G, $D = GENERATOR(), Disc()
@init
$criterion = nn.BCE<<Loss()|Loss(reduction='mean')>>
@optimizers
@schedulers
$real_label, $fake_label = <<1.0, 0.0|0.9, 0.1|1., 0.>>
$fixed_noise = torch.randn(5, 3)
$history<<, $done = [], 0|, $done = {'d': [], 'g': []}, 0>>
"""
GAN_OPTIMIZERS = variants("""
$opt_D = OPTIM.Adam($D.parameters(), lr=0.02, betas=(0.5, 0.999))
$opt_G = OPTIM.Adam($G.parameters(), lr=0.01<<|, betas=(0.5, 0.999)>>)

---
$opt_G = OPTIM.RMSprop($G.parameters(), lr=0.01)
$opt_D = OPTIM.SGD($D.parameters(), lr=0.05)

---
$opt_G, $opt_D = OPTIM.Adam($G.parameters(), lr=0.01), OPTIM.Adam($D.parameters(), 0.02)

""")
GAN_SCHEDULERS = """
$sched_D = torch.optim.lr_scheduler.StepLR($opt_D, 1, 0.9)
$sched_G = torch.optim.lr_scheduler.ExponentialLR($opt_G, 0.8)
"""
GAN_LOOP = """
for $epoch in range(<<$epochs|1, $epochs + 1>>):
    @mode
    @header
        @unpack
        @noise
        @updates
        @after_step
    @end
"""
GAN_HEADERS = [
    ("for $i, $batch in enumerate($loader):", "$real = $batch[0]"),
    ("for $i, $data in enumerate($loader, 0):", "$real, = $data"),
    ("for $i, ($real,) in enumerate($loader):", ""),
    ("for $i, [$real] in enumerate($loader, <<1|start=1>>):", "$real = $real.to('cpu')"),
]
NOISE = variants("""

---
$noise = torch.randn(len($real), 3)
$fake = $G($noise)
---
$noise = torch.rand($real.size(0), 3)
""")
LABELS = """
?50 $label = torch.full((len($real), 1), $real_label)
$n = $real.size(0)
$ones, $zeros = torch.ones($n, 1), torch.<<zeros($n, 1)|full(($n, 1), $fake_label)>>
"""
D_STEPS = variants("""
<<$opt_D.zero_grad()|$D.zero_grad()>>
$loss_real = $criterion($D($real), $ones)
<<$loss_real.backward()|$loss_real.backward(retain_graph=False)>>
$fake = $G(torch.randn($n, 3))
$loss_fake = $criterion($D($fake.detach()), $zeros)
$loss_fake.backward()
$loss_D = $loss_real + $loss_fake
$opt_D.step()

---
$opt_D.zero_grad(<<|set_to_none=True>>)
<<with torch.no_grad():|if True:>>
    $fake = $G(torch.randn($n, 3))
$loss_D = ($criterion($D($real), $ones) + $criterion($D($fake.detach()), $zeros))<<| / 2>>
$loss_D.backward()
@penalty
$opt_D.step()
@clamp

---
for $p in $D.parameters():
    $p.requires_grad = True
$opt_D.zero_grad()
$fake = $G(torch.randn($n, 3)).<<detach()|data>>
$loss_D = -($D($real).mean() - $D($fake).mean())
@penalty_sum
$loss_D.backward()
$opt_D.step()
@clamp

""")
PENALTY = """
?50 $eps = torch.rand($n, 1)
$mixed = <<($real + $fake.detach()) / 2|0.3 * $real.data + 0.7 * $fake.data>>
$mixed.requires_grad_(True)
$score = $D($mixed)
@gradients
$penalty = (($gradients.norm(2, dim=1) - 1) ** 2).mean()
"""
GRADIENTS = variants("""
$gradients = torch.autograd.grad($score.sum(), $mixed, create_graph=True)[0]
---
$gradients = torch.autograd.grad(outputs=$score, inputs=$mixed, grad_outputs=torch.ones_like($score),
                                 create_graph=True, retain_graph=True, only_inputs=True)[0]
---
$gradients, = torch.autograd.grad([$score], [$mixed], [torch.ones_like($score)], create_graph=True)
""")
CLAMP = """
for $p in $D.parameters():
    $p.data.clamp_(-<<0.3|0.5>>, <<0.3|0.5>>)
"""
G_STEPS = variants("""
<<$opt_G.zero_grad()|$G.zero_grad()>>
$fake = $G(torch.randn($n, 3))
$loss_G = $criterion($D($fake), $ones)
$loss_G.backward()
$opt_G.step()

---
for $p in $D.parameters():
    $p.requires_grad<<_(False)| = False>>
$opt_G.zero_grad()
$loss_G = -$D($G(torch.randn($n, 3))).mean()
$loss_G.backward()
$opt_G.step()
for $p in $D.parameters(): $p.requires_grad_(True)

---
$generated = $G(torch.randn($n, 3))
$loss_G = <<$criterion($D($generated), $ones)|-torch.log($D($generated) + 1e-6).mean()>>
$opt_G.zero_grad()
$loss_G.backward(retain_graph=<<True|False>>)
$opt_G.step()

""")
GAN_REPORTS = variants("""
print('%d %d %.5f %.5f' % ($epoch, $i, $loss_D.item(), $loss_G.item()))
---
if $i % 2 == 0:
    print(f'[{$epoch}/{$epochs}][{$i}/{len($loader)}] {$loss_D.item():.4f}')
---
$done += 1
print($done, $loss_D.item())
---
if $i == 1:
    with torch.no_grad():
        print('fixed', $G($fixed_noise).detach().sum().item())
""")
GAN_END = variants("""
print('epoch', $epoch, 'D', $loss_D.item())
---
$G.eval()
print('samples', $G($fixed_noise).mean().item())
$G.train()
---
torch.save($G.state_dict(), 'G_%d.pt' % $epoch)
torch.save($D.state_dict(), 'D.pt')
""")
GAN_AFTER = """
print('done', $done)
?40 print('last', $loss_D.item())
?50 torch.save({'G': $G.state_dict(), 'D': $D.state_dict()}, 'gan.pt')
?50 print('weights', sum(p.sum().item() for p in $G.parameters()))
?30 print('optimizers', len($opt_G.state), len($opt_D.state))
"""


def critic_updates(draw: Draw, d_step: str, g_step: str) -> str:
    """Both updates in some order and frequency."""
    every = f"if $i % $n_critic == 0:\n{shift(g_step)}"
    inner = f"for $k in range($n_critic):\n{shift(d_step)}"
    first = "$loss_G = torch.zeros(())"
    return draw.pick([
        f"{d_step}\n{g_step}",
        f"{d_step}\n{g_step}",
        f"{g_step}\n{d_step}",
        f"{inner}\n{g_step}",
        f"{first}\n{d_step}\n{every}",
    ])  # fmt: skip


def shift(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def gan(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    nets = draw.text(GAN_NETS)
    name = "GeneratorNet" if "class GeneratorNet" in nets else "GenNet"
    penalty, clamp = draw.text(PENALTY, gradients=GRADIENTS), draw.some(CLAMP, 0.3)
    blocks = {
        "penalty": draw.some(penalty + "\n(0.1 * $penalty).backward()", 0.35),
        "penalty_sum": draw.some(penalty + "\n$loss_D = $loss_D + <<10|0.1>> * $penalty", 0.6),
        "clamp": clamp,
    }
    d_step, g_step = draw.text(draw.pick(D_STEPS), **blocks), draw.text(draw.pick(G_STEPS))
    header, unpack = draw.pick(GAN_HEADERS)
    scheduled = draw.maybe(0.3)
    steps = draw.pick(["$sched_D.step()\n$sched_G.step()", "$sched_G.step(); $sched_D.step()"]) if scheduled else ""
    end = "\n".join(draw.shuffled([steps, draw.some(GAN_END, 0.5)]))
    init = "$G.apply(weights_init)\n?70 $D.apply(weights_init)" if "weights_init" in nets else ""
    body = draw.text(
        GAN_LOOP,
        mode=draw.some("$G.train()\n$D.train()", 0.3),
        header=header,
        unpack=unpack,
        noise=LABELS,
        updates=critic_updates(draw, d_step, g_step),
        after_step=draw.some(GAN_REPORTS, 0.8),
        end=end,
    )
    setup = draw.text(
        GAN_SETUP,
        seeds=common.SEEDS,
        optimizers=GAN_OPTIMIZERS,
        init=init,
        schedulers=GAN_SCHEDULERS if scheduled else "",
    ).replace("GENERATOR", name)
    pieces = [imports + "\n" + nets, setup, body, draw.text(GAN_AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


JOINT_SETUP = """
@seeds
$features = torch.randn(COUNT, 4)
$labels = torch.randn(COUNT, 1)
$loader = DataLoader(TensorDataset($features, $labels), batch_size=5, shuffle=True)
$epochs = <<2|3>>
$criterion = nn.MSELoss()
$encoder, $decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)
$head = nn.Linear(3, 1)
@make
$total = 0.0
"""
JOINT_KINDS = [
    (  # one optimizer of all the parameters
        "$optimizer = OPTIM.Adam(<<itertools.chain($encoder.parameters(), $decoder.parameters(), $head.parameters())"
        "|list($encoder.parameters()) + list($decoder.parameters()) + list($head.parameters())>>, lr=0.02)",
        "$optimizer.zero_grad()",
        "$optimizer.step()",
    ),
    (
        "$optimizers = {'enc': OPTIM.SGD($encoder.parameters(), 0.1), 'dec': OPTIM.SGD($decoder.parameters(), 0.05),\n"
        "    'head': OPTIM.Adam($head.parameters(), lr=0.01)}",
        "for $o in $optimizers.values():\n    $o.zero_grad()",
        [
            "for $name in ['enc', 'dec', 'head']:\n    $optimizers[$name].step()",
            "$optimizers['enc'].step(); $optimizers['dec'].step(); $optimizers['head'].step()",
        ],
    ),
    (
        "$optimizers = [OPTIM.SGD(m.parameters(), lr=0.1) for m in ($encoder, $decoder, $head)]",
        "<<for $o in $optimizers: $o.zero_grad()|[o.zero_grad() for o in $optimizers]>>",
        [
            "for $o in $optimizers:\n    $o.step()",
            "[o.step() for o in $optimizers]",
            "$optimizers[0].step(); $optimizers[1].step(); $optimizers[2].step()",
        ],
    ),
    (
        "$opt_a = OPTIM.SGD($encoder.parameters(), lr=0.1)\n"
        "$opt_b = OPTIM.Adam(itertools.chain($decoder.parameters(), $head.parameters()), lr=0.01)",
        "$opt_a.zero_grad()\n$opt_b.zero_grad()",
        ["$opt_a.step()\n$opt_b.step()", "$opt_b.step()\n$opt_a.step()"],
    ),
]
JOINT_LOSSES = variants("""
$loss = $criterion($decoder($code), $x) + <<0.5|2>> * $criterion($head($code), $y)
@clear
$loss.backward()
@steps
---
$loss_a = $criterion($decoder($code), $x)
$loss = $criterion($head($code), $y)
@clear
$loss_a.backward(retain_graph=True)
$loss.backward()
@steps
---
@clear
$losses = [$criterion($decoder($code), $x), $criterion($head($code), $y)]
$loss = sum($losses)
torch.autograd.backward($losses)
@steps
""")
JOINT_BODY = """
for $epoch in range($epochs):
    ?30 $encoder.train(); $decoder.train()
    for $x, $y in $loader:
        $code = $encoder($x)
        @losses
        <<$total += $loss.item()|print($loss.item())>>
    print('epoch', $epoch, $total)
"""
JOINT_AFTER = """
print('code', $encoder(torch.ones(1, 4)).sum().item())
?50 torch.save([m.state_dict() for m in ($encoder, $head)], 'all.pt')
"""


def joint(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    make, clear, steps = draw.pick(JOINT_KINDS)
    body = draw.text(JOINT_BODY, losses=JOINT_LOSSES, clear=clear, steps=steps)
    setup = draw.text(JOINT_SETUP, seeds=common.SEEDS, make=make)
    pieces = [imports, setup, body, draw.text(JOINT_AFTER)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


ACTOR_SETUP = """
@seeds
$actor, $critic = nn.Linear(4, 2), nn.Linear(4, 1)
$opt_a, $opt_c = OPTIM.Adam($actor.parameters(), lr=0.02), OPTIM.Adam($critic.parameters(), lr=0.05)
$episodes, $gamma = <<3|4>>, 0.9
$running = 0.0
"""
ACTOR_BODY = """
for $episode in range($episodes):
    $state, $reward_sum = torch.randn(4), 0.0
    <<for $t in range(5):|for _ in range(4):>>
        $distribution = torch.distributions.Categorical(logits=$actor($state))
        $action = $distribution.sample()
        $next_state = $state * 0.5 + torch.randn(4)
        $reward = <<float($action.item())|1.0 if $action.item() == 1 else -0.1>>
        $advantage = $reward + $gamma * $critic($next_state).detach() - $critic($state)
        @updates
        $state = $next_state
        $reward_sum += $reward
        ?30 if $reward_sum < -0.25:
            break
    $running = 0.9 * $running + 0.1 * $reward_sum
    print('episode', $episode, $reward_sum, $running)
    ?30 if $running > <<0.5|5>>:
        print('solved'); break
"""
ACTOR_UPDATES = variants("""
$critic_loss = $advantage.pow(2).mean()
$opt_c.zero_grad()
$critic_loss.backward()
$opt_c.step()
$actor_loss = -$distribution.log_prob($action) * $advantage.detach()
$opt_a.zero_grad()
<<$actor_loss.sum().backward()|$actor_loss.mean().backward()>>
$opt_a.step()

---
$actor_loss, $critic_loss = (-$distribution.log_prob($action) * $advantage.detach()).sum(), $advantage.pow(2).sum()
$opt_a.zero_grad(); $opt_c.zero_grad()
<<($actor_loss + $critic_loss).backward()|$actor_loss.backward(); $critic_loss.backward()>>
$opt_a.step(); $opt_c.step()

""")


def actor_critic(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    body = draw.text(ACTOR_BODY, updates=ACTOR_UPDATES)
    setup = draw.text(ACTOR_SETUP, seeds=common.SEEDS)
    pieces = [imports, setup, body, draw.text("print('end', $running)\n?40 print($actor.weight.sum().item())")]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


def make(draw: Draw, seed: int) -> Parts:
    return draw.pick([gan, gan, gan, joint, actor_critic])(draw, seed)
