"""Device moves: the Trainer moves each batch and the model to the device that the script chose.

Sound when every tensor of the batch is moved to that device before anything else is done with it.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.shapes import method_calls, names_in
from refactorer.outline.batches import BatchSource
from refactorer.outline.outline import STEP, VALIDATION_STEP, Outline


def apply(outline: Outline) -> None:
    """Finds the device of the script and takes the moves of the batches out of the steps."""
    device = find_device(outline)
    if device is None:
        return
    outline.device = device
    variable = outline.variable(device)
    assert variable is not None
    for hook, source in ((STEP, outline.train), (VALIDATION_STEP, outline.evaluation)):
        if source is not None:
            _strip(outline, hook, source, variable)


def find_device(outline: Outline) -> cst.Name | None:
    """The name of the device that the script moves its model to, if it is one variable that is visible there."""
    found: list[cst.Name] = []
    for call in method_calls(outline, "to"):
        if len(call.args) == 1 and isinstance(call.args[0].value, cst.Name):
            name = call.args[0].value
            variable = outline.variable(name)
            made = outline.program.assigned_value(variable)
            is_device = variable is not None and ("device" in variable.name.lower() or _makes_device(outline, made))
            if (
                is_device
                and variable is not None
                and variable.owner in (outline.site.driver, outline.program.scope[outline.program.module])
            ):
                found.append(name)
    if not found or len({outline.variable(name) for name in found}) != 1:
        return None
    return found[0]


def _makes_device(outline: Outline, value: cst.CSTNode | None) -> bool:
    return isinstance(value, cst.Call) and outline.program.qualified_name(value.func) == "torch.device"


def is_move(outline: Outline, node: cst.CSTNode, device: Variable) -> bool:
    """Whether a node is a call `x.to(device)`, perhaps with `non_blocking`."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.func.attr.value != "to":
        return False
    rest = all(arg.keyword is not None and arg.keyword.value == "non_blocking" for arg in node.args[1:])
    return bool(node.args) and rest and outline.variable(node.args[0].value) is device


def _strip(outline: Outline, hook: str, source: BatchSource, device: Variable) -> None:
    body = outline.hooks[hook]
    if source.target is None:
        return
    wanted = {outline.variable(name) for name in names_in(source.target)}
    if isinstance(source.target, cst.Name) or None in wanted:
        return
    moves = [node for node in walk(*body) if is_move(outline, node, device)]
    moved = [(node, _root(node.func.value)) for node in moves]  # type: ignore[attr-defined]
    of_batch = {outline.variable(root): node for node, root in moved if outline.variable(root) in wanted}
    if set(of_batch) != wanted or not _first_uses(outline, body, of_batch, wanted):
        return
    edits: dict[cst.CSTNode, Edit] = {}
    for node in of_batch.values():
        edits[node] = node.func.value  # type: ignore[attr-defined]
    outline.edit(hook, edits)
    outline.edit(hook, {line: None for line in outline.hooks[hook] if _assigns_itself(line)})


def _root(node: cst.CSTNode) -> cst.CSTNode:
    while isinstance(node, (cst.Attribute, cst.Call)):
        node = node.value if isinstance(node, cst.Attribute) else node.func
    return node


def _first_uses(outline: Outline, body: list[cst.CSTNode], moves: dict, wanted: set) -> bool:  # type: ignore[type-arg]
    """Whether each part of the batch is first used in its move."""
    seen: set[Variable] = set()
    for node, variable in outline.uses(*body):
        if variable in wanted and variable not in seen and not outline.is_write(node):
            seen.add(variable)
            if not any(inner is node for inner in walk(moves[variable])):
                return False
    return True


def _assigns_itself(line: cst.CSTNode) -> bool:
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return False
    small = line.body[0]
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return False
    names = names_in(small.targets[0].target)
    values = names_in(small.value)
    alike = [n.value for n in names] == [n.value for n in values] and bool(names)
    return alike and isinstance(small.value, (cst.Name, cst.Tuple))
