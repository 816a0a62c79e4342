"""Evaluations by functions of other files: `accuracy = evaluate(model, val_loader)`, with `evaluate` imported."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.idioms.shapes import method_calls
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

IN_ANOTHER_FILE = "stands in another file"
_WORDS = ("test", "val", "eval", "acc", "infer")
_LIBRARIES = ("torch", "numpy", "builtins", "tqdm", "copy", "sklearn", "time", "os", "sys", "logging", "random")


def out_of_sight(outline: Outline, roles: Roles) -> Iterator[tuple[cst.CSTNode, str]]:
    """The calls beside the batches of a training that hand its model and a loader to a function of another file."""
    program, site = outline.program, outline.site
    code = cst.Module([]).code_for_node
    switched = {code(call.func.value) for mode in ("train", "eval") for call in method_calls(outline, mode)}  # type: ignore[attr-defined]
    models = switched | {model.name for model in roles.models}
    seen: set[str] = set()
    for call in program.calls:
        origin = _imported(program, call)
        name = origin.rsplit(".", 1)[-1] if origin is not None else None
        beside = program.contains(program.parent[site.epoch_loop], call)
        if name is None or name in seen or not beside:
            continue
        given = [code(arg.value) for arg in call.args]
        data = any("loader" in one.lower() for one in given)
        if set(given) & models and data and any(word in (origin or "").lower() for word in _WORDS):
            seen.add(name)
            yield call, f"{name}() {IN_ANOTHER_FILE}"


def _imported(program: Program, call: cst.Call) -> str | None:
    """The dotted name of the function that a call runs, if another file of the script's has it."""
    func = call.func
    origin = program.qualified_name(func)
    if origin is None or origin.split(".")[0] in _LIBRARIES or program.function(func) is not None:
        return None
    known = any(
        isinstance(node, cst.Name) and program.definition(program.variables.get(node)) is not None
        for node in walk(func)
    )
    return origin if known else None
