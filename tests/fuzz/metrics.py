"""What random scripts follow over the steps; templates as in snippets.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A quantity that a script follows over the steps of an epoch, or of the whole training if `shared`."""

    init: str
    update: str
    report: str
    assigned: tuple[str, ...] = ()  # roles that `update` assigns: what a function has to declare global
    shared: bool = False

    @property
    def role(self) -> str:
        return self.init.split()[0].strip("$,")


HITS = {True: "($out.argmax(1) == $y).sum().item()", False: "($out > $y).sum().item()"}

RUNNING = [
    Metric("$running = 0.0", "$running += $loss.item()", "$running"),
    Metric("$running = 0", "$running += $loss.item() * $x.size(0)", "$running / len($loader.dataset)"),
    Metric("$running = 0.", "$running += $loss.data.item()", "'%.6f' % ($running / len($loader))"),
    Metric("$running = torch.zeros(())", "$running = $running + $loss.detach()", "$running.item()"),
    Metric("$running, $correct = 0.0, 0", "$running += float($loss)\n$correct += HITS", "($running, $correct)"),
    Metric("$running = []", "$running.append($loss.item())", "sum($running) / len($running)"),
]

OTHER = [
    Metric("$counter = 0", "$counter += 1", "$counter", ("counter",), shared=True),
    Metric("$counter = 0", "$counter += len($x)", "$counter * 2", ("counter",), shared=True),
    Metric(
        "$counter = 0", "$counter += 1\nif $counter % 3 == 0:\n    print('step', $counter)", "$counter", ("counter",)
    ),
    Metric(
        "$extra = None",
        "$extra = $loss.item() if $extra is None else 0.9 * $extra + 0.1 * $loss.item()",
        "$extra",
        ("extra",),
    ),
    Metric("$extra = {'n': 0, 'sum': 0.0}", "$extra['n'] += 1\n$extra['sum'] += $loss.item()", "$extra['sum']"),
    Metric(
        "$extra = 0.0",
        "delta = $loss.item() - $extra\n$extra = $loss.item()\nprint('delta', round(delta, 7))",
        "$extra",
        ("extra",),
    ),
    Metric("$extra = -1.0", "if (now := $loss.item()) > $extra:\n    $extra = now", "$extra", ("extra",)),
    Metric("$extra = torch.zeros(4)", "$extra += $x.detach().sum(0)", "$extra.tolist()", ("extra",)),
    Metric("$extra = []", "$extra.append(lambda: $loss.item())", "[f() for f in $extra[:2]]"),
    Metric("$extra = []", "$extra += [v.item() for v in ($loss, $loss * 2)]", "len($extra), $extra[-1]", ("extra",)),
]
