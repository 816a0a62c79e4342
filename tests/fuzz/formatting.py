"""How a generated script is written down: comments, blank lines and the indentation, at random."""

from __future__ import annotations

import random
import re

Lines = list[str]


def indent(lines: Lines) -> Lines:
    return [f"    {line}" if line else line for line in lines]


def styled(rng: random.Random, lines: Lines) -> str:
    """Adds comments and blank lines to lines indented by four spaces a level, and picks the indentation."""
    out: Lines = []
    depth = 0  # of brackets: no comment lines inside an expression
    for line in lines:
        plain = line.strip()
        starts = depth == 0 and plain and not plain.startswith(("#", '"', "else", "except", "finally"))
        if starts and rng.random() < 0.06:
            out.append(f"{line[: len(line) - len(line.lstrip())]}# note {len(out)}")
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
        if plain and rng.random() < 0.05 and "#" not in line and '"""' not in line:
            line += f"  # why {len(out)}"
        out.append(line)
        if plain and depth == 0 and not plain.endswith(":") and rng.random() < 0.03:
            out.append("")
    unit = rng.choice(["    ", "    ", "    ", "  ", "\t"])
    text = "\n".join(out).rstrip() + "\n"
    return re.sub(r"^(?:    )+", lambda m: unit * (len(m[0]) // 4), text, flags=re.MULTILINE)
