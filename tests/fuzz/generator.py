"""Random single-optimizer training scripts as people write them; `program(seed)` is the same for the same seed.

Every script is valid, deterministic and trains in a few hundredths of a second. What varies: where the code lives
(module, one function, functions with parameters or globals, closures), the loop headers, where gradients are cleared,
clipping, schedulers, metrics and what lives across steps, epochs and training, control flow, kinds and places of
evaluation, random draws, names, comments and indentation.
"""

from __future__ import annotations

import random

from tests.fuzz import names as naming
from tests.fuzz import snippets as s
from tests.fuzz.formatting import indent, styled
from tests.fuzz.loops import Loops
from tests.fuzz.snippets import Lines, filled

LAYOUTS = ["module", "guard", "function", "functions_and_globals", "functions_and_main", "closures"]
SCHEDULES = [None, None, "before_eval", "after_eval", "epoch_start", "batch", "plateau"]
EVALUATIONS = ["none", "each", "each", "each", "first", "every_other", "after", "both", "midway", "midway"]


class Generator(Loops):
    """One script; each method returns the lines of one part of it, indented by four spaces a level."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        self.layout = self.rng.choice(LAYOUTS)
        self.nasty = self.rng.choice([0.0, 0.0, 0.1, 0.3])
        self.names = naming.choose(self.rng, self.nasty)
        self.classify = self.maybe(0.6)
        self.uses_device = self.maybe(0.4)
        self.uses_tqdm = self.maybe(0.2)
        self.uses_aux = self.maybe(0.15)
        self.functional_loss = self.maybe(0.3)
        self.evaluation = self.rng.choice(EVALUATIONS)
        self.schedule = self.rng.choice(SCHEDULES)
        if self.schedule == "plateau" and self.evaluation != "each":
            self.schedule = "after_eval"
        self.metrics = self.choose_metrics()
        if self.layout == "functions_and_main":  # nothing that a function would have to declare global
            self.metrics = [m for m in self.metrics if not m.shared]

    def program(self) -> str:
        head = self.rng.choice([[], [f'"""Script {self.seed}."""', ""], ["#!/usr/bin/env python", f"# {self.seed}"]])
        make = getattr(self, f"as_{self.layout}")
        return styled(self.rng, [*head, *self.imports(), "", *self.net(), "", *self.data(), *make()])

    # --- above the training -------------------------------------------------------------------------------------------

    def imports(self) -> Lines:
        lines = [
            "import random",
            "import sys",
            "from types import SimpleNamespace",
            "",
            "import numpy as np",
            "import torch",
            "import torch.nn as nn",
        ]
        lines += ["import torch.nn.functional as F", "from torch.utils.data import DataLoader, Dataset, TensorDataset"]
        return lines + (["from tqdm import tqdm, trange"] if self.uses_tqdm else [])

    def net(self) -> Lines:
        act = self.rng.choice(["nn.ReLU()", "nn.Tanh()", "nn.Sequential(nn.LayerNorm(6), nn.ReLU())"])
        text = (
            "\n".join(filled(s.NET, self.names)).replace("ACT", act).replace("OUTPUTS", "3" if self.classify else "1")
        )
        return text.replace("DROP", self.rng.choice(["0.1", "0.3", "0.5"])).splitlines()

    def data(self) -> Lines:
        targets = "(x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()" if self.classify else "x.sum(1, keepdim=True)"
        text = "\n".join(self.rng.choice(s.DATA)).replace("TARGETS", targets)
        return [*text.replace("TARGET", "int(x[0] > 1)" if self.classify else "x.sum().view(1)").splitlines(), "", ""]

    def setup(self) -> Lines:
        """Everything between the definitions and the epoch loop."""
        lines = [f"torch.manual_seed({self.seed})", f"random.seed({self.seed})", f"np.random.seed({self.seed})"]
        if self.uses_device:
            lines.append("$device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')")
        lines.append(f"$epochs = {self.rng.choice([2, 3])}  # epochs")
        lines += self.loaders()
        lines.append("$model = $Net()" + ".to($device)" * self.uses_device)
        lines.append("$args = SimpleNamespace(scale=1.0, seen=0, bad=0)")
        lines += ["$aux = nn.Dropout(0.3)"] * self.uses_aux
        if not self.functional_loss:
            lines.append(f"$criterion = {'nn.CrossEntropyLoss()' if self.classify else 'nn.MSELoss()'}")
        lines += self.rng.choice(s.OPTIMIZERS)
        if self.schedule == "plateau":
            lines.append("$scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau($optimizer, patience=0, factor=0.5)")
        elif self.schedule:
            lines += self.rng.choice(s.SCHEDULERS)
        lines += [m.init for m in self.metrics if m.shared]
        return filled([*lines, "$history = []", "$best = float('inf')", "$result = None"], self.names)

    def loaders(self) -> Lines:
        size = self.rng.choice([4, 5, 8])
        count = size * self.rng.randint(2, 4) + self.rng.choice([0, 0, 1, 3])
        options = self.rng.choice(["", "", ", drop_last=True", ", generator=torch.Generator().manual_seed(3)"])
        shuffle, other = self.rng.choice(["True", "True", "False"]), self.rng.choice(["True", "False"])
        return [
            f"$loader = DataLoader(make_data({count}), batch_size={size}, shuffle={shuffle}{options})",
            f"$val_loader = DataLoader(make_data(11), batch_size=4, shuffle={other})",
        ]

    # --- layouts ------------------------------------------------------------------------------------------------------

    def as_module(self) -> Lines:
        return [*self.setup(), "", *self.epoch_loop(), "", *self.afterwards()]

    def as_guard(self) -> Lines:
        return ["if __name__ == '__main__':", *indent(self.as_module())]

    def as_function(self) -> Lines:
        returned = filled(["return $model"], self.names) if self.maybe(0.4) else []
        return self.main([*self.as_module(), *returned])

    def as_functions_and_globals(self) -> Lines:
        functions = self.functions(by_parameter=self.rng.choice([0.0, 0.5, 1.0]), declare="global")
        first, second = (self.setup(), functions) if self.maybe(0.5) else (functions, self.setup())
        return [*first, "", "", *second, "", *self.epoch_loop(), "", *self.afterwards()]

    def as_functions_and_main(self) -> Lines:
        return [*self.functions(by_parameter=1.0, declare=""), *self.main(self.as_module())]

    def as_closures(self) -> Lines:
        functions = self.functions(by_parameter=self.rng.choice([0.0, 0.3]), declare="nonlocal")
        return self.main([*self.setup(), "", *functions, *self.epoch_loop(), "", *self.afterwards()])

    def main(self, body: Lines) -> Lines:
        call = ["$main()"] if self.maybe(0.3) else ["if __name__ == '__main__':", "    $main()"]
        return [*filled(["def $main():"], self.names), *indent(body), "", "", *filled(call, self.names)]


def program(seed: int) -> str:
    """The script number `seed`."""
    return Generator(seed).program()
