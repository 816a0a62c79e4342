"""Variables, settings and tests by name, in the names that the driver has for them."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import children
from refactorer.emit.edits import apply
from refactorer.idioms.device.lines import text_of
from refactorer.outline.outline import Outline

Target = tuple[object, ...]
"""What a move names: ("variable", v), ("setting", v, "args.gpu"), ("item", v, "['device']"), ("cuda",) or, for any
other device, its text.

Conditions are written the same way, and ("available",) is whether there is CUDA, ("not", c) the opposite of another,
and ("test", text, operands) any other test of variables and settings.
"""

AVAILABLE: Target = ("available",)
_HOLDERS = ("args", "opt", "opts", "options", "cfg", "config", "conf", "params", "hparams", "flags", "settings")
_WORDS = ("None", "True", "False")
_CONSTANTS = (cst.SimpleString, cst.Integer, cst.Float)
_JOINING = (
    cst.Comparison, cst.ComparisonTarget, cst.BaseCompOp, cst.BooleanOperation, cst.BaseBooleanOp, cst.UnaryOperation,
    cst.BaseUnaryOp,
)  # fmt: skip


def setting_of(outline: Outline, node: cst.Attribute) -> Target | None:
    """The setting that an attribute is: `args.cuda`, or `self.args.cuda` of an object that holds the settings."""
    holder, name = node.value, node.attr.value
    if isinstance(holder, cst.Attribute):
        above = setting_of(outline, holder) if _holds_settings(holder.attr.value) else None
        return (*above[:2], f"{above[2]}.{name}") if above is not None else None
    owner = outline.variable(holder) if isinstance(holder, cst.Name) else None
    return ("setting", owner, name) if owner is not None else None


def last_name(target: Target) -> str:
    """The name of a setting without what holds it."""
    return str(target[-1]).rpartition(".")[2]


def test_of(outline: Outline, test: cst.BaseExpression) -> Target | None:
    """A test that compares variables and settings with constants, in the names of the driver; None for any other.

    Whether there is CUDA may be asked in it as well.
    """
    operands = _operands(outline, test)
    if not operands:
        return None
    found: list[Target] = []
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for operand in operands:
        if isinstance(operand, cst.Call):
            found.append(AVAILABLE)
            continue
        name: cst.BaseExpression = operand
        while isinstance(name, cst.Attribute):
            name = name.value
        owner = outline.variable(name)
        if owner is None or outline.program.variables[name] in outline.bindings.expression:
            return None
        known = setting_of(outline, operand) if isinstance(operand, cst.Attribute) else ("variable", owner)
        if known is None:
            return None
        found.append(known)
        edits[name] = cst.Name(owner.name)
    return ("test", cst.Module([]).code_for_node(apply(cst.Arg(test), edits).value), tuple(found))


def asks_for_cuda(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether an expression is `torch.cuda.is_available()`."""
    called = isinstance(node, cst.Call) and not node.args and outline.program.qualified_name(node.func)
    return called == "torch.cuda.is_available"


def _operands(outline: Outline, node: cst.CSTNode) -> list[cst.BaseExpression] | None:
    """The variables and settings that a test looks at, and its questions for CUDA; None if it may do anything else."""
    if isinstance(node, cst.Call):
        plain = asks_for_cuda(outline, node) and text_of(node) == "torch.cuda.is_available()"
        return [node] if plain else None
    if isinstance(node, cst.Attribute) or (isinstance(node, cst.Name) and node.value not in _WORDS):
        return [node]
    if isinstance(node, (cst.Name, *_CONSTANTS)):
        return []
    if not isinstance(node, _JOINING):
        return None
    found: list[cst.BaseExpression] = []
    for child in children(node):
        inner = _operands(outline, child)
        if inner is None:
            return None
        found += inner
    return found


def _holds_settings(name: str) -> bool:
    return name.lower().strip("_") in _HOLDERS
