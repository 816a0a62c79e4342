"""Notes that a script listens on a port of the network, so that one that waits for clients can be told apart."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any


def start(tracer: Any) -> None:
    """Watches from the start, in the process that the script runs in."""
    if not tracer.main:
        return
    path = os.path.join(tracer.folder, "listening.jsonl")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.bind" or not isinstance(arguments[1], tuple):
            return
        port = arguments[1][1]
        if port and os.getpid() == tracer.pid:
            with contextlib.suppress(OSError), open(path, "a") as file:
                file.write(json.dumps({"port": port, "at": tracer.places.here()}) + "\n")

    sys.addaudithook(hook)
