"""One loop over epochs or iterations, without batches: the whole data set, a graph, or tensors, at each step."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

GRAPH_NET = """
class $Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x, adjacency):
        x = F.relu(adjacency @ self.first(x))
        x = F.dropout(x, 0.3, self.training)
        return <<adjacency @ self.last(x)|F.log_softmax(adjacency @ self.last(x), dim=1)>>
"""

GRAPH_DATA = """
$features = torch.randn(12, 4)
$adjacency = (torch.rand(12, 12) > 0.7).float() / 4 + torch.eye(12)
$labels = torch.arange(12) % 3
$train_mask = torch.arange(12) < 8
<<$test_mask = ~$train_mask|$test_mask = torch.arange(12) >= 8>>
"""

LOOPS = [
    "for $epoch in range($epochs):",
    "for $epoch in range(1, $epochs + 1):",
    "for $epoch in range(0, $epochs * 2, 2):",
    "for $epoch in range($epochs, 0, -1):",
    "for $epoch in range(<<5|6>>):",
    "for _ in range($epochs):",
    "for $epoch in [0, 2, 5, 1]:",
]
REPORTS = variants("""
if $epoch % <<2|3>> == 0:
    print($epoch, $loss.item())
---
if ($epoch + 1) % 2 == 0: print(f'{$epoch + 1}: {$loss.item():.5f}')
---
print('%d %.6f' % ($epoch, $loss.item()))
---
$history.append($loss.item())
---
if not $epoch % 3:
    print('lr', $rate)
    @evaluate
---
@evaluate
""")
PLAIN_EVALUATE = variants("""
$model.eval()
with torch.no_grad():
    $value = LOSSOF
print('eval', $value.item())
?70 $model.train()
---
with torch.no_grad():
    print('eval', LOSSOF.item())
---
print('same', LOSSOF.detach().item())
""")
STOPS = variants("""
if $loss.item() < <<0.3|0.6|0.9>>:
    break
---
if $loss.item() < <<0.5|0.9>>:
    continue
print('high')
---
if $loss < $best:
    $best = $loss.item()
    <<print('best', $best)|torch.save($model.state_dict(), 'best.pt')>>
---
if $loss.item() > $best:
    $bad += 1
    if $bad >= 2:
        print('stopping', $epoch)
        break
else:
    $best = $loss.item()
""")
STEPS = variants("""
@clear
$loss = LOSSOF
$loss.backward()
?30 @clip
$optimizer.step()
---
$loss = LOSSOF
?20 print('loss', $loss.item())
@clear
$loss.backward()
$optimizer.step()
---
$loss = LOSSOF
$loss.backward()
$optimizer.step()
@clear
---
$out = FORWARD
$loss = LOSS_OUT + <<1e-3|0.01>> * $out.pow(2).mean()
@clear
$loss.backward()
?30 @clip
$optimizer.step()
""")
HAND_STEPS = variants("""
$loss = LOSSOF
$loss.backward()
with torch.no_grad():
    for $p in $model.parameters():
        <<$p -= $rate * $p.grad|$p.sub_($rate * $p.grad)>>
        $p.grad<<.zero_()| = None>>

---
$model.zero_grad()
$loss = LOSSOF
$loss.backward()
for $p in $model.parameters():
    $p.data<<.add_($p.grad.data, alpha=-$rate)| -= $rate * $p.grad.data|.sub_($p.grad.data * $rate)>>

""")
LINEAR_SETUP = """
$features, $labels = torch.randn(COUNT, 3), torch.randn(COUNT, 1)
$w = torch.randn(3, 1, requires_grad=True)
$b = <<torch.zeros(1, requires_grad=True)|torch.zeros(1).requires_grad_()>>
$rate = <<0.1|1e-2>>
$epochs = <<4|6>>
$history, $best, $bad = [], float('inf'), 0
"""
LINEAR_BODY = """
@loop
    $out = $features @ $w + $b
    $loss = <<(($out - $labels) ** 2).mean()|F.mse_loss($out, $labels)|($out - $labels).pow(2).sum()>>
    ?30 print($loss.item())
    $loss.backward()
    @update
    @report
    @stop
