"""What code does with a model, as far as its mode matters: taking its state is harmless, handing it on is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import holds
from refactorer.idioms.parts import WRAPPERS
from refactorer.outline.blocks import block_lines
from refactorer.outline.outline import Outline

_KNOWN_USES = {
    "parameters", "named_parameters", "state_dict", "load_state_dict", "to", "cuda", "cpu", "train", "apply", "float",
    "double", "modules", "named_modules", "children", "zero_grad",
}  # fmt: skip


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
        return parent.attr.value not in _KNOWN_USES and not _asks_part_for_parameters(outline, parent)
    call = outline.program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(parent, cst.Call) and parent.func is node:
        return False  # it is run
    name = outline.program.qualified_name(call.func) if isinstance(call, cst.Call) else None
    bound = _bound_to(outline, call)
    again = name in WRAPPERS and bound is not None and bound is outline.variable(node)
    return name != "builtins.print" and not again and (bound is None or bound not in optimizers)


def _asks_part_for_parameters(outline: Outline, part: cst.Attribute) -> bool:
    """Whether a part of a model is named to be asked for its parameters: `net.head.parameters()`."""
    around = outline.program.parent.get(part)
    while isinstance(around, cst.Attribute):
        part, around = around, outline.program.parent.get(around)
    return isinstance(around, cst.Call) and part.attr.value in ("parameters", "named_parameters")


def _bound_to(outline: Outline, call: cst.CSTNode | None) -> Variable | None:
    """The variable that a call alone is assigned to: a wrapped model its old name, or an optimizer."""
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
