"""Trainer-like classes with twists: properties, overridden methods, objects that forward, callbacks, two objects."""

from __future__ import annotations

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, named, variants
from tests.fuzz.families.parts import Parts

CLASS = """
class $Trainer<<|(object)>>:
    epoch = 0
    @class_level

    def __init__(self, $model, $loader, $val_loader, $epochs=<<2|3>>):
        self.model = $model
        self.loader, self.val_loader = $loader, $val_loader
        self.epochs, self.steps, self.best, self.log = $epochs, 0, float('inf'), []
        self.criterion = nn.MSELoss()
        self.optimizer = <<OPTIM.SGD(self.model.parameters(), lr=0.1, momentum=0.9)|self.make_optimizer()>>
        @init

    def make_optimizer(self):
        return OPTIM.<<SGD|Adagrad>>(self.model.parameters(), lr=0.05)

    def train_step(self, $x, $y):
        @step

    def train_epoch(self<<, $epoch|>>):
        <<self.model.train()|pass>>
        $total = 0.0
        for $i, ($x, $y) in enumerate(self.loader):
            @batch
            self.steps += 1
            @in_batch
        return $total / max($i + 1, 1)

    @evaluate_marks
    def evaluate(self<<, $loader=None|>>):
        self.model.eval()
        $total = 0.0
        with torch.no_grad():
            for $x, $y in <<self.val_loader|iter(self.val_loader)>>:
                $loss = self.criterion(self.model($x), $y)
                $total += $loss.item()
                ?20 self.last = $loss
        ?60 self.model.train()
        return $total

    def end_epoch(self, $epoch, $val):
        @end_epoch

    def fit(self):
        for <<$epoch|self.epoch>> in range(self.epochs):
            @epoch_start
            $train_loss = self.train_epoch(EPOCH)
            <<$val = self.evaluate()|$val = $train_loss>>
            print(EPOCH_OR, $train_loss, $val)
            @in_epoch
            if self.end_epoch(EPOCH_OR, $val):
                <<break|return self.best>>
        ?40 return self.log
    @methods
"""
STEPS = variants("""
self.optimizer.zero_grad()
$out = self.model($x)
$loss = self.criterion($out, $y)
$loss.backward()
self.optimizer.step()
return $loss.item()
---
self.optimizer.zero_grad()
$loss = self.criterion(self.model($x), $y)
$loss.backward()
?50 nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
self.optimizer.step()
?30 self.optimizer.zero_grad()
<<self.last = $loss|pass>>
return float($loss)
""")
BATCHES = variants("""
$total += self.train_step($x, $y)
---
self.optimizer.zero_grad()
$loss = self.criterion(self.model($x), $y)
$loss.backward()
self.optimizer.step()
$total += $loss.item()
---
$loss = self.criterion(self.model($x), $y)
self.optimizer.zero_grad()
$loss.backward()
self.optimizer.step()
$total = $total + $loss.item()
""")
END_EPOCHS = variants("""
if $val < self.best:
    self.best = $val
    torch.save(self.model.state_dict(), 'best.pt')
return False
---
self.log.append(($epoch, $val))
return $val > self.best
---
self.best = min(self.best, $val)
return self.steps > <<5|8>>
""")
# Parts of the class, lines of the script, and what stands behind it.
TWISTS = named("""
=== loud_model
class_level:
    @property
    def model(self):
        print('model')
        return self._model

    @model.setter
    def model(self, value):
        self._model = value
=== counted_optimizer
class_level:
    asked = 0

    @property
    def optimizer(self):
        $Trainer.asked += 1
        return self.__dict__['chosen']

    @optimizer.setter
    def optimizer(self, value):
        self.__dict__['chosen'] = value
after:
    print('asked', $trainer.asked)
=== loader_property
class_level:
    @property
    def loader(self):
        return DataLoader(self.data, batch_size=4, shuffle=True)

    @loader.setter
    def loader(self, value):
        self.data = value.dataset
=== forwards
class_level:
    def __getattr__(self, name):
        if name == 'lr':
            print('lr asked')
            return self.optimizer.param_groups[0]['lr']
        raise AttributeError(name)
in_epoch:
    print('lr', self.lr)
=== watched
class_level:
    changes = []

    def __setattr__(self, name, value):
        $Trainer.changes.append(name)
        object.__setattr__(self, name, value)
after:
    print('changes', len($trainer.changes), sorted(set($trainer.changes)))
=== watched_reads
class_level:
    def __getattribute__(self, name):
        if name in ('criterion', 'steps'):
            print('reads', name)
        return object.__getattribute__(self, name)
=== overridden_step
below:
    class $Special($Trainer):
        def train_step(self, $x, $y):
            print('special')
            return super().train_step($x * 2, $y)
=== overridden_epoch
below:
    class $Special($Trainer):
        def train_epoch(self, *args):
            $value = super().train_epoch(*args)
            print('epoch over', random.random())
            return $value
=== overridden_evaluation
below:
    class $Special($Trainer):
        def evaluate(self, *args):
            return 0.5 + super().evaluate(*args)
=== overridden_end
below:
    class $Special($Trainer):
        def end_epoch(self, $epoch, $val):
            print('special end', $epoch)
            return False
=== overridden_model
below:
    class $Special($Trainer):
        @property
        def model(self):
            return self.nets[self.steps % 1]

        @model.setter
        def model(self, value):
            self.nets = [value]
=== replaced_method
setup:
    $trainer.end_epoch = lambda $epoch, $val: print('replaced', $epoch)
=== replaced_on_the_class
setup:
    $original = $Trainer.train_step
    $Trainer.train_step = lambda self, $x, $y: print('patched') or $original(self, $x, $y)
=== replaced_loader
setup:
    $trainer.loader = list($trainer.loader)
=== callbacks
init:
    self.callbacks = [lambda t: print('callback', t.steps), lambda t: t.log.append(t.steps)]
in_batch:
    for callback in self.callbacks:
        callback(self)
=== callback_that_uses_the_model
init:
    self.callback = lambda: print('weights', sum(p.sum().item() for p in self.model.parameters()))
in_batch:
    self.callback()
=== model_replaced
epoch_start:
    if self.steps > 2:
        self.model = copy.deepcopy(self.model)
=== optimizer_replaced
epoch_start:
    if self.steps > 2:
        self.optimizer = self.make_optimizer()
=== optimizer_by_name
init:
    setattr(self, 'optimizer', OPTIM.Adam(self.model.parameters(), lr=0.01))
=== criterion_replaced
in_epoch:
    self.criterion = nn.L1Loss()
=== rate_by_hand
in_epoch:
    for $group in self.optimizer.param_groups:
        $group['lr'] *= 0.5
=== schedule
init:
    self.scheduler = OPTIM.lr_scheduler.StepLR(self.optimizer, 1, 0.5)
in_epoch:
    self.scheduler.step()
    print('lr', self.scheduler.get_last_lr())
=== accumulators
init:
    self.running = 0.0
in_batch:
    self.running += $total
in_epoch:
    print('running', self.running)
    self.running = 0.0
=== loss_kept
in_batch:
    self.kept = $total
after:
    print('kept', $trainer.kept)
=== averaged
init:
    self.average = copy.deepcopy(self.model)
in_batch:
    with torch.no_grad():
        for $p, $q in zip(self.model.parameters(), self.average.parameters()):
            $q.lerp_($p, 0.1)
after:
    print('average', sum(p.sum().item() for p in $trainer.average.parameters()))
=== two_objects
after:
    $other = $Trainer(copy.deepcopy($trainer.model), $loader, $val_loader, 2)
    print('other', $other.fit(), $other.steps)
=== fitted_twice
after:
    print('again', $trainer.fit(), $trainer.steps)
=== used_by_hand
after:
    print('by hand', $trainer.train_step($features[:4], $labels[:4]), $trainer.evaluate())
=== state_dict
methods:
    def state_dict(self):
        return {'model': self.model.state_dict(), 'optimizer': self.optimizer.state_dict(), 'steps': self.steps}
in_epoch:
    torch.save(self.state_dict(), 'state.pt')
=== resumed
methods:
    def load(self):
        self.start = 1
        self.steps = 10
init:
    self.start = 0
    self.load()
epoch_start:
    if self.steps < self.start:
        continue
=== items
methods:
    def __len__(self):
        print('len', random.random())
        return len(self.loader)
in_epoch:
    print('batches', len(self))
=== names_of_the_module
init:
    self.trainer, self.current_epoch, self.training = self, 7, 'yes'
in_batch:
    self.current_epoch += 1
after:
    print($trainer.current_epoch, $trainer.training)
=== context
methods:
    def __enter__(self):
        print('enter')
        return self

    def __exit__(self, *error):
        print('exit')
in_epoch:
    with self:
        print('inside', self.steps)
=== early_exit
in_batch:
    if self.steps > <<3|6>>:
        <<break|return $total>>
=== skipped
in_batch:
    if len($x) < 5:
        continue
    print('long', $i)
=== exception
in_batch:
    if self.steps == 5:
        raise ValueError('five')
=== frozen
init:
    for $p in list(self.model.parameters())[:2]:
        $p.requires_grad = False
epoch_start:
    if self.steps:
        self.model.requires_grad_(True)
=== gradients_seen
in_batch:
    print('grads', [None if p.grad is None else p.grad.sum().item() for p in self.model.parameters()][-1:])
=== decorated
class_level:
    def $logged(f):
        def inner(self, *args):
            print('call', f.__name__)
            return f(self, *args)
        return inner
evaluate_marks:
    @$logged
=== quiet_decorator
evaluate_marks:
    @torch.no_grad()
""")
SETUP = """
@seeds
@data
$loader = DataLoader($dataset, batch_size=5, shuffle=True)
$val_loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randn(8, 1)), batch_size=3)
$trainer = $Class($Net(), $loader, $val_loader)
"""
BODIES = variants("""
print('fit', $trainer.fit())
---
$trainer.fit()
---
try:
    $trainer.fit()
except ValueError as error:
    print('failed', error)
""")
AFTER = """
print('steps', $trainer.steps, $trainer.best, len($trainer.log))
?50 print('weights', sum(p.sum().item() for p in $trainer.model.parameters()))
?30 print('drawn', torch.rand(1).item(), random.random())
"""


