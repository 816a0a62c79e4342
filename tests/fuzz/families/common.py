"""What most families share: imports, small networks and data, optimizers, reports."""

from __future__ import annotations

from tests.fuzz.families.draw import Draw, variants

NETS = variants("""
class $Net(nn.Module):
    def __init__(self, inputs=4, outputs=OUTPUTS):
        super().__init__()
        self.first = nn.Linear(inputs, <<5|6>>)
        self.last = nn.Linear(self.first.out_features, outputs)
        self.drop = nn.Dropout(<<0.1|0.4>>)

    def forward(self, x):
        return self.last(self.drop(<<torch.relu|torch.tanh|F.relu>>(self.first(x))))

---
def $Net(inputs=4, outputs=OUTPUTS):
    act, drop = <<nn.ReLU()|nn.Tanh()>>, <<nn.Dropout(0.2)|nn.Identity()>>
    return nn.Sequential(nn.Linear(inputs, 5), act, drop, nn.Linear(5, outputs))

---
class $Net(nn.Module):
    def __init__(self, inputs=4, outputs=OUTPUTS):
        super(<<$Net, self|>>).__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 6), nn.<<BatchNorm1d|LayerNorm>>(6), nn.ReLU())
        self.head = nn.Linear(6, outputs)

    def forward(self, x):
        return self.head(self.body(x))

""")

HEAD = """
?30 \"\"\"What the script does.\"\"\"

<<import copy|import copy  # for the best weights>>
import itertools
import random
import sys

import numpy as np
import torch
@nn
@optim
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
@more

"""

SEEDS = variants("""
torch.manual_seed(SEED)
random.seed(SEED)
np.random.seed(SEED)
---
torch.manual_seed(SEED); random.seed(SEED)
---
$seed = SEED
torch.manual_seed($seed)
random.seed($seed)
""")

RATES = "lr=<<0.1|0.05|1e-2>>"
OPTIMIZERS = [
    f"$optimizer = OPTIM.SGD($model.parameters(), {RATES})",
    f"$optimizer = OPTIM.SGD($model.parameters(), {RATES}, momentum=0.9)",
    f"$optimizer = OPTIM.Adam($model.parameters(), {RATES})",
    f"$optimizer = OPTIM.RMSprop(params=$model.parameters(), {RATES})",
    f"$params = [p for p in $model.parameters() if p.requires_grad]\n$optimizer = OPTIM.AdamW($params, {RATES})",
]

SCHEDULERS = [
    "$scheduler = torch.optim.lr_scheduler.StepLR($optimizer, step_size=<<1|2>>, gamma=0.7)",
    "$scheduler = torch.optim.lr_scheduler.ExponentialLR($optimizer, 0.9)",
    "$scheduler = torch.optim.lr_scheduler.LambdaLR($optimizer, lambda k: 1 / (k + 1))",
]

DATASETS = variants("""
$features = torch.randn(COUNT, 4)
$labels = TARGETS
$dataset = TensorDataset($features, $labels)

---
$features, $labels = torch.rand(COUNT, 4), TARGETS0
$dataset = TensorDataset($features, $labels)

""")

LOADERS = [
    "$loader = DataLoader($dataset, batch_size=<<4|5|8>>, shuffle=<<True|True|False>><<||, drop_last=True>>)",
    "$loader = DataLoader($dataset, <<4|6>>, True, generator=torch.Generator().manual_seed(3))",
]

CLEAR = ["$optimizer.zero_grad()", "$optimizer.zero_grad()", "$optimizer.zero_grad(set_to_none=<<True|False>>)"]
CLIP = variants("""
nn.utils.clip_grad_norm_($model.parameters(), <<0.5|1.0>>)
---
torch.nn.utils.clip_grad_value_($model.parameters(), 0.1)
---
for $p in $model.parameters():
    $p.grad.data.mul_(0.9)
""")

AFTER = variants("""
print('weights', sum(p.sum().item() for p in $model.parameters()))
---
torch.save($model.state_dict(), '<<model|last>>.pt')
---
$model.eval()
with torch.no_grad():
    print('predict', $model(torch.ones(2, 4)).sum().item())
---
print('drawn', torch.rand(1).item(), random.random())
---
print('mode', $model.training, [p.grad is None for p in $model.parameters()])
""")


def head(draw: Draw, more: str = "") -> str:
    """Imports; `OPTIM` in later text becomes what `optim_name` says of them."""
    optim = draw.pick(["import torch.optim as optim", "from torch import optim", "from torch import optim as O", ""])
    nn = draw.pick(["from torch import nn", "import torch.nn as nn"])
    return draw.text(HEAD, nn=nn, optim=optim, more=more)


def finished(draw: Draw, text: str, imports: str, *, seed: int, classes: int = 1) -> str:
    """The placeholders in capitals filled in."""
    optim = (
        "optim" if "import optim\n" in imports or "as optim" in imports else "O" if "as O" in imports else "torch.optim"
    )
    # No last batch of one: batch norm refuses that.
    count = draw.pick([12, 15, 18, 20, 23])
    targets = "($features[:, 0] > 0).long()" if classes > 1 else "$features.sum(1, keepdim=True)"
    text = text.replace("OPTIM.", optim + ".").replace("COUNT", str(count)).replace("SEED", str(seed))
    other = f"torch.randint(0, {classes}, ({count},))" if classes > 1 else f"torch.rand({count}, 1)"
    return text.replace("TARGETS0", other).replace("TARGETS", targets).replace("OUTPUTS", str(classes))
