"""Scripts and their conversions, both run as if on a GPU: `python -m tests.pretended.compare SCRIPT...`.

Each run is a fork of this process, in a copy of the script's folder. What is compared: what is printed, how it ends,
what all generators draw afterwards, and which operations ran on the CPU and which on the GPU.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytorch_lightning  # noqa: F401  imported once for all forks
import torch
import torch._dynamo

import runtime  # noqa: F401
from refactorer import convert
from refactorer.result import Converted
from tests.pretended.device import PretendedGpu
from tests.pretended.library import install

_TOLD = "told.json"
_AROUND = {
    "_record_function_enter_new",
    "_record_function_exit._RecordFunction",
    "view",
    "reshape",
    "float",
    "long",
    "fill_",
    "ones",
    "tensor",
    "zeros",
    "device",
    "_parse_to",
    "_set_grad_enabled",
    "detach",
    "__get__",
    "is_tensor",
    "clone",
}


def run(text: str, folder: pathlib.Path, arguments: Sequence[str] = (), limit: int = 120) -> dict[str, Any]:
    """What a script does that stands in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pretended_") as scratch:
        place = pathlib.Path(scratch) / "script"
        if len(list(folder.iterdir())) < 600:
            shutil.copytree(folder, place, ignore=shutil.ignore_patterns("*.out.py", ".git"), symlinks=True)
        else:
            place.mkdir()
        (place / "main_script.py").write_text(text)
        child = os.fork()
        if not child:
            _child(place, arguments, limit)
        os.waitpid(child, 0)
        told = place / _TOLD
        answer = json.loads(told.read_text()) if told.exists() else {"ended": "killed", "drawn": None, "done": {}}
        answer["printed"] = (
            (place / "printed.txt").read_text(errors="replace") if (place / "printed.txt").exists() else ""
        )
        answer["trace"] = (
            (place / "errors.txt").read_text(errors="replace")[-700:] if (place / "errors.txt").exists() else ""
        )
        return answer


def _child(place: pathlib.Path, arguments: Sequence[str], limit: int) -> None:
    os.chdir(place)
    signal.alarm(limit)
    for name, number in (("printed.txt", 1), ("errors.txt", 2)):
        handle = os.open(name, os.O_CREAT | os.O_WRONLY)
        os.dup2(handle, number)
    sys.argv = ["main_script.py", *arguments]
    sys.path.insert(0, str(place))
    gpu = PretendedGpu()
    install(gpu)
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    ended = "ended"
    main = types.ModuleType("__main__")
    main.__file__ = str(place / "main_script.py")
    sys.modules["__main__"] = main
    try:
        code = compile(pathlib.Path("main_script.py").read_text(), "main_script.py", "exec")
        with gpu:
            exec(code, main.__dict__)
    except SystemExit as error:
        ended = f"exit {error.code}"
    except BaseException as error:
        traceback.print_exc()
        ended = f"{type(error).__name__}: {error}"
    sys.stdout.flush(), sys.stderr.flush()
    with gpu.generator:
        there = torch.rand(1).item()
    drawn = [torch.rand(1).item(), there, np.random.rand(), random.random()]
    done = {f"{name} {where}": count for (name, where), count in sorted(gpu.done.items())}
    pathlib.Path(_TOLD).write_text(json.dumps({"ended": ended, "drawn": drawn, "done": done}))
    os._exit(0)


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """In which ways two runs differ."""
    if before["ended"] != after["ended"]:
        yield f"ended: {before['ended'][:300]} | {after['ended'][:300]}"
    if before["printed"] != after["printed"]:
        first = next(
            (pair for pair in zip(before["printed"].splitlines(), after["printed"].splitlines()) if pair[0] != pair[1]),
            "length",
        )
        yield f"printed: {first}"
    if before["drawn"] != after["drawn"]:
        yield f"drawn: {before['drawn']} {after['drawn']}"
    names = {*before["done"], *after["done"]}
    counts = [
        f"{name}: {before['done'].get(name, 0)} -> {after['done'].get(name, 0)}"
        for name in sorted(names)
        if before["done"].get(name) != after["done"].get(name) and name.split()[0] not in _AROUND
    ]
    if counts:
        yield f"done: {', '.join(counts)}"


def compare(text: str, folder: pathlib.Path, arguments: list[str], path: str = "script.py") -> tuple[str, list[str]]:
    """How a script ends, and in which ways its conversion differs."""
    result = convert(text, path=path)
    if not isinstance(result, Converted):
        return "not converted", []
    before = run(text, folder, arguments)
    after = run(result.after, folder, arguments)
    used = any(name.endswith("cuda:0") for name in before["done"])
    kind = f"{'gpu' if used else 'cpu'} {before['ended'][:200]}"
    found = list(differences(before, after))
    if before["ended"] != after["ended"]:
        found.append(after["trace"])
    return kind, found


def main() -> None:
    arguments: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        import tomllib

        arguments = tomllib.loads(pathlib.Path("fixtures/arguments.toml").read_text())
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        text = path.read_text()
        for args in arguments.get(path.name.removesuffix(".in.py"), [[]]):
            kind, found = compare(text, path.parent, args, path.name)
            print(f"{path.name} {' '.join(args)}: {kind}", flush=True)
            for line in found:
                print("    " + line.replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    main()
