"""How much a conversion costs beside LibCST reading the same script and writing it back unchanged.

Converts one long training script (about 530 lines) in three forms: with automatic optimization, with manual
optimization and its note, and refused. Reading and writing (``libcst.parse_module(text).code``) and the conversion
are timed in turn, round after round, so that a busy machine slows both alike; each round gives one ratio.

    python benchmarks/conversion_cost.py [--rounds 25] [--form automatic] [--stages] [--profile 30] [SCRIPT ...]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pathlib
import pstats
import re
import statistics
import time
from collections.abc import Callable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.converter import convert_text
from refactorer.result import Result

SCRIPT = pathlib.Path(__file__).parent.parent / "fixtures" / "mnist_functions.in.py"
COPIES = 3

MODELS = '''
class ConvBlock(nn.Module):
    """Convolution, normalisation and activation, with a shortcut where the shapes agree."""

    def __init__(self, in_channels, out_channels, stride=1, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.dropout(out)
        out = self.bn2(self.conv2(out))
        out = out + self.shortcut(x)
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, blocks=(2, 2, 2), width=16, num_classes=10):
        super().__init__()
        self.in_channels = width
        self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.layer1 = self._make_layer(width, blocks[0], stride=1)
        self.layer2 = self._make_layer(2 * width, blocks[1], stride=2)
        self.layer3 = self._make_layer(4 * width, blocks[2], stride=2)
        self.fc = nn.Linear(4 * width, num_classes)

    def _make_layer(self, channels, count, stride):
        layers = []
        for step in [stride] + [1] * (count - 1):
            layers.append(ConvBlock(self.in_channels, channels, step))
            self.in_channels = channels
        return nn.Sequential(*layers)

    def forward(self, x):
        x = F.relu(self.bn(self.stem(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.adaptive_avg_pool2d(x, 1)
        return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)


class Attention(nn.Module):
    def __init__(self, dim, heads=4, dropout=0.1):
        super().__init__()
        assert dim % heads == 0, "dim must be divisible by heads"
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, dim * 3, bias=False)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = torch.matmul(q, k.transpose(-2, -1)) * self.scale
        if mask is not None:
            scores = scores.masked_fill(mask == 0, float("-inf"))
        weights = self.dropout(torch.softmax(scores, dim=-1))
        mixed = torch.matmul(weights, v).transpose(1, 2).reshape(b, n, d)
        return self.out(mixed)


def scaled(image, low=0.0, high=1.0):
    """Scales a picture to a range."""
    smallest, largest = image.min(), image.max()
    if largest > smallest:
        image = (image - smallest) / (largest - smallest)
    return low + image * (high - low)


def random_shift(images, pixels=1, generator=None):
    """Shifts each picture by up to some pixels in both directions."""
    shifted = []
    for image in images:
        dx, dy = torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist()
        shifted.append(torch.roll(image, shifts=(dy, dx), dims=(-2, -1)))
    return torch.stack(shifted)


def with_noise(data, strength, seed=None):
    """Adds noise to all pictures; the same noise for the same seed."""
    generator = None
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(data.shape, generator=generator)
    noisy = (data + strength * noise).clamp(0., 1.)
    print(f"noise of {strength:.2f} added to {len(data)} pictures")
    return noisy


def count_parameters(module, trainable_only=True):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable_only)


def confusion(predictions, targets, num_classes=10):
    table = [[0 for _ in range(num_classes)] for _ in range(num_classes)]
    for predicted, actual in zip(predictions, targets):
        table[int(actual)][int(predicted)] += 1
    return table


def summary(table):
    """Precision and recall of every class."""
    lines = {}
    for index, row in enumerate(table):
        hits = row[index]
        column = sum(other[index] for other in table)
        precision = hits / column if column else 0.0
        recall = hits / sum(row) if sum(row) else 0.0
        lines[index] = {'precision': round(precision, 4), 'recall': round(recall, 4)}
        print('{:>4}: precision {:.3f}, recall {:.3f}'.format(index, precision, recall))
    return lines


def add_options(parser):
    group = parser.add_argument_group('data')
    group.add_argument('--pixels', type=int, default=1, help='largest shift of a picture (default: 1)')
    group.add_argument('--low', type=float, default=0.0, help='darkest value (default: 0.0)')
    group.add_argument('--high', type=float, default=1.0, help='brightest value (default: 1.0)')
    group.add_argument('--workers', type=int, default=0, metavar='N',
                       help='processes that load data (default: 0)')
    group.add_argument('--pin', action='store_true', default=False, help='pin memory')
    return parser
'''

_STEP = "        optimizer.step()\n        if batch_idx"
FORMS: dict[str, tuple[str, str]] = {
    "automatic": ("", ""),
    "manual": (_STEP, "        optimizer.step()\n        model.fc2.bias.data.clamp_(-1., 1.)\n        if batch_idx"),
    "refused": (_STEP, "        optimizer.step()\n        print(sorted(locals()))\n        if batch_idx"),
}


def long_script(form: str = "automatic") -> str:
    """The text of the script, about 530 lines."""
    text = SCRIPT.read_text()
    old, new = FORMS[form]
    assert old in text
    text = text.replace(old, new) if old else text
    models = MODELS
    for name in re.findall(r"^(?:class|def) (\w+)", MODELS, flags=re.MULTILINE):
        models = re.sub(rf"\b{name}\b", name + "@", models)
    copies = "".join(models.replace("@", str(number)) for number in range(1, COPIES + 1))
    head, found, rest = text.partition("\n\ndef pictures(")
    assert found
    return head + "\n" + copies + found + rest


def baseline(text: str) -> str:
    """What the conversion is measured against."""
    return cst.parse_module(text).code


def measured(text: str, rounds: int) -> tuple[list[float], list[float], Result]:
    """Seconds of reading and writing, and of converting, round by round."""
    result = convert_text(text)
    baseline(text)
    plain, converting = [], []
    for number in range(rounds):
        jobs: list[tuple[list[float], Callable[[str], object]]] = [(plain, baseline), (converting, convert_text)]
        for times, job in jobs if number % 2 else reversed(jobs):
            gc.collect()
            start = time.process_time()
            job(text)
            times.append(time.process_time() - start)
    return plain, converting, result


def show(name: str, text: str, rounds: int) -> None:
    """One line of results."""
    plain, converting, result = measured(text, rounds)
    ratios = sorted(c / p for c, p in zip(converting, plain))
    low, _, high = statistics.quantiles(ratios, n=4)
    codes = ", ".join(diagnostic.code for diagnostic in result.diagnostics)
    print(
        f"{name:<28} {len(text.splitlines()):>5} lines  {result.status + (f' ({codes})' if codes else ''):<18}"
        f"  reading and writing {statistics.median(plain) * 1e3:6.1f} ms"
        f"  converting {statistics.median(converting) * 1e3:6.1f} ms"
        f"  ratio {statistics.median(ratios):.2f} (quartiles {low:.2f} to {high:.2f})"
    )


def show_stages(text: str, rounds: int) -> None:
    """The parts that can be timed by themselves."""
    module = cst.parse_module(text)
    program = Program(module)
    stages: dict[str, Callable[[], object]] = {
        "parse": lambda: cst.parse_module(text),
        "code": lambda: module.code,
        "Program": lambda: Program(module),
        "used(module)": lambda: Program.used(program, [module]),
    }
    for name, job in stages.items():
        times = []
        for _ in range(rounds):
            start = time.process_time()
            job()
            times.append(time.process_time() - start)
        print(f"    {name:<16} {statistics.median(times) * 1e3:6.2f} ms")


def profile(text: str, lines: int, rounds: int) -> None:
    """The functions in which a conversion spends its time."""
    profiler = cProfile.Profile()
    for _ in range(rounds):
        profiler.runcall(convert_text, text)
    stats = pstats.Stats(profiler)
    stats.sort_stats("cumulative").print_stats("refactorer|libcst|ast|symtable", lines)
    stats.sort_stats("tottime").print_stats(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scripts", nargs="*", type=pathlib.Path, metavar="SCRIPT", help="measure these files instead")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--form", choices=FORMS, action="append", help="only this form of the script")
    parser.add_argument("--stages", action="store_true", help="time the parts that can run by themselves")
    parser.add_argument("--profile", type=int, default=0, metavar="LINES", help="profile, and show that many lines")
    args = parser.parse_args()
    texts = {str(path): path.read_text() for path in args.scripts}
    for name, text in (texts or {form: long_script(form) for form in args.form or FORMS}).items():
        show(name, text, args.rounds)
        if args.stages:
            show_stages(text, args.rounds)
        if args.profile:
            profile(text, args.profile, args.rounds)


if __name__ == "__main__":
    main()
