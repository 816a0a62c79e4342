"""An import that only served what the conversion has taken out."""

from __future__ import annotations

from typing import Union

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply

_SERVING = {
    "torch.autograd.Variable", "torch.nn.parallel.DistributedDataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
}  # fmt: skip
_Import = Union[cst.Import, cst.ImportFrom]


def without_unused(program: Program, module: cst.Module) -> cst.Module:
    """The file without imports that were used before and are not any more; imports that never were used stay."""
    for node in module.body:
        small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
        if not isinstance(small, (cst.Import, cst.ImportFrom)) or isinstance(small.names, cst.ImportStar):
            continue
        unused = [alias for alias in small.names if _was_used(program, alias) and not _is_used(module, alias)]
        if unused:
            return without_unused(program, without_names(module, node, small, unused))
    return module


def without_names(module: cst.Module, line: cst.CSTNode, small: _Import, unused: list[cst.ImportAlias]) -> cst.Module:
    """The file without some names of an import, and without its line if these are all."""
    assert not isinstance(small.names, cst.ImportStar)
    kept = [alias for alias in small.names if alias not in unused]
    if not kept:
        return apply(module, {line: None})
    kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return apply(module, {small: small.with_changes(names=kept)})


def _was_used(program: Program, alias: cst.ImportAlias) -> bool:
    """Whether an import of the original file is one of those in question, and something used its name."""
    bound: cst.BaseExpression = alias.asname.name if alias.asname is not None else alias.name
    while isinstance(bound, cst.Attribute):
        bound = bound.value
    name = program.imports.get(bound, "")
    if name not in _SERVING and name.split(".")[0] != "tqdm":
        return False
    return bool(program.variables[bound].reads)


def _is_used(module: cst.Module, alias: cst.ImportAlias) -> bool:
    """Whether the name still stands anywhere: as a name, or in a string such as those of `__all__`."""
    name = (alias.evaluated_alias or alias.evaluated_name).split(".")[0]
    for node in module.body:
        sources = {id(name) for part in walk(node) if isinstance(part, cst.ImportFrom) and part.module is not None
                   for name in (part.module, *walk(part.module))}  # fmt: skip
        for part in walk(node):
            if isinstance(part, cst.SimpleString) and part.raw_value == name:
                return True
            if isinstance(part, cst.Name) and part.value == name and not (id(part) in sources or _is_in(alias, part)):
                return True
    return False


def _is_in(alias: cst.ImportAlias, name: cst.Name) -> bool:
    parts = walk(alias.name) if isinstance(alias.name, cst.Attribute) else [alias.name]
    return any(name is part for part in parts) or (alias.asname is not None and name is alias.asname.name)
