"""Which files a search finds: ignore files as git reads them, environments and links left out, a stable order."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from refactorer.discovery import discover


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")


def found(*paths: object, exclude: str | None = None) -> list[str]:
    return [file.path for file in discover([str(path) for path in paths], exclude=exclude).files]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_python_files_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b.py", "a.py", "a/z.py", "a/b/c.py", "notes.txt", "x.pyc", "y.ipynb", "B.PY")
    assert found(".") == ["a/b/c.py", "a/z.py", "a.py", "b.py"]


def test_names_are_relative_to_the_folder_given(tmp_path: Path) -> None:
    make(tmp_path, "src/pkg/a.py")
    assert found("src") == ["src/pkg/a.py"]
    assert found(tmp_path / "src") == [str(tmp_path / "src/pkg/a.py")]
    assert [file.relative for file in discover(["src"]).files] == ["pkg/a.py"]


def test_arguments_keep_their_order_and_repeat_nothing(tmp_path: Path) -> None:
    make(tmp_path, "b.py", "a.py", "src/c.py")
    assert found("b.py", "src", "a.py", "./b.py", ".", "-", "-") == ["b.py", "src/c.py", "a.py", "-"]


def test_environments_and_caches_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, "env/pyvenv.cfg", "env/lib/a.py", "conda/conda-meta/x", "conda/a.py", "keep/env.py")
    for name in (".git", ".venv", "__pycache__", "node_modules", ".tox", "site-packages"):
        make(tmp_path, f"{name}/a.py")
    assert found(".") == ["keep/env.py"]


def test_a_file_that_is_named_is_taken_whatever_it_is(tmp_path: Path) -> None:
    make(tmp_path, "script", ".venv/a.py", "ignored.py")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    assert found("script", ".venv/a.py", "ignored.py") == ["script", ".venv/a.py", "ignored.py"]


def test_a_folder_that_is_named_is_searched_though_ignored(tmp_path: Path) -> None:
    make(tmp_path, ".git/HEAD", "build/a.py", "build/sub/b.py")
    (tmp_path / ".gitignore").write_text("build/\n")
    assert found(".") == []
    assert found("build") == ["build/a.py", "build/sub/b.py"]


def test_ignore_file_without_a_repository(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "gen.py", "deep/gen.py", "gen/a.py")
    (tmp_path / ".gitignore").write_text("# made\ngen.py\n\ngen/\n")
    assert found(".") == ["a.py"]
    # Outside of a repository, folders further up have no say.
    assert found("deep") == ["deep/gen.py"]


def test_ignore_files_of_the_repository_reach_down(tmp_path: Path) -> None:
    make(tmp_path, ".git/HEAD", "a.py", "deep/gen.py", "deep/a.py")
    (tmp_path / ".gitignore").write_text("gen.py\n")
    assert found("deep") == ["deep/a.py"]


def test_the_deepest_ignore_file_decides(tmp_path: Path) -> None:
    make(tmp_path, "gen_a.py", "sub/gen_a.py", "sub/gen_b.py")
    (tmp_path / ".gitignore").write_text("gen_*.py\n")
    (tmp_path / "sub" / ".gitignore").write_text("!gen_b.py\n")
    assert found(".") == ["sub/gen_b.py"]


def test_repository_exclude_file(tmp_path: Path) -> None:
    make(tmp_path, ".git/info/exclude", "a.py", "b.py")
    (tmp_path / ".git/info/exclude").write_text("b.py\n")
    assert found(".") == ["a.py"]


def test_a_broken_ignore_file_still_counts(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.py")
    (tmp_path / ".gitignore").write_bytes(b"!\n/\n\xff\xfe\nb.py\r\n")
    assert found(".") == ["a.py"]


def test_links_are_not_followed_in_a_search(tmp_path: Path) -> None:
    make(tmp_path, "src/a.py", "outside/b.py")
    (tmp_path / "src/loop").symlink_to(".")
    (tmp_path / "src/out").symlink_to("../outside")
    (tmp_path / "src/b.py").symlink_to("../outside/b.py")
    (tmp_path / "src/broken.py").symlink_to("nowhere.py")
    assert found("src") == ["src/a.py"]


def test_links_that_are_named_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path, "src/a.py")
    (tmp_path / "link").symlink_to("src")
    (tmp_path / "link.py").symlink_to("src/a.py")
    assert found("link") == ["link/a.py"]
    assert found("link.py", "link", "src") == ["link.py"]


def test_excluded_folder(tmp_path: Path) -> None:
    make(tmp_path, "src/a.py", "src/out/a.py")
    assert found("src", exclude="src/out") == ["src/a.py"]


def test_odd_entries(tmp_path: Path) -> None:
    make(tmp_path, "folder.py/a.py")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
    assert found(".") == ["folder.py/a.py"]


def test_folders_with_nothing_are_told(tmp_path: Path) -> None:
    make(tmp_path, "empty/notes.txt", "a.py")
    assert discover(["empty", "."]).empty == ["empty"]


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
def test_same_verdicts_as_git(tmp_path: Path) -> None:
    names = ["a.py", "b.py", "x/a.py", "x/b.py", "x/y/a.py", "x/y/b.py", "doc/a.py", "doc/x/a.py", "[z].py", "é.py"]
    make(tmp_path, *names, ".gitignore", "x/.gitignore", "x/y/.gitignore")
    (tmp_path / ".gitignore").write_text("/a.py\ndoc/*\n!doc/x/\nx/**/b.py\n\\[z].py\n")
    (tmp_path / "x/.gitignore").write_text("a.py\n!/y/b.py\n")
    (tmp_path / "x/y/.gitignore").write_text("!a.py  \n")
    subprocess.run(["git", "init", "-q"], check=True)
    listed = ["git", "-c", "core.quotePath=false", "ls-files", "--others", "--exclude-standard", "*.py"]
    expected = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    assert sorted(found(".")) == sorted(expected)
    assert 0 < len(expected) < len(names)
