"""Which data sets always have the same number of items: Lightning counts the batches once, in front of the training."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.classes import methods_of
from refactorer.outline.control import returns
from refactorer.outline.functions.values import values_of
from refactorer.outline.objects.torch_names import unmoved

_DEPTH = 8
_FIXED = (
    "torch.utils.data.TensorDataset", "torch.utils.data.Subset", "torch.utils.data.ConcatDataset",
    "torch.utils.data.random_split", "torch.utils.data.dataset.random_split", "torchvision.datasets.",
    "builtins.list", "builtins.tuple", "builtins.range", "torch.rand", "torch.randn", "torch.arange", "torch.tensor",
    "torch.from_numpy", "torch.randint", "torch.linspace", "torch.zeros", "torch.ones", "torch.stack", "torch.cat",
)  # fmt: skip
_COUNTING = ("builtins.len", "builtins.max", "builtins.min", "builtins.int")
_CASTS = ("unsqueeze", "view", "reshape", "long", "t")
_READING = (
    "shape", "size", "dtype", "device", "ndim", "max", "min", "mean", "std", "sum", "to", "float", "long", "cpu",
    "numpy", "item", "norm", "view", "reshape", "t", "numel", "dim",
)  # fmt: skip
_BASES = ("torch.utils.data.Dataset", "torch.utils.data.dataset.Dataset", "torch.utils.data.TensorDataset")


def is_fixed(program: Program, value: cst.BaseExpression | None, depth: int = 0) -> bool:
    """Whether an expression makes a data set whose length nothing changes, and which is no stream."""
    if value is None or depth > _DEPTH:
        return False
    if isinstance(value, (cst.List, cst.Tuple, cst.ListComp)):
        return True
    if isinstance(value, cst.IfExp):
        return all(is_fixed(program, part, depth + 1) for part in (value.body, value.orelse))
    if isinstance(value, cst.Subscript):
        return is_fixed(program, value.value, depth + 1)
    if isinstance(value, cst.Name):
        values = values_of(program, program.variables.get(value))
        return values is not None and all(is_fixed(program, one, depth + 1) for one in values)
    made = unmoved(value, also=_CASTS)
    return isinstance(made, cst.Call) and _is_fixed_call(program, made, depth)


def _is_fixed_call(program: Program, call: cst.Call, depth: int) -> bool:
    name = program.qualified_name(call.func) or ""
    if name.startswith(_FIXED):
        return True
    made = program.definition(program.variables.get(call.func))
    if isinstance(made, cst.ClassDef):
        return _is_fixed_class(program, made)
    function = program.function(call.func)
    results = [found.value for found in returns(function.body.body)] if function is not None else []
    return bool(results) and all(is_fixed(program, result, depth + 1) for result in results)


def _is_fixed_class(program: Program, made: cst.ClassDef) -> bool:
    """A class with indices whose `__len__` reads only what its own `__init__` has bound, once and for all."""
    bases = [program.qualified_name(base.value) for base in made.bases]
    methods = {method.name.value: method for method in methods_of(made)}
    if not all(base in (*_BASES, "builtins.object") for base in bases) or "__iter__" in methods:
        return False
    if "torch.utils.data.TensorDataset" in bases and "__len__" not in methods:
        return True
    length = methods.get("__len__")
    if length is None or any(program.qualified_name(c.func) not in _COUNTING for c in program.find(cst.Call, length)):
        return False
    read = {node.attr.value for node in program.find(cst.Attribute, length)}
    free = [n for n in program.find(cst.Name, length) if program.variables.get(n) is not None]
    own = {name.value for name in program.find(cst.Name, length.params)}
    if any(n.value not in {*own, *read, "__len__"} and program.qualified_name(n) not in _COUNTING for n in free):
        return False
    return not any(_changes(program, node, methods.get("__init__")) & read for node in program.find(cst.Attribute))


def _changes(program: Program, node: cst.Attribute, constructor: cst.FunctionDef | None) -> set[str]:
    """The name of an attribute that is stored, or whose method may change it, outside the constructor."""
    if node not in program.order or (constructor is not None and program.contains(constructor, node)):
        return set()
    parent = program.parent.get(node)
    stored = isinstance(parent, (cst.AssignTarget, cst.AugAssign, cst.Del, cst.Attribute))
    return {node.attr.value} if stored and not _reads_shape(parent) else set()


def _reads_shape(parent: cst.CSTNode | None) -> bool:
    return isinstance(parent, cst.Attribute) and parent.attr.value in _READING
