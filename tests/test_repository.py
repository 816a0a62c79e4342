"""The repository keeps its own promises: what the README shows is true, and what it names exists."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from refactorer.config import VERSION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The code between `<!-- name -->` and `<!-- end -->` in the README."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- end -->", README, re.DOTALL)
    assert found, f"README.md has no block {name!r}"
    return found[1]


@pytest.mark.parametrize("side", ["in", "out"])
def test_example_in_the_readme_is_verbatim(side: str) -> None:
    """Each stretch between lines of three dots is a part of the fixture, character by character."""
    fixture = (ROOT / "fixtures" / f"mnist_functions.{side}.py").read_text(encoding="utf-8")
    stretches = [part.strip("\n") for part in re.split(r"^ *\.\.\.$", block(f"example {side}"), flags=re.MULTILINE)]
    assert sum(part.count("\n") for part in stretches) > 20
    for part in stretches:
        assert f"\n{part}\n" in fixture


def test_the_readme_names_the_two_commands() -> None:
    assert "\nmake demo\nmake test\n" in README


def test_paths_in_the_documents_exist() -> None:
    for name in ("README.md", "ARCHITECTURE.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for path in re.findall(r"`((?:refactorer|runtime|tests|fixtures)/[a-z_0-9./-]*)`", text):
            assert (ROOT / path).exists(), f"{name} names {path}"


def test_every_module_is_on_the_map() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for package in ("refactorer", "runtime"):
        for path in (ROOT / package).iterdir():
            if path.suffix == ".py" and not path.name.startswith("__"):
                assert f"`{path.name}`" in text, f"ARCHITECTURE.md does not mention {package}/{path.name}"


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_make_offers_what_help_says() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    said = set(re.findall(r'@echo "make (\w+)', makefile))
    assert phony == targets == said | {"help"}


@pytest.mark.skipif(os.name != "posix", reason="mode bits")
def test_continuous_integration_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert text.endswith("make test\n")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_licence() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_lower_layers_import_no_upper_ones() -> None:
    """The library knows nothing of the command line, and the runtime nothing of the refactorer."""
    upper = re.compile(r"^\s*(?:from|import) refactorer\.(?:cli|output|examples|launch)\b", re.MULTILINE)
    for path in (ROOT / "refactorer").rglob("*.py"):
        if path.name not in {"cli.py", "__main__.py"}:
            assert not upper.search(path.read_text(encoding="utf-8")), path
    for path in (ROOT / "runtime").rglob("*.py"):
        assert not re.search(r"^\s*(?:from|import) refactorer\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_the_library_never_prints_or_exits() -> None:
    speaks = re.compile(r"(?<![\w.'\"`#])(?:print|input|exit|quit)\(|sys\.exit\(|raise SystemExit")
    allowed = {"cli.py", "__main__.py", "launch.py"}
    for path in (ROOT / "refactorer").rglob("*.py"):
        if path.name not in allowed and "inject" not in path.parts:
            code = re.sub(
                r'""".*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', "''", path.read_text(), flags=re.DOTALL
            )
            assert not speaks.search(code), path
