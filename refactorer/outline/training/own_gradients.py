"""Functions that compute gradients for their own use in a loop, such as an attack on the model of a step.

    def attack(model, x, y):
        delta = torch.zeros_like(x, requires_grad=True)
        for _ in range(10):
            loss(model(x + delta), y).backward()
            delta.data += alpha * delta.grad.sign()
            delta.grad.zero_()
        return delta.detach()

Such a loop is no training: the step that calls the function belongs to one.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.objects.torch_names import names_optimizer


def keeps_gradients_to_itself(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function reads gradients, and steps no optimizer but those that it makes of tensors of its own."""
    attributes = program.find(cst.Attribute, function)
    steps = [node for node in attributes if node.attr.value == "step"]
    return any(node.attr.value == "grad" for node in attributes) and all(_is_own(program, node) for node in steps)


def _is_own(program: Program, step: cst.Attribute) -> bool:
    """Whether it is the `step` of an optimizer that the same function makes, and not of a network's parameters."""
    made = program.assigned_value(program.variables.get(step.value))
    if not isinstance(made, cst.Call) or not names_optimizer(program.qualified_name(made.func)):
        return False
    named = {node.attr.value for arg in made.args for node in walk(arg) if isinstance(node, cst.Attribute)}
    here = program.enclosing_function(made) is program.enclosing_function(step)
    return here and not named & {"parameters", "named_parameters"}
