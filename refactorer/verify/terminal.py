"""Standard input for a run: a terminal of the usual size at which nobody sits.

Scripts that ask a terminal for its width find one, and those that ask for input get the end of the file at once.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
from collections.abc import Iterator

LINES, COLUMNS = 24, 80
END_OF_INPUT = b"\x04"


class Terminal:
    """What a run reads from: `fd`. An empty file where the system has no pseudo-terminals."""

    def __init__(self, fd: int, master: int | None = None) -> None:
        self.fd, self.master = fd, master

    def refuse(self) -> None:
        """Ends the input once more: a script that reads a password throws away what was there before."""
        if self.master is not None:
            with contextlib.suppress(OSError):
                os.write(self.master, END_OF_INPUT)


@contextlib.contextmanager
def empty_terminal() -> Iterator[Terminal]:
    """A terminal without input, valid inside."""
    try:
        import fcntl
        import termios

        master, fd = os.openpty()
    except (ImportError, OSError, AttributeError):
        yield Terminal(subprocess.DEVNULL)
        return
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        settings = termios.tcgetattr(fd)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(fd, termios.TCSANOW, settings)
        os.set_blocking(master, False)
        terminal = Terminal(fd, master)
        terminal.refuse()
        yield terminal
    finally:
        os.close(fd)
        os.close(master)
