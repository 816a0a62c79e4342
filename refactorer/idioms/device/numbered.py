"""Devices by number: `x.cuda(args.gpu)`, `model.to(rank)`, and names that are put together, as `f"cuda:{rank}"`.

A number may be None, which `cuda()` takes for the current device. So the Trainer is not given the number but the device
of the model, which the script has moved to it (`where_model_is.py`), and what a script does where there is no number
counts as done with it.
"""

from __future__ import annotations

import libcst as cst

from refactorer.emit.edits import apply
from refactorer.idioms.device.named import Target
from refactorer.idioms.device.visible import visible
from refactorer.idioms.shapes import is_none_test
from refactorer.outline.outline import Outline

_NUMBERS = ("rank", "local_rank", "gpu", "gpu_id", "dev_id")


def names_number(name: str) -> bool:
    """Whether a variable or a setting of this name that something is moved to can only be the number of a device."""
    return name.lower() in _NUMBERS


def composed(outline: Outline, place: cst.BaseExpression) -> Target | None:
    """A name that is put together from `"cuda:"` and variables or settings, in the names of the driver."""
    operands = _operands(outline, place)
    if not operands:
        return None
    found, edits = [], {}
    for operand in operands:
        name = operand.value if isinstance(operand, cst.Attribute) else operand
        owner = outline.variable(name)
        if owner is None or outline.program.variables[name] in outline.bindings.expression:
            return None
        found.append(("setting", owner, operand.attr.value) if operand is not name else ("variable", owner))  # type: ignore[attr-defined]
        edits[name] = cst.Name(owner.name)
    return ("text", cst.Module([]).code_for_node(apply(cst.Arg(place), edits).value), tuple(found))  # type: ignore[arg-type]


def _operands(outline: Outline, place: cst.CSTNode) -> list[cst.BaseExpression]:
    """The variables and settings in `f"cuda:{x}"`, `"cuda:{}".format(x)`, `"cuda:%d" % x` and `"cuda:" + str(x)`."""
    found: list[cst.BaseExpression] = []
    if isinstance(place, cst.FormattedString) and place.parts:
        first, *rest = place.parts
        if isinstance(first, cst.FormattedStringText) and first.value.startswith("cuda:"):
            found = [part.expression if isinstance(part, cst.FormattedStringExpression) else place for part in rest]
    elif isinstance(place, cst.Call) and isinstance(place.func, cst.Attribute) and place.func.attr.value == "format":
        found = [arg.value for arg in place.args] if _starts_name(place.func.value) else []
    elif isinstance(place, cst.BinaryOperation) and _starts_name(place.left):
        right = place.right
        if isinstance(place.operator, cst.Add) and isinstance(right, cst.Call) and len(right.args) == 1:
            found = [right.args[0].value] if outline.program.qualified_name(right.func) == "builtins.str" else []
        elif isinstance(place.operator, cst.Modulo):
            found = [right]
    owners = [node.value if isinstance(node, cst.Attribute) else node for node in found]
    return found if all(isinstance(node, cst.Name) for node in owners) else []


def _starts_name(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleString) and str(node.evaluated_value).startswith("cuda:")


def visible_text(outline: Outline, target: Target) -> cst.BaseExpression | None:
    """The name that is put together, if all of its parts keep their values from the beginning of the training."""
    parts = target[2]
    assert isinstance(parts, tuple)
    known = all(visible(outline, part) is not None for part in parts)
    return cst.parse_expression(str(target[1])) if known else None


def asked_for(outline: Outline, test: cst.CSTNode) -> tuple[cst.BaseExpression, bool] | None:
    """What `args.gpu is not None` asks for, and whether it holds where there is a number."""
    if not is_none_test(test):
        return None
    assert isinstance(test, cst.Comparison)
    return test.left, isinstance(test.comparisons[0].operator, cst.IsNot)


def without_number(outline: Outline, call: cst.Call) -> list[cst.BaseExpression]:
    """What is known to be None where a call stands."""
    found, inner = [], call
    for outer in outline.program.ancestors(call):
        if isinstance(outer, cst.FunctionDef):
            break
        asked = asked_for(outline, outer.test) if isinstance(outer, cst.If) and outer.test is not inner else None
        if asked is not None and asked[1] != (outer.body is inner):  # type: ignore[attr-defined]
            found.append(asked[0])
        inner = outer  # type: ignore[assignment]
    return found
