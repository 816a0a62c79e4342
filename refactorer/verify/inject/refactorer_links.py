"""Keeps a script from writing through a link into the user's own files: the link becomes a copy first."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Links:
    """Watches the links of one scratch copy."""

    def __init__(self, root: str) -> None:
        self.root = os.path.join(os.path.realpath(root), "")

    def before_opening(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: every way of Python to open a file comes by here before the file is opened."""
        if event in ("os.truncate", "sqlite3.connect") and isinstance(arguments[0], (str, bytes)):
            self.replace(os.fsdecode(arguments[0]))
        if event != "open" or not isinstance(arguments[0], (str, bytes)):
            return
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (mode is None and flags & WRITES):
            self.replace(os.fsdecode(path))

    def before_saving(self, save: Callable[..., Any]) -> Callable[..., Any]:
        """`torch.save`, which opens its file in C++."""

        @functools.wraps(save)
        def call(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(f, (str, os.PathLike)):
                self.replace(os.fspath(f))
            return save(obj, f, *args, **kwargs)

        return call

    def before_hdf5(self, h5py: Any) -> None:
        """`h5py.File`, which opens its file in C too."""
        begin = h5py.File.__init__

        @functools.wraps(begin)
        def __init__(file: Any, name: Any, mode: str = "r", *args: Any, **kwargs: Any) -> None:
            if mode != "r" and isinstance(name, (str, bytes, os.PathLike)):
                self.replace(os.fsdecode(name))
            begin(file, name, mode, *args, **kwargs)

        h5py.File.__init__ = __init__

    def replace(self, path: str) -> None:
        """Turns a link that leaves the scratch copy into a file of its own, with the same content."""
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not path.startswith(self.root) or not os.path.islink(path):
            return
        end = os.path.realpath(path)
        if end.startswith(self.root) or not os.path.isfile(end):
            return
        os.unlink(path)
        shutil.copyfile(end, path)
