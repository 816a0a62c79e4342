"""Trainer-like classes: methods for training, one epoch and evaluation, attributes written there and read after."""

from __future__ import annotations

import re

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, variants
from tests.fuzz.families.parts import Parts

CLASS = """
class $Trainer<<|(object)>>:
    ?20 \"\"\"Trains a model.\"\"\"
    ?15 verbose = True

    @init

    @methods
"""
BASE = """
class Base:
    def __init__(self, $model, $config=None):
        self._model = $model
        self.best, self.bad, self.steps = float('inf'), 0, 0
        <<self.config = $config or {'lr': 0.1}|self.config = dict(lr=0.05) if $config is None else $config>>

    ?30 def describe(self):
        print('steps', self.steps, 'best', self.best)

    @parent_methods


class $Trainer(Base):
    ?30 name = 'trainer'

    @init

    @methods
"""
INIT = """
def __init__(self, $model, $loader, $val_loader, $epochs=<<2|3>><<|, lr=0.1>>):
    @super
    self._loader<<, self._val_loader = $loader, $val_loader| = $loader; self._val_loader = $val_loader>>
    self._epochs = $epochs
    self._criterion = nn.MSELoss()
    @optimizer
    @scheduler
    self.history<<, self.total = [], 0.0| = list(); self.total = 0.>>
    ?20 self.device = torch.device('cpu')
"""
OWN_STATE = """
self._model = $model
self.best, self.bad, self.steps = float('inf'), 0, 0
"""
OPTIMIZERS = [
    "self._optimizer = OPTIM.SGD(self._model.parameters(), lr=<<0.1|0.05>>, momentum=<<0.0|0.9>>)",
    "self._optimizer = OPTIM.Adam($model.parameters(), lr=0.01)",
    "self._optimizer = self.make_optimizer()",
]
MAKE_OPTIMIZER = """
def make_optimizer(self):
    return OPTIM.<<SGD|Adagrad>>(self._model.parameters(), lr=0.1)
"""
SCHEDULER = "self._scheduler = torch.optim.lr_scheduler.StepLR(self._optimizer, 1, gamma=<<0.5|0.9>>)"
STEP = """
self._optimizer.zero_grad()
$loss = self._criterion(self._model($x), $y)
$loss.backward()
?20 nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
self._optimizer.step()
self.steps += 1
"""
BATCH = """
def train_batch(self, $x, $y):
    @step
    return $loss<<.item()|>>
"""
EPOCH = """
def train_epoch(self<<, $epoch|, $epoch=0>>):
    self._model.train()
    <<$total, $n = 0.0, 0|$n = 0; $total = 0>>
    for $i, ($x, $y) in enumerate(self._loader):
        @batch
        $total += <<float($loss)|float($loss) * len($x)>>
        $n += <<1|len($x)>>
        @in_batch
    ?40 self.total += $total
    return $total / $n
"""
IN_BATCH = variants("""

---
if $i % 2 == 0:
    print('batch', $epoch, $i, float($loss))
---
self.history.append(float($loss))
---
if self.steps >= <<4|6>>:
    break
---
self.last = float($loss)
print(self.last)
---
if len($x) < 3: continue
self.total = self.total + float($loss)
""")
EVALUATE = variants("""
<<@torch.no_grad()|# no gradients>>
def evaluate(self):
    self._model.eval()
    $total = 0.0
    for $x, $y in self._val_loader:
        <<with torch.no_grad():|if len($x):>>
            $total += self._criterion(self._model($x), $y).item()
    ?30 self._model.train()
    return $total / len(self._val_loader)

---
def evaluate(self):
    self._model.eval()
    with torch.no_grad():
        $total = sum(self._criterion(self._model($x), $y).item() for $x, $y in self._val_loader)
    return $total

""")
TRAIN = """
def METHOD(self<<|, $verbose=True>>):
    @epochs
        ?30 print('Epoch', $epoch)
        $train_loss = self.train_epoch($epoch)
        @schedule
        $val = self.evaluate()
        print(f'{$epoch} {$train_loss:.6f} {$val:.6f}')
        @end
    @finish
"""
ONE_METHOD = """
def METHOD(self):
    @epochs
        self._model.train()
        $running = 0.0
        for $x, $y in self._loader:
            @batch
            $running += float($loss)
        @schedule
        $val = self.evaluate()
        self.history.append($val)
        print($epoch, $running, $val)
        @end
    @finish
"""
EPOCHS = variants("""
for $epoch in range(self._epochs):
---
for $epoch in range(1, self._epochs + 1):
---
for self.epoch in range(self._epochs):
---
self.epoch = 0
while self.epoch < self._epochs:
    self.epoch += 1
""")
END = variants("""

---
if $val < self.best:
    self.best = $val
    self.save()
---
self.best = min(self.best, $val)
---
if self.stop($val):
    <<break|return self.best>>
---
if $val < self.best:
    self.best, self.bad = $val, 0
else:
    self.bad += 1
    if self.bad >= 1:
        print('stopped'); break
""")
FINISH = variants("""

---
return self.best
---
print('finished')
return self.history
---
self._model.eval()
return self
""")
SAVE = """
def save(self<<, $path='best.pt'|>>):
    torch.save(self._model.state_dict(), 'best.pt')
    print('saved')
"""
STOP = """
def stop(self, $value):
    self.bad = self.bad + 1 if $value >= self.best else 0
    self.best = min(self.best, $value)
    return self.bad >= 1
"""
SETUP = """
@seeds
@data
$val_set = TensorDataset(torch.randn(7, 4), torch.randn(7, 1))
@make
"""
MAKE = variants("""
$trainer = $Trainer($Net(), DataLoader($dataset, batch_size=5, shuffle=True), DataLoader($val_set, 4))
---
$model = $Net()
$loader, $val_loader = DataLoader($dataset, batch_size=4, shuffle=True), DataLoader($val_set, 4)
$trainer = $Trainer($model, $loader, <<$val_loader|$val_loader=$val_loader>>, $epochs=2)
---
$model, $epochs = $Net(), 3
$trainer = $Trainer($model, DataLoader($dataset, 6, shuffle=True), DataLoader($val_set, 7), $epochs)
""")
AFTER = """
print('best', $trainer.best, $trainer.steps, len($trainer.history))
?40 print('total', $trainer.total)
?40 print('weights', sum(p.sum().item() for p in $trainer._model.parameters()))
?30 print('evaluated', $trainer.evaluate())
?20 $trainer.describe()
"""


