"""Models that surely have no attribute `module`, so that `hasattr(model, "module")` asks whether they are wrapped."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.classes import methods_of
from refactorer.outline.objects.torch_names import unmoved

MODULE = "module"
_ADDING = ("add_module", "register_module", "register_buffer", "register_parameter", "__setattr__")
_OWN = ("__getattr__", "__getattribute__", MODULE)


def has_no_module(program: Program, found: Wrapper) -> bool:
    """Whether a class of the file makes the model, and nothing in the file gives it such an attribute."""
    stores = [node for node in program.find(cst.Attribute) if node.attr.value == MODULE and is_stored(program, node)]
    methods = {call.func.attr.value for call in program.calls if isinstance(call.func, cst.Attribute)}
    if stores or methods.intersection(_ADDING):
        return False
    model, wrappers = found.entry.model, [made.call for made in found.wrappings]
    values = [program.bound_to(seen.node) for seen in model.writes]
    made = [unmoved(value) for value in values if value is not None and value not in wrappers]
    known = len(made) + len(wrappers) == len(values)
    return known and all(program.variables.get(v) is model or _is_of_the_file(program, v) for v in made)


def _is_of_the_file(program: Program, made: cst.CSTNode) -> bool:
    """Whether a class of the file makes an object, one that inherits from torch's module alone."""
    kind = program.definition(program.variables.get(made.func)) if isinstance(made, cst.Call) else None
    if not isinstance(kind, cst.ClassDef) or kind.decorators:
        return False
    own = {method.name.value for method in methods_of(kind)}
    plain = [program.qualified_name(base.value) for base in kind.bases] == ["torch.nn.Module"]
    return plain and not own.intersection(_OWN)
