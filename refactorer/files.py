"""Reading source files, and writing them so that a file is either wholly new or exactly as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from refactorer.diagnostics import Diagnostic
from refactorer.source import Source, SourceError, decode


def read_source(path: str) -> Source:
    """The source at `path`. Raises SourceError: E001 cannot be read, E003 cannot be decoded, E005 not a script."""
    if path.endswith(".ipynb"):
        hint = "export it first: jupyter nbconvert --to script"
        raise SourceError(Diagnostic("E005", "this is a notebook, not a Python script", hint, path))
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        hint = "check that the file exists and that you may read it"
        raise SourceError(Diagnostic("E001", f"cannot be read: {_reason(error)}", hint, path)) from error
    return decode(data, path=path)


def read_stdin(name: str) -> Source:
    """The source on standard input, to be called `name`. Raises SourceError (E003)."""
    return decode(sys.stdin.buffer.read(), path=name)


@dataclass(frozen=True)
class Write:
    """One file to write: `data` goes to `path`.

    `expected` is what the file must hold just before, when it is rewritten in place; None for a file that is made or
    replaced whatever it holds. `mode_from` names the file whose mode bits a new file takes.
    """

    path: str
    data: bytes
    expected: bytes | None = None
    mode_from: str | None = None


def write_all(writes: Sequence[Write]) -> dict[str, Diagnostic]:
    """Write the files. Returns a diagnostic (E004) for each path that could not be written and is as it was.

    All are prepared beside their targets first and then moved into place, each in one atomic step: whatever is raised
    on the way (Ctrl-C included) leaves every file as it was and no temporary file behind.
    """
    problems: dict[str, Diagnostic] = {}
    staged: list[_Staged] = []
    try:
        for write in writes:
            try:
                staged.append(_stage(write))
            except OSError as error:
                problems[write.path] = _unwritable(write.path, error)
        with _without_interrupt():
            for item in staged:
                try:
                    item.commit()
                except OSError as error:
                    problems[item.write.path] = _unwritable(item.write.path, error)
    finally:
        for item in staged:
            item.discard()
    return problems


@dataclass(frozen=True)
class _Staged:
    write: Write
    temporary: str
    target: str

    def commit(self) -> None:
        if self.write.expected is not None:
            _must_hold(self.target, self.write.expected)
        os.replace(self.temporary, self.target)
        _sync_folder(os.path.dirname(self.target))

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.temporary)


def _stage(write: Write) -> _Staged:
    """Write the data to a temporary file beside the target that a link at the path leads to. Raises OSError."""
    target = os.path.realpath(write.path)
    if os.path.lexists(target):
        _must_be_writable(target)
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)[:80]}.", suffix=".tmp", dir=folder)
    staged = _Staged(write, temporary, target)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(write.data)
            file.flush()
            os.fsync(file.fileno())
        _give_attributes(staged)
    except BaseException:
        staged.discard()
        raise
    return staged


def _must_be_writable(target: str) -> None:
    """A rename would get past a read-only file, so ask first."""
    if not stat.S_ISREG(os.stat(target).st_mode):
        raise OSError("it is not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError("the file is read-only")


def _must_hold(target: str, expected: bytes) -> None:
    with open(target, "rb") as file:
        if file.read() != expected:
            raise OSError("it was changed by another program in the meantime")


def _give_attributes(staged: _Staged) -> None:
    """Give the temporary file the owner, mode bits and extended attributes of the file that it will replace."""
    if os.path.exists(staged.target):
        if hasattr(os, "chown"):
            before = os.stat(staged.target)
            with contextlib.suppress(OSError):
                os.chown(staged.temporary, before.st_uid, before.st_gid)
        shutil.copystat(staged.target, staged.temporary)
        os.utime(staged.temporary)
    else:
        os.chmod(staged.temporary, _new_mode(staged.write.mode_from))


def _new_mode(mode_from: str | None) -> int:
    if mode_from is not None and os.path.exists(mode_from):
        return stat.S_IMODE(os.stat(mode_from).st_mode) | stat.S_IWUSR
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: str) -> None:
    """Make the rename durable where the system allows it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Hold Ctrl-C off while prepared files are moved into place, so that all of them or none are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _unwritable(path: str, error: OSError) -> Diagnostic:
    hint = "the file is as it was; check the permissions and the free space of its folder"
    return Diagnostic("E004", f"cannot be written: {_reason(error)}", hint, path)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower() if error.strerror else str(error)
