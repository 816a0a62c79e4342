"""An import that only served what the conversion has taken out."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply

_SERVING = {
    "torch.autograd.Variable", "torch.nn.parallel.DistributedDataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
}  # fmt: skip


def without_unused(program: Program, module: cst.Module) -> cst.Module:
    """The file without imports that were used before and are not any more; imports that never were used stay."""
    for node in module.body:
        small = node.body[0] if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1 else None
        if not isinstance(small, cst.ImportFrom) or isinstance(small.names, cst.ImportStar):
            continue
        unused = [alias for alias in small.names if _was_used(program, alias) and not _is_used(module, alias)]
        kept = [alias for alias in small.names if alias not in unused]
        if unused and not kept:
            return apply(module, {node: None})
        if unused:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            return apply(module, {small: small.with_changes(names=kept)})
    return module


def _was_used(program: Program, alias: cst.ImportAlias) -> bool:
    """Whether an import of the original file is one of those in question, and something used its name."""
    bound = alias.asname.name if alias.asname is not None else alias.name
    if program.imports.get(bound) not in _SERVING:
        return False
    return bool(program.variables[bound].reads)


def _is_used(module: cst.Module, alias: cst.ImportAlias) -> bool:
    """Whether the name still stands anywhere: as a name, or in a string such as those of `__all__`."""
    name = alias.evaluated_alias or alias.evaluated_name
    for node in module.body:
        for part in walk(node):
            if isinstance(part, cst.SimpleString) and part.raw_value == name:
                return True
            if isinstance(part, cst.Name) and part.value == name and not _is_in(alias, part):
                return True
    return False


def _is_in(alias: cst.ImportAlias, name: cst.Name) -> bool:
    return name is alias.name or (alias.asname is not None and name is alias.asname.name)
