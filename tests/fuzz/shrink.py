"""Makes a failing script small: `python -m tests.fuzz.shrink FILE` prints what is left and how it fails.

Statements are removed, largest first, as long as the script still fails in the same way.
"""

from __future__ import annotations

import ast
import pathlib
import sys

from tests.fixtures_harness import Runner
from tests.fuzz.run import Outcome, check


def kind(outcome: Outcome) -> str:
    """The way a script fails, without its numbers."""
    return outcome[0] + " " + " ".join(word for word in outcome[1].split()[:3] if word.isalpha())


def candidates(text: str) -> list[str]:
    """The texts with one statement fewer, those that lose most lines first."""
    lines = text.splitlines(keepends=True)
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            indentation = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
            without = "".join([*lines[:first], *lines[last:]])
            found.append((last - first, without))
            found.append((last - first - 0.5, "".join([*lines[:first], f"{indentation}pass\n", *lines[last:]])))
    comments = [i for i, line in enumerate(lines) if not line.strip() or line.strip().startswith("#")]
    found += [(1, "".join(lines[:i] + lines[i + 1 :])) for i in comments]
    return [piece for _, piece in sorted(found, key=lambda pair: -pair[0])]


def valid(text: str) -> bool:
    try:
        compile(text, "<candidate>", "exec")
    except SyntaxError:
        return False
    return True


def shrink(text: str, runner: Runner) -> str:
    """The smallest script found that fails like `text` does."""
    wanted = kind(check(text, runner))
    shrunk = True
    while shrunk:
        shrunk = False
        for smaller in candidates(text):
            if len(smaller) < len(text) and valid(smaller) and kind(check(smaller, runner)) == wanted:
                text, shrunk = smaller, True
                break
    return text


def main() -> None:
    with Runner() as runner:
        text = shrink(pathlib.Path(sys.argv[1]).read_text(), runner)
        outcome = check(text, runner)
    print(text)
    print(f"# {outcome[0]}: {outcome[1]}")


if __name__ == "__main__":
    main()
