"""Uses of a model in front of the training that leave its parameters the objects that they are."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from refactorer.idioms.known.parts import WRAPPERS
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.outline import Outline

_METHODS = (
    "parameters", "state_dict", "load_state_dict", "train", "eval", "named_parameters", "zero_grad", "modules",
    "named_modules", "children", "named_children", "buffers", "named_buffers", "requires_grad_",
)  # fmt: skip
_MOVES = ("to", "cuda", "cpu", "float", "double", "half", "bfloat16")
_SHOWING = {
    *(f"builtins.{name}" for name in ("print", "len", "str", "repr", "type", "id", "isinstance")),
    "copy.deepcopy", "logging.info", "logging.debug", "torch.save", "wandb.watch",
}  # fmt: skip


def keeps_parameters(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use of a model only looks at it, moves it, or never comes to the training."""
    parent = outline.program.parent[node]
    if isinstance(parent, cst.Attribute):
        return is_known_method(outline, parent)
    return is_handed_to(outline, node, (*_SHOWING, *WRAPPERS)) or leaves_function(outline, node)


def is_shown(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether an object is only printed, copied or saved."""
    return is_handed_to(outline, node, _SHOWING)


def is_handed_to(outline: Outline, node: cst.CSTNode, functions: Collection[str]) -> bool:
    """Whether an expression is an argument of one of some functions."""
    argument = outline.program.parent.get(node)
    call = outline.program.parent.get(argument) if isinstance(argument, cst.Arg) else None
    return isinstance(call, cst.Call) and outline.program.qualified_name(call.func) in functions


def is_known_method(outline: Outline, method: cst.Attribute) -> bool:
    """Whether a method of a model, as it is called, only looks at its parameters, moves or fills them."""
    name = method.attr.value
    if name in _MOVES:  # a class of the script may do more
        return not any(node.name.value in _MOVES for node in outline.program.find(cst.FunctionDef))
    if is_own_method(outline, name):
        return False
    call = outline.program.parent.get(method)
    given = call.args if isinstance(call, cst.Call) else ()
    replaces = any(arg.star or (arg.keyword is not None and arg.keyword.value == "assign") for arg in given)
    return name in _METHODS and not replaces and len(given) < 3


def is_own_method(outline: Outline, name: str) -> bool:
    """Whether a class of the file has a method of some name, which may do more than that of its base."""
    program = outline.program
    same = (node for node in program.find(cst.FunctionDef) if node.name.value == name)
    return any(class_of_method(program, node) is not None for node in same)


def leaves_function(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a line stands in a branch of its function that ends with `return`."""
    program = outline.program
    for outer in program.ancestors(node):
        if isinstance(outer, cst.FunctionDef) or program.contains(outer, outline.site.epoch_loop):
            return False
        branch = outer.body if isinstance(outer, (cst.If, cst.Else)) else None
        lines = block_lines(branch) if branch is not None and program.contains(branch, node) else []
        last = lines[-1] if lines else None
        if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return):
            return True
    return False
