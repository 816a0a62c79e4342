"""What runs where a function is defined: its defaults and its annotations, which go with a function that is entered."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.functions.arguments import every_parameter

_QUIET = (
    "argparse.Namespace", "builtins.dict", "builtins.float", "builtins.int", "builtins.list", "builtins.range",
    "builtins.set", "builtins.str", "builtins.tuple", "collections.", "logging.getLogger", "math.", "os.", "pathlib.",
    "torch.cuda.is_available", "torch.device", "torch.tensor",
)  # fmt: skip


def seen_in_header(program: Program, function: cst.FunctionDef) -> cst.CSTNode | None:
    """The first part of a header that someone may see run: a call, if it is not known to do nothing else."""
    for part in _evaluated(program, function):
        later = {inner for node in walk(part) if isinstance(node, cst.Lambda) for inner in walk(node.body)}
        for node in walk(part):
            calls = isinstance(node, cst.Call) and not _is_quiet(program, node)
            if node not in later and (calls or isinstance(node, cst.NamedExpr)):
                return node
    return None


def _evaluated(program: Program, function: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    every = every_parameter(function.params)
    yield from (parameter.default for parameter in every if parameter.default is not None)
    if "__future__.annotations" not in program.imports.values():
        annotations = [function.returns, *(parameter.annotation for parameter in every)]
        yield from (annotation.annotation for annotation in annotations if annotation is not None)


def _is_quiet(program: Program, call: cst.Call) -> bool:
    name = program.qualified_name(call.func) or ""
    return name.startswith(_QUIET) or (name.startswith("torch.nn.") and name.endswith("Loss"))
