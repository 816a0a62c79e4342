"""A name for the tensor type of the script's device that only served what the conversion has rewritten."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import apply
from refactorer.outline.comments import comments_of


def without_unused_types(program: Program, module: cst.Module) -> cst.Module:
    """The file without lines such as `Tensor = torch.cuda.FloatTensor if cuda else torch.Tensor`, if all uses are gone.

    A line with comments stays.
    """
    if not any(_names_type(program, line) for line in program.find(cst.SimpleStatementLine)):
        return module
    gone = [line for line in walk(module) if _names_type(program, line) and not _is_used(module, line)]
    return apply(module, dict.fromkeys(gone)) if gone else module


def _names_type(program: Program, line: cst.CSTNode) -> bool:
    """Whether a line of the original gives a type a name that something used."""
    small = _assignment(line)
    target = small.targets[0].target if small is not None else None
    if small is None or target not in program.variables or comments_of(line):
        return False
    value = small.value
    chosen = isinstance(value, cst.IfExp) and not any(isinstance(node, cst.NamedExpr) for node in walk(value.test))
    kinds = (value.body, value.orelse) if isinstance(value, cst.IfExp) else ()
    names = [program.qualified_name(kind) or "" for kind in kinds]
    typed = all(name.startswith("torch.") and name.endswith("Tensor") for name in names)
    return chosen and typed and bool(program.variables[target].reads)


def _assignment(line: cst.CSTNode) -> cst.Assign | None:
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    single = isinstance(small, cst.Assign) and len(small.targets) == 1 and isinstance(small.targets[0].target, cst.Name)
    return small if isinstance(small, cst.Assign) and single else None


def _is_used(module: cst.Module, line: cst.CSTNode) -> bool:
    """Whether the name stands anywhere else: as a name, or in a string such as those of `__all__`."""
    small = _assignment(line)
    assert small is not None and isinstance(small.targets[0].target, cst.Name)
    target = small.targets[0].target
    attributes = {id(node.attr) for node in walk(module) if isinstance(node, cst.Attribute)}
    return any(
        node.raw_value == target.value if isinstance(node, cst.SimpleString)
        else isinstance(node, cst.Name) and node.value == target.value and node is not target
        and id(node) not in attributes
        for node in walk(module)
    )  # fmt: skip
