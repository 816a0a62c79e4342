"""Objects that the models of a training were made of, and that the script may still reach by other names."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.known.plain import is_plain
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

WRAPPERS = (
    "torch.nn.DataParallel", "torch.nn.parallel.DataParallel", "torch.nn.parallel.data_parallel.DataParallel",
    "torch.nn.parallel.DistributedDataParallel", "torch.nn.parallel.distributed.DistributedDataParallel",
)  # fmt: skip
"""The classes that wrap a model for several devices, by all the names that torch gives them."""
_SIZES = ("shape", "ndim", "dtype", "device")
_MEASURES = ("size", "dim", "numel", "nelement", "item")
_NUMBERS = {f"builtins.{name}" for name in ("len", "int", "float", "bool", "str")}


def parts_of_models(outline: Outline, roles: Roles) -> set[Variable]:
    """Objects that the models were made of: a change of one of them changes a model."""
    found: set[Variable] = set()
    for model in roles.models:
        for seen in model.writes:
            value = outline.program.bound_to(seen.node)
            made = unmoved(value, also=("half", "train", "eval")) if value is not None else None
            if isinstance(made, cst.Call):
                found |= {v for arg in made_of(outline, made) for v in _held(outline, arg) if v.owner is not None}
    kinds = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)
    named = {v for v in found - set(roles.models) if not isinstance(outline.program.definition(v), kinds)}
    return {variable for variable in named if not is_plain(outline, variable)}


def _held(outline: Outline, arg: cst.Arg) -> set[Variable]:
    """The variables that an argument may hold: not those of which it only tells a size, or another number."""
    numbers = {id(part) for node in walk(arg) if _is_number(outline, node) for part in walk(node)}
    return {variable for node, variable in outline.uses(arg) if id(node) not in numbers}


def _is_number(outline: Outline, node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Attribute):
        return node.attr.value in _SIZES or node.attr.value.startswith("num_")
    if not isinstance(node, cst.Call):
        return False
    asks = isinstance(node.func, cst.Attribute) and node.func.attr.value in _MEASURES
    return asks or outline.program.qualified_name(node.func) in _NUMBERS


def made_of(outline: Outline, made: cst.Call) -> list[cst.Arg]:
    """The arguments that become part of a model: of a wrapper for several devices, the model itself."""
    if outline.program.qualified_name(made.func) not in WRAPPERS:
        return list(made.args)
    named = [arg for arg in made.args if arg.keyword is not None and arg.keyword.value == "module"]
    return named or [arg for arg in made.args if arg.keyword is None][:1]
