"""Other moves in the hooks: a tensor that the step makes follows the module.

`x.cuda()` and `x.to(args.device)` become `x.to(self.device)`: the module is where the script put its model, so the
target is the same.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.device.choice import Choice
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.lines import bare_texts, bracketed, text_of
from refactorer.idioms.device.moves import place_named, place_of, target_of, types_in
from refactorer.idioms.device.named import Target
from refactorer.idioms.device.tensors import FACTORIES
from refactorer.idioms.shapes import method_calls, method_name
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comment_lines, comments_of, with_comments
from refactorer.outline.objects.optimizers import Roles, makes_module
from refactorer.outline.outline import Outline
from refactorer.outline.places.device_uses import has_own, moves_plainly


def follow(outline: Outline, roles: Roles, choice: Choice) -> None:
    """Rewrites the moves in the hooks whose condition is the script's one condition for CUDA."""
    by_name = not choice.is_cuda and not _is_called_cuda(outline, choice)
    if not moves_plainly(outline.program) if by_name else has_own(outline.program, "cuda", "to"):
        return
    for hook, body in outline.hooks.items():
        edits: dict[cst.CSTNode, Edit] = {}
        for node in walk(*body):
            if isinstance(node, cst.If) and _asks(outline, choice, node.test):
                edits.update(_branch(outline, roles, choice, node))
            elif isinstance(node, cst.IfExp) and _asks(outline, choice, node.test):
                moved = _moved(outline, roles, choice, node.body)
                if moved is not None and text_of(moved.func.value) == text_of(node.orelse):  # type: ignore[attr-defined]
                    edits[node] = _following(moved)
            elif choice.condition is None and (moved := _moved(outline, roles, choice, node)) is not None:
                edits[moved] = _following(moved)
            elif isinstance(node, cst.Call) and _is_to_variable(outline, roles, choice, node):
                edits[place_of(node)] = cst.parse_expression("self.device")
            elif isinstance(node, cst.Call) and (place := _place_of_new(outline, choice, node)) is not None:
                edits[place] = cst.parse_expression("self.device")
        if edits:
            outline.edit(hook, edits)


def _is_called_cuda(outline: Outline, choice: Choice) -> bool:
    """Whether the script says `x.cuda(device)` somewhere."""
    calls = method_calls(outline, "cuda")
    return any(call.args and target_of(outline, call) == choice.target for call in calls)


def _is_to_variable(outline: Outline, roles: Roles, choice: Choice, call: cst.Call) -> bool:
    """Whether a tensor is moved by `x.to(device)`."""
    named = method_name(call) == "to" and choice.target[0] in ("variable", "setting", "item")
    return named and _is_of_tensor(outline, roles, call, choice.target)


def _asks(outline: Outline, choice: Choice, test: cst.BaseExpression) -> bool:
    return choice.condition is not None and condition_of(outline, test) == choice.condition


def _moved(outline: Outline, roles: Roles, choice: Choice, node: cst.CSTNode) -> cst.Call | None:
    """A move of a tensor with `x.cuda()` or `x.to(f"cuda:{rank}")`: not of anything that may be a module."""
    if not isinstance(node, cst.Call) or types_in(node):
        return None
    target = target_of(outline, node)
    spelled = target == choice.target and (choice.target[0] in ("text", "other") or method_name(node) == "cuda")
    known = spelled or (target == ("cuda",) and choice.is_cuda)
    return node if known and target is not None and _is_of_tensor(outline, roles, node, target) else None


def _is_of_tensor(outline: Outline, roles: Roles, node: cst.CSTNode, target: Target) -> bool:
    """Whether a node moves something to a device that is no module."""
    if not isinstance(node, cst.Call) or target_of(outline, node) != target:
        return False
    variable = outline.variable(_first_name(node))
    if variable is None:
        return False
    modules = variable in roles.objects or any(makes_module(outline.program, seen) for seen in variable.writes)
    return not (modules and isinstance(node.func.value, cst.Name))  # type: ignore[attr-defined]


def _first_name(node: cst.BaseExpression) -> cst.BaseExpression:
    """What an expression begins with: `x` in `(x[0] * 2).long().cuda()`."""
    while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call, cst.BinaryOperation)):
        if isinstance(node, cst.BinaryOperation):
            node = node.left
        else:
            node = node.func if isinstance(node, cst.Call) else node.value
    return node


def _place_of_new(outline: Outline, choice: Choice, call: cst.Call) -> cst.BaseExpression | None:
    """The place of a tensor that a step makes on the device: `torch.zeros(3, device=args.device)`."""
    name = outline.program.qualified_name(call.func) or ""
    named = [arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == "device"]
    makes = name.startswith("torch.") and name.removeprefix("torch.") in FACTORIES
    if not named or not makes or choice.condition is not None or place_named(outline, named[0]) != choice.target:
        return None
    return named[0]


def _following(call: cst.Call) -> cst.Call:
    assert isinstance(call.func, cst.Attribute)
    kept = [arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "non_blocking"]
    place = cst.Arg(cst.parse_expression("self.device"))
    return cst.Call(call.func.with_changes(attr=cst.Name("to"), value=bracketed(call.func.value)), [place, *kept])


def _branch(outline: Outline, roles: Roles, choice: Choice, branch: cst.If) -> dict[cst.CSTNode, Edit]:
    """`if use_cuda: x = x.cuda()` without its condition, where the other branch does the same without moving."""
    if branch.orelse is not None and not isinstance(branch.orelse, cst.Else):
        return {}
    lines = block_lines(branch.body)
    others = block_lines(branch.orelse.body) if branch.orelse is not None else []
    moves = [moved for node in walk(*lines) if (moved := _moved(outline, roles, choice, node)) is not None]
    bare: dict[cst.CSTNode, Edit] = {moved: moved.func.value for moved in moves}  # type: ignore[attr-defined]
    if not moves or bare_texts(_done(lines, bare)) != bare_texts(others):
        return {}
    done = _done(lines, {moved: _following(moved) for moved in moves})
    beside = comments_of(branch)[len(comment_lines(branch.leading_lines)) :]
    done[0] = with_comments(done[0], [*branch.leading_lines, *beside])
    return {branch: done}


def _done(lines: list[cst.CSTNode], edits: dict[cst.CSTNode, Edit]) -> list[cst.CSTNode]:
    return list(apply(cst.IndentedBlock(lines), edits).body) if lines else []  # type: ignore[arg-type]
