"""`refactorer run`: start a converted script with Trainer settings from outside, without an edit.

The settings travel in one environment variable, a JSON object of Trainer arguments, which `runtime.Trainer` puts over
what the script passes.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from refactorer.config import TRAINER_VARIABLE
from refactorer.files import read_source
from refactorer.source import SourceError

_REPLACES_PROCESSES = os.name == "posix"
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def parse_devices(value: str) -> int | list[int] | str:
    """`auto`, a count (`4`; `-1` for all), or the indices of devices (`0,2`). Raises ValueError."""
    if value == "auto":
        return value
    if "," in value:
        indices = [int(part) for part in value.split(",") if part.strip()]
        if not indices or min(indices) < 0 or len(set(indices)) < len(indices):
            raise ValueError(value)
        return indices
    count = int(value)
    if count < 1 and count != -1:
        raise ValueError(value)
    return count


def parse_setting(assignment: str) -> tuple[str, Any]:
    """A `KEY=VALUE` as a Trainer argument; VALUE is a number, true, false, none, a list, a dict or else text.

    Raises ValueError when there is no valid KEY.
    """
    key, equals, value = assignment.partition("=")
    key = key.strip().replace("-", "_")
    if not equals or not key.isidentifier():
        raise ValueError(assignment)
    return key, _parse_value(value.strip())


def _parse_value(value: str) -> Any:
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        parsed = ast.literal_eval(value)
        json.dumps(parsed, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
    return parsed


def environment(settings: Mapping[str, Any], inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` with the settings added to those that it already holds.

    Raises ValueError when the variable is there but holds no JSON object.
    """
    present = json.loads(inherited.get(TRAINER_VARIABLE) or "{}")
    if not isinstance(present, dict):
        raise ValueError(f"{TRAINER_VARIABLE} is not a JSON object")
    merged = {**present, **settings}
    return {**inherited, TRAINER_VARIABLE: json.dumps(merged)} if merged else dict(inherited)


def uses_trainer(script: str) -> bool:
    """True when the script, or a module beside it that it imports, makes a Trainer.

    Raises SourceError when the script cannot be read.
    """
    text = read_source(script).text
    if _makes_trainer(text):
        return True
    folder = os.path.dirname(script)
    neighbours = (os.path.join(folder, f"{name}.py") for name in _imported_names(text))
    return any(_makes_trainer(_text_or_nothing(path)) for path in neighbours if os.path.isfile(path))


def _makes_trainer(text: str) -> bool:
    return re.search(r"\bTrainer\s*\(", text) is not None


def _imported_names(text: str) -> set[str]:
    return set(re.findall(r"^\s*(?:import|from)\s+(\w+)", text, re.MULTILINE))


def _text_or_nothing(path: str) -> str:
    try:
        return read_source(path).text
    except SourceError:
        return ""


def run_script(script: str, args: Sequence[str], settings: Mapping[str, Any]) -> NoReturn:
    """Become `python SCRIPT ARGS`; does not return. Exit status and signals are the script's own."""
    command = [sys.executable, script, *args]
    variables = environment(settings, os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    if _REPLACES_PROCESSES:
        os.execve(sys.executable, command, variables)
    raise SystemExit(subprocess.run(command, env=variables, check=False).returncode)
