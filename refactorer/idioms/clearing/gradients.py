"""Who sees gradients besides the optimizer: readers, clipping, hooks, and other trainings of the same parameters."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.walk import holds, walk
from refactorer.idioms.clearing.readers import reads_of_gradients
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.shapes import only_call
from refactorer.outline.blocks import block_lines
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.objects.torch_names import names_optimizer
from refactorer.outline.outline import STEP, Outline
from refactorer.outline.training.anchors import backward_calls, holds_converted, loops_around
from refactorer.outline.training.reach import functions_run, runs_again

_LIBRARIES = (
    "torch.", "builtins.", "copy.", "numpy.", "math.", "os.", "sys.", "time.", "datetime.", "logging.", "json.",
    "tqdm.", "pickle.", "random.", "collections.", "itertools.", "functools.", "torchvision.", "sklearn.",
)  # fmt: skip


def gradient_reader(outline: Outline, aside: Sequence[cst.CSTNode] = ()) -> cst.CSTNode | None:
    """The first place where the script reads gradients itself, some statements aside."""
    lines = [line for line in aside if line in outline.program.order]
    for node in reads_of_gradients(outline.program):
        if not any(outline.program.contains(line, node) for line in lines):
            return node
    return None


def steps_of_own_classes(outline: Outline) -> list[cst.CSTNode]:
    """The `step()` of each optimizer class of the file, which reads gradients when the script's own would."""
    kinds = [node for node in outline.program.find(cst.ClassDef) if _is_optimizer_class(outline, node)]
    lines = [line for kind in kinds for line in block_lines(kind.body)]
    return [line for line in lines if isinstance(line, cst.FunctionDef) and line.name.value == "step"]


def _is_optimizer_class(outline: Outline, node: cst.ClassDef) -> bool:
    return any(names_optimizer(outline.program.qualified_name(base.value)) for base in node.bases)


def hooked(outline: Outline) -> cst.CSTNode | None:
    """What runs code of the script during backward or the step: a hook, or a gradient of its own."""
    for call in outline.program.calls:
        name = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        if name.startswith("register_") and name.endswith("hook"):
            return call
    for node in outline.program.find(cst.ClassDef):
        bases = {outline.program.qualified_name(base.value) for base in node.bases}
        if "torch.autograd.Function" in bases:
            return node
    return None


def is_clipping(outline: Outline, line: cst.CSTNode) -> bool:
    """`clip_grad_norm_(model.parameters(), 1.0)`: it needs nothing of the step and gives nothing back.

    It may stand under a condition that calls nothing.
    """
    call = only_call(_under_condition(line))
    if call is None or not _clips(outline, call):
        return False
    written = {v for body in outline.hooks.values() for n, v in outline.uses(*body) if outline.is_write(n)}
    return not any(variable in written for _, variable in outline.uses(line))


def _under_condition(line: cst.CSTNode) -> cst.CSTNode:
    """The only statement under an `if` without calls in its condition and without `else`; else the line itself."""
    if not isinstance(line, cst.If) or line.orelse is not None:
        return line
    body = block_lines(line.body)
    calls = any(isinstance(node, (cst.Call, cst.NamedExpr, cst.Await)) for node in walk(line.test))
    return body[0] if len(body) == 1 and not calls else line


def clips_elsewhere(outline: Outline) -> bool:
    """Whether gradients are clipped outside the loop over the batches."""
    loop = outline.site.batch_loop
    return any(_clips(outline, call) and not outline.program.contains(loop, call) for call in outline.program.calls)


def clips_beside(outline: Outline, lines: Sequence[cst.CSTNode]) -> bool:
    """Whether gradients are clipped anywhere in the file but in some lines."""
    clipping = (call for call in outline.program.calls if _clips(outline, call))
    return any(not holds(lines, call) for call in clipping)


def clips(outline: Outline) -> bool:
    """Whether gradients are clipped anywhere in the file."""
    return any(_clips(outline, call) for call in outline.program.calls)


def _clips(outline: Outline, call: cst.Call) -> bool:
    return (outline.program.qualified_name(call.func) or "").startswith("torch.nn.utils.clip_grad")


def handed_out(outline: Outline, roles: Roles) -> cst.Call | None:
    """A call that gives the model to a function of another file between two batches, or behind the training."""
    program, models = outline.program, {*roles.models, *parts_of_models(outline, roles)}
    if roles.held is not None:
        models.add(roles.held.base)
    steps = [line for line in outline.hooks[STEP] if line in program.order]
    front = outline.program.enclosing_function(outline.site.epoch_loop)
    for call in program.calls:
        early = program.order[call] < program.order[outline.site.epoch_loop]
        if (early and program.enclosing_function(call) is front) or is_known(program.qualified_name(call.func)):
            continue
        given = any(variable in models for arg in call.args for _, variable in outline.uses(arg))
        if given and not any(program.contains(line, call) for line in steps):
            return call
    return None


def is_known(name: str | None) -> bool:
    """Whether a function reads no gradients: it is of the file, or of a library that is known not to."""
    return name is None or name.startswith(_LIBRARIES)


def gradients_cross(outline: Outline) -> bool:
    """Whether gradients may be left over from, or for, another training of the file or another run of this one."""
    return _trains_elsewhere(outline) or runs_again(outline)


def added_to_elsewhere(outline: Outline) -> bool:
    """Whether another training by hand may add its gradients to those that this one leaves: it clears none before."""
    program = outline.program
    clearing = [c for c in program.calls if isinstance(c.func, cst.Attribute) and c.func.attr.value == "zero_grad"]
    for call in backward_calls(program):
        if any(call is own for own in outline.site.backwards):
            continue
        around = (*loops_around(program, call)[-1:], program.enclosing_function(call))
        part = next((node for node in around if node is not None), program.module)
        before = (c for c in clearing if program.contains(part, c) and program.order[c] < program.order[call])
        if next(before, None) is None:
            return True
    return False


def _trains_elsewhere(outline: Outline) -> bool:
    """Whether the file holds another training, by hand or already converted."""
    return holds_converted(outline.program) or len(backward_calls(outline.program)) > len(outline.site.backwards)


def runs_inside_itself(outline: Outline) -> bool:
    """Whether the function that holds the training may be called by the training, which then begins again inside."""
    trains = outline.program.enclosing_function(outline.site.epoch_loop)
    return trains is not None and trains in functions_run(outline)
