"""Functions that hold backward and step: called for each batch, from two places, as closures of the optimizer."""

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
$criterion = CRITERION
@optimizer
@scheduler
$history<<, $total = [], 0.0|, $total = list(), 0.>>
"""
TRAIN_STEP = """
def $train_step($x, $y, FREE_train_step):
    ?15 \"\"\"One update.\"\"\"
    ?30 $model.train()
    @clear
    $out = $model($x)
    $loss = $criterion($out, $y)
    ?15 if torch.isnan($loss):
        return <<None|0.0>>
    $loss.backward()
    ?30 @clip
    $optimizer.step()
    @returned
"""
RETURNS = ["return $loss.item()", "return $loss", "return $loss.item(), len($x)", "", "return {'loss': $loss.item()}"]
USES = {
    "return $loss.item()": ["$value = CALL", "$total += CALL", "$history.append(CALL)", "print('%.6f' % CALL)"],
    "return $loss": [
        "$value = CALL\nprint($value.item())",
        "$total += CALL.item()",
        "$l = CALL\n$history.append(float($l))",
    ],
    "return $loss.item(), len($x)": ["$value, $n = CALL\n$total += $value * $n", "$value, _ = CALL\nprint($value)"],
    "": ["CALL", "CALL; print('stepped')"],
    "return {'loss': $loss.item()}": ["$value = CALL\nprint($value['loss'])", "$total += CALL['loss']"],
}
LOOP = """
for $epoch in range($epochs):
    ?40 $model.train()
    @inner
    @schedule
    print('epoch', $epoch, $total)
    @evaluate
"""
INNER = variants("""
for $x, $y in $loader:
    @use
---
for $i, ($x, $y) in enumerate($loader):
    @use
    ?40 if $i % 2 == 0: print('batch', $i)
---
for $i, $batch in enumerate($loader):
    $x, $y = $batch
    if $i % 2:
        @use
    else:
        @use
---
for $x, $y in $loader:
    if len($x) < 3: continue
    @use
    ?30 if $total > 3: break
---
for $x, $y in $loader:
    @use
@again
""")
AGAIN = """
$x, $y = $features[:4], $labels[:4]
@use
"""
EVALUATE = variants("""

---

---
$model.eval()
with torch.no_grad():
    print('eval', $criterion($model($features), $labels).item())
?70 $model.train()
""")
NESTED = """
def $compute($x, $y, FREE_compute):
    return $criterion($model($x), $y)
"""
TWO_LEVELS = """
def $apply($loss, FREE_apply):
    @clear
    $loss.backward()
    ?30 @clip
    $optimizer.step()
"""
AFTER = """
print('done', len($history), $total)
@after
"""


def per_batch(draw: Draw, seed: int) -> Parts:
    scheduler = draw.some(common.SCHEDULERS, 0.25)
    kind = draw.pick(["step", "step", "step", "two_levels"])
    returned = draw.pick(RETURNS) if kind == "step" else "return $loss.item()"
    blocks = {"clear": common.CLEAR, "clip": common.CLIP, "returned": returned}
    helpers, call = {"train_step": draw.text(TRAIN_STEP, **blocks)}, "$train_step($x, $y, FREE_train_step)"
    if "isnan" in helpers["train_step"]:
        helpers["train_step"] = helpers["train_step"].replace("return None", f"return {default_of(returned)}")
        helpers["train_step"] = helpers["train_step"].replace("return 0.0", f"return {default_of(returned)}")
    if kind == "two_levels":
        helpers = {"compute": draw.text(NESTED), "apply": draw.text(TWO_LEVELS, **blocks)}
    use = draw.pick(USES[returned]).replace("CALL", call)
    if kind == "two_levels":
        use = "$loss = $compute($x, $y, FREE_compute)\n$apply($loss, FREE_apply)\n$total += $loss.item()"
    inner = draw.pick(INNER)
    schedule = "$scheduler.step()" if scheduler else ""
    body = draw.text(LOOP, inner=inner, use=use, again=AGAIN, schedule=schedule, evaluate=EVALUATE)
    return parts_of(draw, seed, body, helpers, scheduler, common.OPTIMIZERS, draw.maybe(0.5))


def default_of(returned: str) -> str:
    return {"return $loss": "$loss", "": "None"}.get(
        returned, returned.replace("return ", "").replace("$loss.item()", "0.0")
    )


CLOSURES = variants("""
def $closure():
    $optimizer.zero_grad()
    $loss = $criterion($model($x), $y)
    ?30 print('closure', $loss.item())
    $loss.backward()
    return $loss

---
def $closure():
    <<if torch.is_grad_enabled():|if True:>>
        $optimizer.zero_grad()
    $out = $model($x)
    $loss = $criterion($out, $y)
    if $loss.requires_grad:
        $loss.backward()
    return $loss

---
def $closure():
    OUTER $evaluations
    $evaluations += 1
    $optimizer.zero_grad()
    $loss = $criterion($model($x), $y)
    $loss.backward()
    return $loss