def slots(text: str) -> dict[str, str]:
    """The blocks under lines `slot:`."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            found[line.rstrip(":")] = lines = []
        else:
            lines.append(line[4:])
    return {name: "\n".join(lines).strip("\n") for name, lines in found.items()}


def make(draw: Draw, seed: int) -> Parts:
    twists = [slots(TWISTS[name]) for name in draw.shuffled(list(TWISTS))[: draw.pick([1, 2, 2, 3])]]
    below = [twist for twist in twists if "below" in twist]
    twists = [twist for twist in twists if twist not in below[1:]]
    filled = {
        name: "\n".join(twist[name] for twist in twists if name in twist)
        for name in ("class_level", "init", "in_batch", "in_epoch", "epoch_start", "methods", "evaluate_marks")
    }
    blocks = {"step": STEPS, "batch": BATCHES, "end_epoch": END_EPOCHS, **filled}
    text = with_epoch(draw.text(CLASS, **blocks))
    subclass = draw.text(below[0]["below"]) if below else ""
    imports = common.head(draw)
    head = "\n\n\n".join([imports, draw.text(draw.pick(common.NETS)), text, subclass])
    setup = draw.text(SETUP, seeds=common.SEEDS, data=common.DATASETS)
    setup = setup.replace("$Class", "$Special" if below else "$Trainer")
    setup += "\n" + draw.text("\n".join(twist.get("setup", "") for twist in twists))
    body = draw.text(draw.pick(BODIES if "raise ValueError" not in text else BODIES[2:]))
    after = draw.text(AFTER) + "\n" + draw.text("\n".join(twist.get("after", "") for twist in twists))
    done = (common.finished(draw, t, imports, seed=seed) for t in (head, setup.rstrip(), body, after.rstrip()))
    return Parts(*done, layouts=("module", "guard", "main"), splits=False)


def with_epoch(text: str) -> str:
    """The epoch as an attribute or as an argument, as the methods have it."""
    held = "for self.epoch in" in text
    argument = ("self.epoch" if held else "$epoch") if "train_epoch(self, $epoch)" in text else ""
    return text.replace("EPOCH_OR", "self.epoch" if held else "$epoch").replace("EPOCH", argument)
