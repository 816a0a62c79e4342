"""The loops of a random script: training, evaluation and epochs, with what stands around them."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.fuzz import names as naming
from tests.fuzz import snippets as s
from tests.fuzz.formatting import indent
from tests.fuzz.metrics import HITS, OTHER, RUNNING, Metric
from tests.fuzz.snippets import Lines, filled


class Loops:
    """Mixed into the generator, which makes the choices; its methods return templates filled with names."""

    rng: random.Random
    names: dict[str, str]
    nasty: float
    metrics: list[Metric]
    schedule: str | None
    evaluation: str
    classify: bool
    uses_device: bool
    functional_loss: bool
    uses_tqdm: bool
    uses_aux: bool
    train_call: str = ""
    train_returns: bool = False
    returns_pair: bool = False
    evaluate_call: str = ""
    bar: bool = False

    def maybe(self, p: float) -> bool:
        return self.rng.random() < p

    def some(self, pool: list[Lines], p: float) -> Lines:
        """One of the pieces with probability p, else nothing."""
        return list(self.rng.choice(pool)) if self.maybe(p) else []

    def choose_metrics(self) -> list[Metric]:
        hits = HITS[self.classify]
        chosen = [self.rng.choice(RUNNING)] if self.maybe(0.8) else []
        chosen += self.rng.sample(OTHER, k=self.rng.choice([0, 1, 1, 2]))
        metrics = {m.role: replace(m, update=m.update.replace("HITS", hits)) for m in chosen}
        return [replace(m, shared=m.shared or (m.role == "extra" and self.maybe(0.5))) for m in metrics.values()]

    def loss_of(self, out: str, y: str) -> str:
        if self.functional_loss:
            return f"F.cross_entropy({out}, {y})" if self.classify else f"F.mse_loss({out}, {y})"
        return f"$criterion({out}, {y})"

    def forward(self, x: str) -> str:
        return f"$model($aux({x}))" if self.uses_aux else f"$model({x})"

    # --- one epoch of training ----------------------------------------------------------------------------------------

    def train_body(self, n: dict[str, str]) -> Lines:
        """From `model.train()` to the report."""
        lines = [self.rng.choice(s.TRAIN_MODE)] if self.maybe(0.75) else []
        lines += [m.init for m in self.metrics if not m.shared]
        header = self.rng.choice(s.HEADERS)
        loader = self.rng.choice(s.LOADERS) if self.uses_tqdm else "$loader"
        if self.uses_tqdm and self.maybe(0.4):
            loader, self.bar = "$bar", True
            lines.append(self.rng.choice(s.BARS))
        indexed = "$i" in header[0]
        lines += [line.replace("LOADER", loader) for line in header] + indent(self.batch_body(indexed))
        lines += ["else:", "    print('no break')"] if self.maybe(0.05) else []
        return filled(lines + self.report(indexed), n)

    def batch_body(self, indexed: bool) -> Lines:
        zero, place = self.rng.choice(s.ZERO), self.rng.choice(["first", "mid", "mid", "last"])
        lines = ["$x, $y = $x.to($device), $y.to($device)"] if self.uses_device else []
        lines += self.some(s.BEFORE_FORWARD, 0.2)
        lines += zero if place == "first" else []
        lines += [f"$out = {self.forward('$x')}", f"$loss = {self.loss_of('$out', '$y')}"]
        lines += self.some(s.BEFORE_BACKWARD, 0.2)
        lines += zero if place == "mid" else []
        lines += ["$loss.backward()", *self.some(s.AFTER_BACKWARD, 0.3), "$optimizer.step()"]
        lines += zero if place == "last" else []
        lines += ["$scheduler.step()"] if self.schedule == "batch" else []
        for metric in self.metrics:
            lines += metric.update.splitlines()
        if self.maybe(0.4):
            lines.append("if $i % 2 == 0:" if indexed else "if $loss.item() > 0.2:")
            lines += indent(self.rng.choice(s.PRINTS))
        lines += self.some(s.ON_BAR, 0.8 if self.bar else 0)
        lines += self.midway(indexed) if self.evaluation == "midway" else []
        return lines + self.some(s.INDEXED_END, 0.12 if indexed else 0) + self.some(s.END_OF_BATCH, 0.35)

    def midway(self, indexed: bool) -> Lines:
        """An evaluation after some of the batches, as a template."""
        whens = ["if $loss.item() > 0.4:", "if random.random() < 0.5:", *(["if $i % 2 == 1:"] * 3 if indexed else [])]
        lines = [self.rng.choice(whens), *indent(self.evaluation_lines())]
        if self.maybe(0.3):
            lines += ["else:", "    print('not now')"]
        return lines + (["print('behind it', $loss.item(), $x.shape)"] if self.maybe(0.4) else [])

    def report(self, indexed: bool) -> Lines:
        lines = [f"print('report', $epoch, {m.report})" for m in self.metrics if self.maybe(0.7)]
        lines += self.some(s.AFTER_LOOP, 0.5)
        return lines + (["print('index', $i, $i / len($loader))"] if indexed and self.maybe(0.25) else [])

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def evaluate_body(self, n: dict[str, str]) -> Lines:
        """Leaves the value in `result`."""
        return filled(self.evaluation_lines(), n)

    def evaluation_lines(self) -> Lines:
        """The same as a template."""
        sums = ["val_total", "val_total" if self.evaluation == "midway" else "$running"]
        total, index = self.rng.choice(sums), self.rng.choice(["k", "$i"])
        x, y, value = ("$x", "$y", "$loss") if self.maybe(0.6) else ("vx", "vy", "vl")
        compute = f"{value} = {self.loss_of(self.forward(x), y)}"
        update = f"{total} += {value}.item()" + self.rng.choice(["", f" * len({x})"])
        loader = "tqdm($val_loader)" if self.uses_tqdm and self.maybe(0.4) else "$val_loader"
        indexed = f"for {index}, ({x}, {y}) in enumerate({loader}):"
        header = self.rng.choice([f"for {x}, {y} in {loader}:", indexed])
        kind = self.rng.choice(["block", "block", "per_batch", "grad"])
        inner = [f"{x} = {x}.to($device)", f"{y} = {y}.to($device)"] if self.uses_device else []
        inner += ["with torch.no_grad():", f"    {compute}"] if kind == "per_batch" else [compute]
        inner += [update, *([f"print('eval', {value}.item())"] if self.maybe(0.15) else [])]
        if self.maybe(0.1):
            inner += [f"if {total} > 2:", f"    {self.rng.choice(['break', 'continue'])}", "print('small')"]
        loop = [f"{total} = 0.0", header, *indent(inner)]
        lines = [self.rng.choice(s.EVAL_MODE)] if self.maybe(0.75) else []
        lines += ["with torch.no_grad():", *indent(loop)] if kind == "block" else loop
        lines.append(f"$result = {total} / len($val_loader)")
        lines += ["print('evaluation', $result)"] if self.maybe(0.6) else []
        lines += ["$model.train()"] if self.maybe(0.8 if self.evaluation == "midway" else 0.2) else []
        return lines

    # --- functions ----------------------------------------------------------------------------------------------------

    def functions(self, by_parameter: float, declare: str) -> Lines:
        """Both functions in some order; sets the calls that enter them."""
        self.train_call, train = self.function("train", by_parameter, declare)
        self.evaluate_call, evaluate = self.function("evaluate", by_parameter, declare)
        return train + evaluate if self.maybe(0.5) else evaluate + train

    def function(self, kind: str, by_parameter: float, declare: str) -> tuple[str, Lines]:
        """`declare` is the statement for outer names that are assigned: global or nonlocal."""
        roles = (
            ["model"]
            + ["device"] * self.uses_device
            + ["aux"] * self.uses_aux
            + ["criterion"] * (not self.functional_loss)
        )
        if kind == "train":
            roles += ["loader", "optimizer", "epoch", "history", "args"] + ["scheduler"] * (self.schedule == "batch")
            roles += ["val_loader"] * (self.evaluation == "midway")
        else:
            roles += ["val_loader"]
        passed = [role for role in roles if self.maybe(by_parameter)]
        self.rng.shuffle(passed)
        inner = naming.renamed(self.rng, self.names, passed, self.nasty)
        assigned = {self.names[role] for m in self.metrics if m.shared for role in m.assigned}
        body = [f"{declare} {', '.join(sorted(assigned))}"] if assigned and kind == "train" else []
        body += self.train_body(inner) if kind == "train" else self.evaluate_body(inner)
        if kind == "evaluate":
            body.append(f"return {inner['result']}")
        elif self.maybe(0.4):
            self.train_returns = True
            more = self.rng.choice(["", "", f", {inner['epoch']}"])
            body.append(f"return {inner['loss']}.item(){more}")
            self.returns_pair = bool(more)
        return self.signature(kind, passed, inner, body)

    def signature(self, kind: str, passed: list[str], inner: dict[str, str], body: Lines) -> tuple[str, Lines]:
        parameters, arguments = [inner[role] for role in passed], [self.names[role] for role in passed]
        if passed and self.maybe(0.3):  # some by keyword
            k = self.rng.randrange(len(passed))
            arguments[k:] = [f"{p}={a}" for p, a in zip(parameters[k:], arguments[k:], strict=True)]
        if self.maybe(0.2):
            parameters.append("verbose=True")
            body = ["if verbose:", "    print('verbose')", *body]
        head = ['"""What it does."""'] if self.maybe(0.2) else []
        decorator = ["@torch.no_grad()"] if kind == "evaluate" and self.maybe(0.3) else []
        name = self.names[kind]
        return (
            f"{name}({', '.join(arguments)})",
            [*decorator, f"def {name}({', '.join(parameters)}):", *indent(head + body), "", ""],
        )

    # --- epochs -------------------------------------------------------------------------------------------------------

    def train_part(self) -> Lines:
        if not self.train_call:
            return self.train_body(self.names)
        call = self.train_call
        if not self.train_returns or self.maybe(0.2):
            return [call]
        if self.returns_pair:
            return filled(
                [f"train_loss, of_epoch = {call}", "print('trained', $epoch, train_loss, of_epoch)"], self.names
            )
        return filled(self.rng.choice([
            [f"train_loss = {call}", "print('trained', $epoch, train_loss)"],
            [f"print('trained', $epoch, {call})"],
            [f"$history.append({call})"],
            [f"train_loss = round({call}, 4)", "print(f'{train_loss:>10}')"],
        ]), self.names)  # fmt: skip

    def evaluate_part(self) -> Lines:
        if not self.evaluate_call:
            return self.evaluate_body(self.names)
        return [f"{self.names['result']} = {self.evaluate_call}"]

    def epoch_loop(self) -> Lines:
        step = filled(["$scheduler.step()"], self.names)
        header = self.rng.choice(s.EPOCHS + s.EPOCH_BARS * self.uses_tqdm)
        body = filled(self.some(s.START_OF_EPOCH, 0.4), self.names)
        body += step if self.schedule == "epoch_start" else []
        body += self.evaluate_part() if self.evaluation == "first" else []
        body += self.train_part()
        body += step if self.schedule == "before_eval" else []
        if self.evaluation in ("each", "both"):
            body += self.evaluate_part()
        elif self.evaluation == "every_other":
            body += filled(["if $epoch % 2 == 0:"], self.names) + indent(self.evaluate_part())
        body += filled(["$scheduler.step($result)"], self.names) if self.schedule == "plateau" else []
        body += step if self.schedule == "after_eval" else []
        loop = [*filled([header], self.names), *indent(body + filled(self.end_of_epoch(), self.names))]
        if self.maybe(0.08):
            loop = ["try:", *indent(loop), "except KeyboardInterrupt:", "    print('interrupted')"]
        return loop

    def end_of_epoch(self) -> Lines:
        has_result = self.evaluation in ("each", "first", "both")
        return self.some(s.BEST, 0.6 if has_result else 0) + self.some(s.END_OF_EPOCH, 0.5)

    def afterwards(self) -> Lines:
        lines = ["print('done', $best, $result, len($history))"]
        if not self.train_call and self.maybe(0.4):
            lines.append("print('left over', $loss.item(), $x.dim())")
        lines += [f"print('shared', {m.report})" for m in self.metrics if m.shared and "$loss" not in m.report]
        if self.evaluation in ("after", "both"):
            lines += self.evaluate_part()
        return filled(lines + self.some(s.AFTERWARDS, 0.7) + self.some(s.AFTERWARDS, 0.4), self.names)