""")
CLOSURE_STEPS = variants("""
$result = $optimizer.step($closure)
print($result.item())
---
$optimizer.step($closure)
---
$optimizer.step(closure=$closure)
$total += $criterion($model($x), $y).item()
---
$value = $optimizer.step(lambda: $closure())
$history.append(float($value))
""")
CLOSURE_LOOPS = variants("""
for $epoch in range($epochs):
    for $x, $y in $loader:
        @definition
        @steps
    print('epoch', $epoch)
---
for $epoch in range($epochs):
    $x, $y = $features, $labels
    @definition
    @steps
    print($epoch, $total)
---
$x, $y = $features, $labels
@definition
for $epoch in range($epochs * 2):
    @steps
    ?50 print($epoch)
---
$x, $y = $features, $labels
@definition
for $epoch in range($epochs):
    for $x, $y in $loader:
        @steps
""")
LBFGS = [
    "$optimizer = OPTIM.LBFGS($model.parameters(), lr=0.5, max_iter=3)",
    "$optimizer = OPTIM.LBFGS($model.parameters(), max_iter=2<<|, line_search_fn='strong_wolfe'>>)",
    "$optimizer = OPTIM.SGD($model.parameters(), lr=0.1)",
    "$optimizer = OPTIM.Adam($model.parameters(), lr=0.01)",
]


def closures(draw: Draw, seed: int) -> Parts:
    definition = draw.text(draw.pick(CLOSURES))
    counted = "$evaluations" in definition
    body = draw.text(draw.pick(CLOSURE_LOOPS), definition=definition, steps=CLOSURE_STEPS)
    body = (
        ("$evaluations = 0\n" if counted else "") + body + ("\nprint('evaluations', $evaluations)" if counted else "")
    )
    parts = parts_of(draw, seed, body, {}, "", LBFGS, regression=draw.maybe(0.6))
    if counted:
        parts.layouts = ("module", "guard", "main", "function", "closure")
        if parts.layouts and draw.maybe(0.4):
            parts.layouts = ("function", "closure", "main")
    return parts


SAM = variants("""
for $epoch in range($epochs):
    for $x, $y in $loader:
        $loss = $criterion($model($x), $y)
        $loss.backward()
        $saved = []
        with torch.no_grad():
            for $p in $model.parameters():
                $saved.append($p.detach().clone())
                <<if $p.grad is not None:|if $p.requires_grad:>>
                    $p.add_($p.grad, alpha=0.05)
        $optimizer.zero_grad()
        $criterion($model($x), $y).backward()
        with torch.no_grad():
            for $p, $old in zip($model.parameters(), $saved):
                <<$p.copy_($old)|$p.data = $old.data>>
        $optimizer.step()
        $optimizer.zero_grad()
        $total += $loss.item()
    print('epoch', $epoch, $total)

---
for $epoch in range($epochs):
    for $i, ($x, $y) in enumerate($loader):
        $criterion($model($x), $y).backward()
        $sam.first_step(zero_grad=True)
        $loss = $criterion($model($x), $y)
        $loss.backward()
        $sam.second_step(<<|zero_grad=True>>)
        ?70 $optimizer.zero_grad()
        print($i, $loss.item())

""")
SAM_CLASS = """
class SAM:
    def __init__(self, params, base, rho=0.05):
        self.params, self.base, self.rho = list(params), base, rho

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        self.moved = [p.grad * self.rho for p in self.params]
        for p, e in zip(self.params, self.moved):
            p.add_(e)
        if zero_grad:
            self.base.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for p, e in zip(self.params, self.moved):
            p.sub_(e)
        self.base.step()
        if zero_grad:
            self.base.zero_grad()
"""


def sam(draw: Draw, seed: int) -> Parts:
    body = draw.text(draw.pick(SAM))
    parts = parts_of(draw, seed, body, {}, "", common.OPTIMIZERS, regression=draw.maybe(0.5))
    if "$sam" in body:
        parts.head += "\n" + SAM_CLASS
        parts.setup += "\n$sam = SAM($model.parameters(), $optimizer)"
    return parts


def parts_of(
    draw: Draw, seed: int, body: str, helpers: dict[str, str], scheduler: str, optimizers: list[str], regression: bool
) -> Parts:
    imports = common.head(draw)
    criterion = "nn.MSELoss()" if regression else "nn.CrossEntropyLoss()"
    blocks = {"data": common.DATASETS, "loader": common.LOADERS, "optimizer": optimizers, "scheduler": scheduler}
    setup = draw.text(SETUP, seeds=common.SEEDS, **blocks).replace("CRITERION", criterion)
    net = draw.text(draw.pick(common.NETS))
    pieces = [imports + "\n" + net, setup, body, draw.text(AFTER, after=common.AFTER)]
    done = [common.finished(draw, t, imports, seed=seed, classes=1 if regression else 2) for t in pieces]
    return Parts(*done, helpers=helpers, nasty=draw.pick([0.0, 0.0, 0.2]))


def make(draw: Draw, seed: int) -> Parts:
    return draw.pick([per_batch, per_batch, closures, sam])(draw, seed)
