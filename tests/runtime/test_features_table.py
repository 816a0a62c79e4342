"""The table of features names examples and tests that exist, and every one of them."""

from __future__ import annotations

import re

from tests.runtime.examples import FEATURES

ROOT = FEATURES.parents[1]
TEXT = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| (.+?) \| .+? \| \[(\w+)\.py\]\(\.\./fixtures/features/(\w+)\.py\) \| `(tests/\S+)::(\w+)` \|$",
    TEXT,
    re.MULTILINE,
)


def test_every_row_is_complete() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][2:]
    assert len(ROWS) == len(rows) > 30
    features = [row[0] for row in ROWS]
    assert len(set(features)) == len(features)


def test_every_example_is_in_the_table() -> None:
    assert all(shown == linked for _, shown, linked, _, _ in ROWS)
    examples = {path.stem for path in FEATURES.glob("*.py")} - {"digits"}
    assert {row[1] for row in ROWS} == examples


def test_every_test_runs_its_example() -> None:
    for _, example, _, path, name in ROWS:
        body = re.search(
            rf"^def {name}\(.*?(?=^(?:def|class|@)|\Z)", (ROOT / path).read_text(), re.MULTILINE | re.DOTALL
        )
        assert body and f'examples.run("{example}")' in body[0], f"{path}::{name} does not run {example}.py"


def test_examples_are_short_and_say_what_they_show() -> None:
    for path in FEATURES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""'), path.name
        assert len(text.splitlines()) <= (60 if path.stem != "digits" else 80), path.name
        assert max(map(len, text.splitlines())) <= 120, path.name


def test_the_readme_leads_there() -> None:
    assert "(docs/features.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
