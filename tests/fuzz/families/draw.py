"""Random choices written into templates.

In a template, `<<a|b|c>>` is one of the alternatives, a line that starts with `?` (or `?30`, a percentage) is there
half of the time together with the lines indented below it, a line `@name` stands for the block of that name, and
`$role` for the name of a variable, chosen later.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
Lines = list[str]
Block = str | Sequence[str]


def variants(text: str) -> list[str]:
    """The pieces between lines of three dashes; an empty piece is one way of doing nothing."""
    return [piece.strip("\n") for piece in re.split(r"^---$", text, flags=re.MULTILINE)]


def named(text: str) -> dict[str, str]:
    """The pieces under lines `=== name`."""
    found = re.findall(r"^=== (\w+)\n(.*?)(?=^=== |\Z)", text, re.DOTALL | re.MULTILINE)
    return {name: piece.strip("\n") for name, piece in found}


def width(line: str) -> int:
    return len(line) - len(line.lstrip())


class Draw:
    """A source of random choices; the same seed makes the same ones."""

    def __init__(self, seed: object) -> None:
        self.rng = random.Random(str(seed))

    def maybe(self, p: float = 0.5) -> bool:
        return self.rng.random() < p

    def pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def some(self, block: Block, p: float = 0.5) -> str:
        """One of the alternatives with probability p, else nothing."""
        if not self.maybe(p):
            return ""
        return block if isinstance(block, str) else self.pick(block)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self.rng.sample(list(items), len(items))

    def text(self, template: str, **blocks: Block) -> str:
        """The template with every choice made; blocks that are sequences contribute one of their templates."""
        out: Lines = []
        skipped: int | None = None
        for line in textwrap.dedent(template).strip("\n").splitlines():
            if skipped is not None and (not line.strip() or width(line) > skipped):
                continue
            skipped = None
            margin, rest = line[: width(line)], line.strip()
            optional = re.match(r"\?(\d*) (.*)", rest)
            if optional:
                if not self.maybe(int(optional[1] or 50) / 100):
                    skipped = len(margin)
                    continue
                rest = optional[2]
            if rest.startswith("@") and rest[1:] in blocks:
                block = blocks[rest[1:]]
                chosen = block if isinstance(block, str) else self.pick(block)
                out += [margin + part if part else part for part in self.text(chosen, **blocks).splitlines()]
            else:
                out.append(margin + self.inline(rest) if rest else "")
        return "\n".join(out)

    def inline(self, line: str) -> str:
        return re.sub(r"<<(.*?)>>", lambda m: self.pick(m[1].split("|")), line)