def make(draw: Draw, seed: int) -> Parts:
    imports, method = common.head(draw), draw.pick(["train", "fit", "run", "__call__", "train_model"])
    scheduler = draw.some(SCHEDULER, 0.3)
    optimizer = draw.text(draw.pick(OPTIMIZERS))
    batch_method = draw.maybe(0.3)
    batch = "$loss = self.train_batch($x, $y)" if batch_method else STEP
    epochs = draw.pick(EPOCHS)
    end, blocks = draw.pick(END), {"step": STEP, "in_batch": IN_BATCH, "batch": batch, "finish": FINISH}
    blocks |= {"epochs": epochs, "schedule": "self._scheduler.step()" if scheduler else "", "end": end}
    two_methods = draw.maybe(0.65)
    methods = [draw.text(TRAIN if two_methods else ONE_METHOD, **blocks).replace("METHOD", method)]
    methods += [draw.text(EPOCH, **blocks)] if two_methods else []
    methods += [draw.text(BATCH, **blocks)] if batch_method else []
    others = [draw.text(draw.pick(EVALUATE))]
    others += (
        [MAKE_OPTIMIZER] * ("make_optimizer" in optimizer) + [SAVE] * ("save()" in end) + [STOP] * ("stop(" in end)
    )
    inherits = draw.maybe(0.25)
    super_call = draw.pick(["super().__init__($model)", "Base.__init__(self, $model)"]) if inherits else OWN_STATE
    parent = others if draw.maybe() else others[:1]
    mine = methods + ([o for o in others if o not in parent] if inherits else others)
    init = draw.text(INIT, super=super_call, optimizer=optimizer, scheduler=scheduler)
    text = draw.text(
        BASE if inherits else CLASS, init=init, methods="\n".join(draw.shuffled(mine)), parent_methods="\n".join(parent)
    )
    text = without_hidden_epoch(text, epochs)
    after = draw.text(AFTER)
    after = after if "def describe" in text else re.sub(r"\$trainer.describe\(\)", "", after)
    text, after = public_names(draw, text, after)
    body = draw.pick(["CALL", "$returned = CALL", "CALL\nprint('trained')"]).replace("CALL", f"$trainer.{method}()")
    body = body.replace(".__call__", "")
    setup = draw.text(SETUP, seeds=common.SEEDS, data=common.DATASETS, make=MAKE)
    pieces = [imports + "\n" + draw.text(draw.pick(common.NETS)) + "\n\n" + text + "\n", setup, body, after]
    done = [common.finished(draw, t, imports, seed=seed) for t in pieces]
    return Parts(*done, layouts=("module", "guard", "main", "function"), splits=False, nasty=draw.pick([0.0, 0.2]))


def without_hidden_epoch(text: str, epochs: str) -> str:
    """Where the epoch is an attribute, the methods read it from there."""
    if "self.epoch" not in epochs:
        return text
    text = re.sub(r"def train_epoch\(self, .*\):", "def train_epoch(self):", text)
    return re.sub(r"\$epoch\b", "self.epoch", text.replace("train_epoch($epoch)", "train_epoch()"))


def public_names(draw: Draw, text: str, after: str) -> tuple[str, str]:
    """`self._model` under the names that people use; private ones only when nothing outside reads them."""
    for name, pool in {
        "_model": ["model", "net", "_model"],
        "_optimizer": ["optimizer", "opt", "_optimizer", "optim"],
        "_loader": ["loader", "train_loader", "dataloader", "_loader"],
        "_val_loader": ["val_loader", "test_loader", "_val"],
        "_criterion": ["criterion", "loss_fn", "_loss"],
        "_scheduler": ["scheduler", "sched"],
        "_epochs": ["epochs", "n_epochs", "max_epochs", "_epochs"],
    }.items():
        private = [f"__{name[1:]}"] if name != "_model" and "class Base" not in text else []
        chosen = draw.pick(pool + private)
        text, after = (re.sub(rf"(\bself|\$trainer)\.{name}\b", rf"\1.{chosen}", t) for t in (text, after))
    return text, after
