"""What code does with a model, as far as its mode matters: taking its state is harmless, handing it on is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds
from refactorer.idioms.known.parts import WRAPPERS
from refactorer.outline.blocks import block_lines
from refactorer.outline.objects.torch_names import MOVES
from refactorer.outline.outline import Outline

_KNOWN_USES = {
    "parameters", "named_parameters", "state_dict", "load_state_dict", "to", "cuda", "cpu", "train", "apply", "float",
    "double", "half", "modules", "named_modules", "children", "zero_grad",
}  # fmt: skip
_SIZES = ("in_features", "out_features", "in_channels", "out_channels", "num_features")
_CONVERTED = "torch.nn.SyncBatchNorm.convert_sync_batchnorm"


def is_harmless(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use of the model only takes its state or parameters."""
    parent = outline.program.parent.get(node)
    if isinstance(parent, cst.Attribute) and parent.attr.value == "module":  # what DataParallel wraps
        parent = outline.program.parent.get(parent)
    return isinstance(parent, cst.Attribute) and parent.attr.value in ("state_dict", "parameters", "load_state_dict")


def hands_on(outline: Outline, node: cst.CSTNode, optimizers: Sequence[Variable] = ()) -> bool:
    """Whether a use of the model in front of the training may give it to something else than its optimizer."""
    parent = outline.program.parent.get(node)
    if outline.is_write(node):
        return False
    if isinstance(parent, cst.Attribute):
        known = parent.attr.value in _KNOWN_USES or _is_made_anew(outline, parent)
        return not known and not _asks_part(outline, parent)
    call = outline.program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(parent, cst.Call) and parent.func is node:
        return False  # it is run
    name = outline.program.qualified_name(call.func) if isinstance(call, cst.Call) else None
    bound = _bound_to(outline, call)
    again = name in (*WRAPPERS, _CONVERTED) and bound is not None and bound is outline.variable(node)
    looks = name in ("builtins.print", "builtins.isinstance")
    return not looks and not again and (bound is None or bound not in optimizers)


def _asks_part(outline: Outline, part: cst.Attribute) -> bool:
    """Whether a part of a model is asked for parameters or a size: `net.head.parameters()`, `net.fc.in_features`."""
    around = outline.program.parent.get(part)
    while isinstance(around, cst.Attribute):
        part, around = around, outline.program.parent.get(around)
    if isinstance(around, (cst.AssignTarget, cst.AugAssign, cst.Del)):
        return False
    return part.attr.value in _SIZES or (
        isinstance(around, cst.Call) and part.attr.value in ("parameters", "named_parameters")
    )


def _is_made_anew(outline: Outline, part: cst.Attribute) -> bool:
    """Whether a part of a model becomes a new layer of torch that nobody else holds: `net.fc = nn.Linear(9, 2)`."""
    program = outline.program
    value = program.bound_to(part)
    if not isinstance(value, cst.Call) or not (program.qualified_name(value.func) or "").startswith("torch.nn."):
        return False
    return all(_is_number(outline, arg.value) for arg in value.args)


def _is_number(outline: Outline, node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Attribute):
        return node.attr.value in _SIZES
    if isinstance(node, cst.Name) and node.value not in ("True", "False"):
        value = outline.program.assigned_value(outline.variable(node))
        return value is not None and not isinstance(value, cst.Name) and _is_number(outline, value)
    called = outline.program.qualified_name(node.func) if isinstance(node, cst.Call) else None
    return isinstance(node, (cst.BaseNumber, cst.Name)) or called in ("builtins.len", "builtins.int")


def _bound_to(outline: Outline, call: cst.CSTNode | None) -> Variable | None:
    """The variable that a call is assigned to, perhaps with moves: a wrapped model its old name, or an optimizer."""
    method = outline.program.parent.get(call) if call is not None else None
    while isinstance(method, cst.Attribute) and method.attr.value in MOVES:
        call = outline.program.parent.get(method)
        method = outline.program.parent.get(call) if call is not None else None
    assign = outline.program.parent.get(call) if call is not None else None
    targets = [target.target for target in assign.targets] if isinstance(assign, cst.Assign) else []
    return outline.variable(targets[0]) if len(targets) == 1 else None


def pieces(lines: Sequence[cst.CSTNode], without: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The lines, and what branches of `if` are made of, without some of them."""
    for line in lines:
        if line in without:
            continue
        if isinstance(line, (cst.If, cst.Else)) and any(holds([line], part) for part in without):
            yield from [line.test] if isinstance(line, cst.If) else []
            rest = [line.orelse] if isinstance(line, cst.If) and line.orelse is not None else []
            yield from pieces([*block_lines(line.body), *rest], without)
        else:
            yield line