"""
LINEAR_UPDATES = variants("""
$w.data -= $rate * $w.grad; $b.data -= $rate * $b.grad
$w.grad.zero_(); $b.grad.zero_()
---
$w.data.sub_($rate * $w.grad.data)
$b.data.sub_($rate * $b.grad.data)
$w.grad.data.zero_()
$b.grad = None
---
with torch.no_grad():
    $w -= $rate * $w.grad
    $b -= $rate * $b.grad
    $w.grad.zero_()
    $b.grad.zero_()
---
with torch.no_grad():
    for $p in ($w, $b):
        $p -= $rate * $p.grad
        $p.grad = None
""")
SETUP = """
@seeds
@data
$epochs = <<4|5|7>>
$rate = <<0.1|0.02>>
$history, $best, $bad = [], float('inf'), 0
$model = $Net()
$criterion = CRITERION
@optimizer
@scheduler
"""
BODY = """
@before
@loop
    ?60 $model.train()
    @steps
    @schedule
    @report
    @stop
@elsewise
"""
AFTERWARDS = """
print('done', $best, len($history))
?40 print('last', $loss.item())
@after
"""


def linear(draw: Draw, seed: int) -> Parts:
    imports = common.head(draw)
    loop = draw.pick([loop for loop in LOOPS if "_ in" not in loop])
    reports = [r for r in REPORTS if "evaluate" not in r]
    stop = draw.some([s for s in STOPS if "save" not in s], 0.4)
    body = draw.text(LINEAR_BODY, loop=loop, update=LINEAR_UPDATES, report=reports, stop=stop)
    after = draw.text("print('w', $w.sum().item(), $b.item())\n?40 print('last', $loss.item())\n?30 print($history)")
    setup = draw.text("@seeds\n@rest", seeds=common.SEEDS, rest=LINEAR_SETUP)
    return Parts(imports, *(common.finished(draw, t, imports, seed=seed) for t in (setup, body, after)))


def network(draw: Draw, seed: int) -> Parts:
    graph = draw.maybe(0.35)
    imports = common.head(draw)
    by_hand = draw.maybe(0.2)
    mask = draw.pick(["[$train_mask]", "[$train_mask]", "[:8]"]) if graph else ""
    forward = "$model($features, $adjacency)" if graph else "$model($features)"
    criterion = (
        "nn.CrossEntropyLoss()" if graph else draw.pick(["nn.MSELoss()", "nn.L1Loss()", "torch.nn.SmoothL1Loss()"])
    )
    scheduler = draw.some(common.SCHEDULERS, 0.0 if by_hand else 0.35)
    loop = draw.pick(LOOPS)
    usable = [r for r in REPORTS if "_ in" not in loop or "$epoch" not in r]
    stops = [s for s in STOPS if "_ in" not in loop or "$epoch" not in s]
    body = draw.text(
        BODY,
        before=draw.some(["$model.train()", "print('start')"], 0.3),
        loop=loop,
        steps=HAND_STEPS if by_hand else STEPS,
        clear=common.CLEAR,
        clip=common.CLIP,
        schedule="$scheduler.step()" if scheduler else "",
        report=usable,
        stop=draw.some(stops, 0.5),
        evaluate=PLAIN_EVALUATE,
        elsewise=draw.some("else:\n    print('all epochs')", 0.08),
    )
    loss = f"$criterion({forward}{mask}, $labels{mask})"
    body = (
        body.replace("LOSSOF", loss)
        .replace("FORWARD", forward)
        .replace("LOSS_OUT", f"$criterion($out{mask}, $labels{mask})")
    )
    after = common.AFTER if not graph else [a for a in common.AFTER if "predict" not in a]
    setup = draw.text(
        SETUP,
        seeds=common.SEEDS,
        data=GRAPH_DATA if graph else common.DATASETS,
        optimizer="" if by_hand else draw.pick(common.OPTIMIZERS),
        scheduler=scheduler,
    ).replace("CRITERION", criterion)
    net = draw.text(GRAPH_NET if graph else draw.pick(common.NETS))
    pieces = [imports + "\n" + net, setup, body, draw.text(AFTERWARDS, after=after)]
    return Parts(*(common.finished(draw, t, imports, seed=seed) for t in pieces))


def make(draw: Draw, seed: int) -> Parts:
    parts = linear(draw, seed) if draw.maybe(0.25) else network(draw, seed)
    parts.nasty = draw.pick([0.0, 0.0, 0.2])
    return parts
