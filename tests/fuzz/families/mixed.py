"""One loop over epochs and one over batches, with several features of tests/fuzz/features/ at once.

A feature is a name and templates for some of the slots of a script:

* `head` (definitions at the top), `setup`, `helper` (a function near the loop), `after` (behind everything);
* `epoch` and `end` of each epoch, `behind` the loop over the epochs, `bar` right in front of the batches;
* `batch`, `loss`, `backward` and `stepped`: in front of the step, behind the loss, behind backward(), behind the step;
* `step` in the place of the usual one, `iterate` in the place of the loader;
* `wrap` and `around`: blocks around `@loops` over the epochs and around `@inner`, the loop over the batches.
"""

from __future__ import annotations

import pathlib
import re

from tests.fuzz.families import common
from tests.fuzz.families.draw import Draw, named, variants
from tests.fuzz.families.parts import ALL, Parts
from tests.fuzz.formatting import indent

FOLDER = pathlib.Path(__file__).parent.parent / "features"
ONCE = ("step", "iterate", "bar")  # slots that one feature only may fill
Feature = dict[str, str]

SETUP = """
@seeds
@data
@loader
$val_loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.randn(8, 1)), batch_size=3<<|, shuffle=True>>)
$epochs = <<2|3>>
$model = $Net()
$criterion = nn.MSELoss()
@optimizer
$total, $best, $bad, $history = 0.0, float('inf'), 0, []
"""
STEPS = variants("""
$optimizer.zero_grad()
$out = $model($x)
$loss = $criterion($out, $y)
@loss
$loss.backward()
@backward
$optimizer.step()
---
$out = $model($x)
$loss = $criterion($out, $y)
@loss
@clear
$loss.backward()
@backward
$optimizer.step()
---
$out = $model($x)
$loss = $criterion($out, $y)
@loss
$loss.backward()
@backward
$optimizer.step()
$optimizer.zero_grad()
""")
LOOPS = variants("""
for $epoch in range($epochs):
    @whole
---
for $epoch in range($epochs):
    @whole
---
for $epoch in range(1, $epochs + 1):
    @whole
---
$epoch = -1
while $epoch < $epochs - 1:
    $epoch += 1
    @whole
---
for $epoch, $unused in enumerate(['first', 'second']):
    @whole
""")
WHOLE = """
@epoch
?60 $model.train()
@bar
@inner
@end
"""
HEADERS = ["for $i, ($x, $y) in enumerate(LOADER):", "for $i, $batch in enumerate(LOADER):\n    $x, $y = $batch"]


def features() -> list[Feature]:
    """All features, each with its name."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for name, text in named(path.read_text()).items():
            slots = re.findall(r"^(\S[^\n]*):\n((?:    [^\n]*\n|\n)*)", text + "\n", re.MULTILINE)
            found.append({"name": f"{path.stem}.{name}", **dict(slots)})
    return found


FEATURES = features()


def chosen(draw: Draw) -> list[Feature]:
    """Some features, with their choices made, that can stand in one script."""
    found: list[Feature] = []
    usual = [feature for feature in FEATURES if feature["name"].startswith("usual.")]
    drawn = draw.shuffled(usual)[: draw.pick([0, 1, 2, 3, 4])]
    for feature in draw.shuffled(drawn + draw.shuffled(FEATURES)[: draw.pick([1, 1, 2, 3])]):
        made = {draw.inline(slot): draw.text(text) for slot, text in feature.items()}
        if not any(clash(made, other) for other in found):
            found.append(made)
    return found


def clash(one: Feature, other: Feature) -> bool:
    """Whether two features fill a slot that has room for one, or define the same thing."""
    if any(slot in one and slot in other for slot in ONCE):
        return True
    return bool(defined(one) & defined(other))


def defined(feature: Feature) -> set[str]:
    text = feature.get("head", "") + "\n" + feature.get("helper", "")
    return set(re.findall(r"^(?:def|class) (\$\w+)", text, re.MULTILINE))


def slot(found: list[Feature], name: str) -> str:
    return "\n".join(feature[name] for feature in found if name in feature)


def wrapped(found: list[Feature], name: str, mark: str, text: str) -> str:
    """The text in the blocks of all features; `else` belongs to the loop itself."""
    blocks = [feature[name] for feature in found if name in feature]
    for block in sorted(blocks, key=lambda block: not block.startswith(mark)):
        text = re.sub(
            rf"^( *){mark}$", lambda m, t=text: "\n".join(indented(m[1], t)), block.strip("\n"), flags=re.MULTILINE
        )
    return text


def indented(margin: str, text: str) -> list[str]:
    lines = text.splitlines()
    return indent(lines) if margin else lines


def make(draw: Draw, seed: int) -> Parts:
    found = chosen(draw)
    slots = {name: slot(found, name) for name in ("epoch", "batch", "loss", "backward", "stepped", "end", "bar")}
    step = slot(found, "step") or draw.text(draw.pick(STEPS), clear=common.CLEAR, **slots)
    header = draw.pick(HEADERS).replace("LOADER", slot(found, "iterate").strip() or "$loader")
    inner = "\n".join(
        [
            header,
            *indent(
                [line for part in ("batch", None, "stepped") for line in (slots[part] if part else step).splitlines()]
            ),
        ]
    )
    inner = wrapped(found, "around", "@inner", inner)
    loops = draw.text(draw.pick(LOOPS), whole=WHOLE, inner=inner, **{k: slots[k] for k in ("epoch", "bar", "end")})
    body = "\n".join(filter(None, [wrapped(found, "wrap", "@loops", loops), slot(found, "behind")]))
    imports = common.head(draw)
    head = "\n\n".join([imports, draw.text(draw.pick(common.NETS)), slot(found, "head")])
    blocks = {"data": common.DATASETS, "loader": common.LOADERS, "optimizer": common.OPTIMIZERS}
    setup = draw.text(SETUP, seeds=common.SEEDS, **blocks) + "\n" + slot(found, "setup")
    after = "\n".join(filter(None, [slot(found, "after"), draw.text(draw.pick(common.AFTER))]))
    helpers = {re.search(r"def \$(\w+)", f["helper"])[1]: f["helper"] for f in found if "helper" in f}
    done = (common.finished(draw, t, imports, seed=seed) for t in (head, setup, body, after))
    parts = Parts(*done, helpers=helpers, nasty=draw.pick([0.0, 0.0, 0.2]))
    if any("OUTER" in text for text in helpers.values()):
        parts.layouts = ("module", "guard", "main", "closure")
    elif any(f"${role}(" in after for role in helpers):
        parts.layouts = tuple(kind for kind in ALL if kind != "class")  # methods cannot be seen from there
    return parts
