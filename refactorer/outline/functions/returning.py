"""`return` from inside the training: the module stops the training, and the driver returns behind `fit`."""

from __future__ import annotations

import libcst as cst

from refactorer.idioms.jumps import on_lines
from refactorer.outline.control import returns
from refactorer.outline.outline import Outline, Returning


def stop_instead(outline: Outline) -> Returning | None:
    """Turns the script's own `return` statements in the hooks into stops; None when there are none."""
    found = {
        hook: [node for node in returns(body) if node in outline.program.order]
        for hook, body in outline.hooks.items() if hook not in outline.methods
    }  # fmt: skip
    every = [node for nodes in found.values() for node in nodes]
    if not every:
        return None
    flag = outline.free_attribute("returned") if any(n.value for n in every) or not _ends_function(outline) else None
    returning = Returning(flag, outline.free_attribute("result") if any(n.value for n in every) else None)
    for hook, nodes in found.items():
        edits = {node: _stop(returning, node) for node in nodes}
        if edits:
            outline.edit(hook, on_lines(outline.hooks[hook], edits))  # type: ignore[arg-type]
    return returning


def _stop(returning: Returning, node: cst.Return) -> list[cst.CSTNode]:
    smalls: list[cst.CSTNode] = []
    if returning.value is not None:
        smalls.append(_set(returning.value, node.value or cst.Name("None")))
    if returning.flag is not None:
        smalls.append(_set(returning.flag, cst.Name("True")))
    return [*smalls, cst.Expr(cst.parse_expression("self.stop_training()")), cst.Return()]


def _set(attribute: str, value: cst.BaseExpression) -> cst.CSTNode:
    target = cst.Attribute(cst.Name("self"), cst.Name(attribute))
    return cst.Assign([cst.AssignTarget(target)], value)


def _ends_function(outline: Outline) -> bool:
    """Whether nothing but the end of the function stands behind the loop."""
    loop = outline.site.epoch_loop
    block = outline.program.parent[loop]
    function = outline.program.parent.get(block)
    last = isinstance(block, cst.IndentedBlock) and block.body[-1] is loop and loop.orelse is None
    return last and isinstance(function, cst.FunctionDef)


def return_behind(returning: Returning, instance: str) -> cst.CSTNode | None:
    """The statement behind `fit` that returns from the driver."""
    if returning.flag is None:
        return None
    value = f" {instance}.{returning.value}" if returning.value else ""
    return cst.parse_statement(f"if {instance}.{returning.flag}:\n    return{value}\n")
