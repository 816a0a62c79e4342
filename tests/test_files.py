"""Writing is atomic and leaves everything else about a file as it was; reading says what is wrong."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from refactorer import files
from refactorer.files import Write, read_source, write_all
from refactorer.source import SourceError


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path: str) -> str:
    with pytest.raises(SourceError) as caught:
        read_source(path)
    return caught.value.diagnostic.code


def test_reading_keeps_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"x = 1\r\ny = 2")
    assert read_source(str(path)).text == "x = 1\r\ny = 2"


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    assert refused(str(tmp_path / "no.py")) == "E001"


def test_reading_a_folder(tmp_path: Path) -> None:
    assert refused(str(tmp_path)) == "E001"


def test_reading_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    assert refused(str(tmp_path / "x.py")) == "E001"


def test_a_notebook_is_not_a_script(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text("{}")
    assert refused(str(path)) == "E005"


def test_writing_replaces_the_content_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    assert write_all([Write(str(path), b"new\r\n", expected=b"old")]) == {}
    assert path.read_bytes() == b"new\r\n"
    assert only(tmp_path) == ["x.py"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o4755, 0o640])
def test_mode_bits_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_all([Write(str(path), b"new", expected=b"old")])
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_modification_time_is_new(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    os.utime(path, (1, 1))
    write_all([Write(str(path), b"new", expected=b"old")])
    assert path.stat().st_mtime > 1_000_000_000


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give files away")
def test_owner_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    os.chown(path, 1234, 1235)
    write_all([Write(str(path), b"new", expected=b"old")])
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_a_link_stays_a_link_and_its_target_is_rewritten(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "x.py"
    target.write_bytes(b"old")
    (tmp_path / "a.py").symlink_to("real/x.py")
    (tmp_path / "b.py").symlink_to("a.py")
    assert write_all([Write(str(tmp_path / "b.py"), b"new", expected=b"old")]) == {}
    assert target.read_bytes() == b"new"
    assert os.readlink(tmp_path / "b.py") == "a.py"
    assert os.readlink(tmp_path / "a.py") == "real/x.py"
    assert only(tmp_path / "real") == ["x.py"]


def test_a_new_file_takes_mode_bits_and_makes_its_folders(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_bytes(b"old")
    source.chmod(0o751)
    new = tmp_path / "out" / "deep" / "x.py"
    assert write_all([Write(str(new), b"new", mode_from=str(source))]) == {}
    assert new.read_bytes() == b"new"
    assert stat.S_IMODE(new.stat().st_mode) == 0o751


def test_a_new_file_without_a_model_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_all([Write(str(tmp_path / "x.py"), b"new")])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.py").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["os.fsync", "os.utime", "shutil.copystat", "os.replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failure_on_the_way_leaves_every_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    paths = [tmp_path / name for name in ("a.py", "b.py")]
    for path in paths:
        path.write_bytes(b"old")

    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(f"refactorer.files.{step}", fail)
    writes = [Write(str(path), b"new", expected=b"old") for path in paths]
    if isinstance(error, OSError):
        problems = write_all(writes)
        assert [problems[str(path)].code for path in paths] == ["E004", "E004"]
        assert "no space left" in problems[str(paths[0])].message
    else:
        with pytest.raises(KeyboardInterrupt):
            write_all(writes)
    monkeypatch.undo()
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    assert only(tmp_path) == ["a.py", "b.py"]


def test_interrupt_while_the_second_file_is_prepared_leaves_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_bytes(b"old")
    sync, calls = os.fsync, []

    def second_time(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise KeyboardInterrupt
        sync(handle)

    monkeypatch.setattr("refactorer.files.os.fsync", second_time)
    with pytest.raises(KeyboardInterrupt):
        write_all([Write(str(tmp_path / name), b"new", expected=b"old") for name in ("a.py", "b.py")])
    assert (tmp_path / "a.py").read_bytes() == b"old"
    assert only(tmp_path) == ["a.py", "b.py"]


def test_interrupt_while_files_move_into_place_comes_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    for name in ("a.py", "b.py"):
        (tmp_path / name).write_bytes(b"old")
    replace = os.replace

    def interrupted(source: str, target: str) -> None:
        signal.raise_signal(signal.SIGINT)
        replace(source, target)

    monkeypatch.setattr("refactorer.files.os.replace", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert write_all([Write(str(tmp_path / name), b"new", expected=b"old") for name in ("a.py", "b.py")]) == {}
    assert signal.getsignal(signal.SIGINT) is before
    assert [(tmp_path / name).read_bytes() for name in ("a.py", "b.py")] == [b"new", b"new"]


def test_one_unwritable_file_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_bytes(b"old")
    access = os.access
    monkeypatch.setattr("refactorer.files.os.access", lambda path, mode: "a.py" not in path and access(path, mode))
    problems = write_all([Write(str(tmp_path / name), b"new", expected=b"old") for name in ("a.py", "b.py")])
    assert [(path, found.code) for path, found in problems.items()] == [(str(tmp_path / "a.py"), "E004")]
    assert (tmp_path / "a.py").read_bytes() == b"old"
    assert (tmp_path / "b.py").read_bytes() == b"new"
    assert only(tmp_path) == ["a.py", "b.py"]


def test_a_file_changed_in_the_meantime_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"edited")
    problems = write_all([Write(str(path), b"new", expected=b"old")])
    assert "changed by another program" in problems[str(path)].message
    assert path.read_bytes() == b"edited"
    assert only(tmp_path) == ["x.py"]


def test_a_file_removed_in_the_meantime_is_not_made_again(tmp_path: Path) -> None:
    problems = write_all([Write(str(tmp_path / "x.py"), b"new", expected=b"old")])
    assert problems[str(tmp_path / "x.py")].code == "E004"
    assert only(tmp_path) == []


def test_folder_without_write_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.py").write_bytes(b"old")

    def denied(**kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("refactorer.files.tempfile.mkstemp", denied)
    problems = write_all([Write(str(tmp_path / "x.py"), b"new", expected=b"old")])
    assert str(problems[str(tmp_path / "x.py")]).startswith(
        f"{tmp_path}/x.py: E004 cannot be written: permission denied"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    problems = write_all([Write(str(tmp_path / "pipe"), b"new")])
    assert "not a regular file" in problems[str(tmp_path / "pipe")].message
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="drops privileges, so starts as root")
def test_real_read_only_folder(tmp_path: Path) -> None:
    """The permission check against the real system, as a user who is not root."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "x.py").write_bytes(b"old")
    (folder / "x.py").chmod(0o666)
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        problems = files.write_all([Write(str(folder / "x.py"), b"new", expected=b"old")])
        os._exit(0 if [found.code for found in problems.values()] == ["E004"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (folder / "x.py").read_bytes() == b"old"
    assert only(folder) == ["x.py"]


def test_extended_attributes_stay(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    if not hasattr(os, "setxattr"):
        pytest.skip("no extended attributes on this system")
    try:
        os.setxattr(path, "user.note", b"mine")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    write_all([Write(str(path), b"new", expected=b"old")])
    assert os.getxattr(path, "user.note") == b"mine"


def test_long_file_names(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 250 + ".py")
    path.write_bytes(b"old")
    assert write_all([Write(str(path), b"new", expected=b"old")]) == {}
    assert path.read_bytes() == b"new"


def test_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    """A process that dies before the rename has not touched the file."""
    import sys

    path = tmp_path / "x.py"
    path.write_bytes(b"old")
    program = (
        "import os, sys\nfrom refactorer import files\nfiles.os.replace = lambda *a: os._exit(9)\n"
        "files.write_all([files.Write(sys.argv[1], b'new', expected=b'old')])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=root, check=False)
    assert done.returncode == 9
    assert path.read_bytes() == b"old"


def test_writing_outside_the_main_thread(tmp_path: Path) -> None:
    """Signals can only be held off in the main thread; elsewhere files are written all the same."""
    import threading

    thread = threading.Thread(target=write_all, args=([Write(str(tmp_path / "x.py"), b"new")],))
    thread.start()
    thread.join()
    assert (tmp_path / "x.py").read_bytes() == b"new"
