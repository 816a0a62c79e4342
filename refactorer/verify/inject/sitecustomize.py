"""Runs first in every Python process of a verified script: starts the tracer, then the sitecustomize it hides."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def _run_hidden() -> None:
    """Runs the sitecustomize that would have run without ours, if there is one."""
    elsewhere = [folder for folder in sys.path if os.path.abspath(folder) != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get("REFACTORER_TRACE_DIR"):
    importlib.import_module("refactorer_plugins").start(importlib.import_module("refactorer_trace").start())
_run_hidden()
