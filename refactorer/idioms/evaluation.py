"""An evaluation loop of every epoch becomes `validation_step` with its hooks.

Sound when the loop runs without gradients and in evaluation mode, once per epoch behind the batches, and when nothing
between it and the next `train()` can see that the Trainer switches the mode back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.parts import parts_of_models
from refactorer.idioms.shapes import method_calls, mode_line
from refactorer.outline.batches import source_of
from refactorer.outline.blocks import block_lines, is_docstring
from refactorer.outline.classes import class_around
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.inline import enter
from refactorer.outline.optimizers import Roles, may_be_module
from refactorer.outline.outline import (
    EPOCH_END,
    EPOCH_START,
    STEP,
    VALIDATION_END,
    VALIDATION_START,
    VALIDATION_STEP,
    Outline,
)
from refactorer.outline.refusal import Refusal
from refactorer.outline.result_of_call import returned_statement
from refactorer.outline.torch_names import unmoved

_NO_GRAD = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad")


@dataclass
class Evaluation:
    """An evaluation, taken apart; `index` is its place among the statements behind the batches.

    `quiet` are the statements of `before` and `after` that the script runs without gradients.
    """

    index: int
    before: list[cst.CSTNode]
    loop: cst.For
    after: list[cst.CSTNode]
    quiet: list[cst.CSTNode]
    function: cst.FunctionDef | None = None


def apply(outline: Outline, roles: Roles) -> None:
    """Moves the first evaluation that qualifies; the others stay where they are, as calls or loops in a hook."""
    for index, line in enumerate(outline.hooks.get(EPOCH_END, [])):
        found = _take_apart(outline, index, line)
        if found is None:
            continue
        try:
            reason = _obstacle(outline, roles, found)
        except Refusal as refusal:
            reason = refusal.message
        if reason is None:
            _move(outline, roles, found)
            return
        outline.note("N102", found.loop, f"the evaluation stays in {EPOCH_END}: {reason}",
                     "nothing to do; the literal form evaluates the same")  # fmt: skip


def _take_apart(outline: Outline, index: int, line: cst.CSTNode) -> Evaluation | None:
    inline = _loop_without_gradients(outline, [line])
    if inline is not None:
        return Evaluation(index, *inline)
    if not isinstance(line, cst.SimpleStatementLine):
        return None
    for call in walk(line):
        if isinstance(call, cst.Call):
            function = outline.program.function(call.func)
            if function is not None and function not in outline.consumed:
                parts = _loop_without_gradients(outline, list(function.body.body), _is_decorated(outline, function))
                if parts is not None:
                    return Evaluation(index, *parts, function)
    return None


def _is_decorated(outline: Outline, function: cst.FunctionDef) -> bool:
    return any(_is_no_grad(outline, decorator.decorator) for decorator in function.decorators)


def _is_no_grad(outline: Outline, node: cst.CSTNode) -> bool:
    func = node.func if isinstance(node, cst.Call) and not node.args else node
    return outline.program.qualified_name(func) in _NO_GRAD


def _loop_without_gradients(
    outline: Outline, body: list[cst.CSTNode], bare: bool = False
) -> tuple[list[cst.CSTNode], cst.For, list[cst.CSTNode], list[cst.CSTNode]] | None:
    """(before, loop, after, those of both without gradients) of the one loop under `no_grad` in a body."""
    for i, line in enumerate(body):
        if bare and isinstance(line, cst.For):
            return body[:i], line, body[i + 1 :], [*body[:i], *body[i + 1 :]]
        if isinstance(line, cst.With) and len(line.items) == 1 and _is_no_grad(outline, line.items[0].item):
            inner = list(line.body.body)
            loops = [k for k, part in enumerate(inner) if isinstance(part, cst.For)]
            if len(loops) == 1:
                loop = inner[loops[0]]
                assert isinstance(loop, cst.For)
                first, last = inner[: loops[0]], inner[loops[0] + 1 :]
                return [*body[:i], *first], loop, [*last, *body[i + 1 :]], body if bare else [*first, *last]
    return None


def _obstacle(outline: Outline, roles: Roles, found: Evaluation) -> str | None:
    program, model = outline.program, roles.model
    lines = outline.hooks[EPOCH_END]
    earlier, later = lines[: found.index], lines[found.index + 1 :]
    if model is None:
        return "the model is not known"
    if loop_jumps(found.loop.body.body) or returns([found.loop]) or found.loop.orelse is not None:
        return "the loop is left early"
    source = source_of(program, found.loop)
    if not isinstance(source.iterable, cst.Name) or source.start:
        return "it does not simply iterate over a loader"
    if _is_replaced(outline, found, source.iterable):
        return "its loader is not one variable for the whole training"
    if loop_jumps(earlier) or returns(earlier):
        return "the epoch is left before it"
    if found.function is not None:
        uses = program.variables[found.function.name].reads
        if len(uses) != 1 or any(not _is_no_grad(outline, d.decorator) for d in found.function.decorators):
            return f"{found.function.name.value}() is used elsewhere too"
    if len(method_calls(outline, "eval")) != 1 or _eval_line(outline, model, found) is None:
        return "the model is not simply switched to evaluation mode in front of it"
    trains = [line for line in outline.hooks[EPOCH_START] if mode_line(outline, line, model, "train")]
    if len(trains) != 1 or len(method_calls(outline, "train")) != 1:
        return "the model is not simply switched back to training mode in front of the batches"
    with _entered(outline, found):
        other = _other_module(outline, roles, found)
    if other is not None:
        return f"the Trainer would switch the mode of {other.name} too"
    rest = [line for line in found.before if _eval_line(outline, model, found) is not line]
    for line in (*earlier, *rest, *found.after, *later):
        if _uses_mode(outline, model, line):
            return "the model is used around it, where its mode counts"
    with _entered(outline, found):
        trained = {
            v for hook in (EPOCH_START, STEP) for n, v in outline.uses(*outline.hooks[hook]) if outline.is_write(n)
        }
        if any(v in trained for part in found.quiet if part is not found.loop for _, v in outline.uses(part)):
            return "something that the training computes is used beside it, without gradients"
    own = {"train", "eval"} & {
        n.name.value for n in program.find(cst.FunctionDef) if class_around(program, n) is not None
    }
    if own:
        return f"a class of the script has a method {own.pop()}()"
    if any(isinstance(node.attr, cst.Name) and node.attr.value == "training" for node in program.find(cst.Attribute)):
        return "the script looks at the mode itself, or sets it"
    for part in parts_of_models(outline, roles):
        if any(
            seen.access == "read" and seen.order > program.order[outline.site.epoch_loop] for seen in part.occurrences
        ):
            return f"{part.name} is part of the model, and is used after the training, where its mode may count"
    return _later_use(outline, model, found)


def _is_replaced(outline: Outline, found: Evaluation, loader: cst.Name) -> bool:
    """Whether the training, or any function, may bind the loader's name to something else."""
    with _entered(outline, found):
        variable = outline.variable(loader)
        module = outline.program.scope[outline.program.module]
        if variable is None or variable.owner not in (outline.site.driver, module):
            return True
        lines = [line for body in outline.hooks.values() for line in body]
        written = any(v is variable and outline.is_write(n) for n, v in outline.uses(*lines, found.loop))
        return written or any(seen.scope is not variable.owner for seen in variable.writes)


def _other_module(outline: Outline, roles: Roles, found: Evaluation) -> Variable | None:
    """Something besides the model that may be a module whose mode matters, and that the module would hold."""
    source = source_of(outline.program, found.loop)
    loaders = [outline.variable(part) for part in (outline.train.iterable, source.iterable) if part is not None]
    aside = {roles.model, *loaders}
    lines = [*(line for body in outline.hooks.values() for line in body), found.loop, *found.before, *found.after]
    for node, variable in outline.uses(*lines):
        if variable in aside or variable.owner is None:
            continue
        parent = outline.program.parent.get(node)
        if isinstance(parent, cst.Attribute):
            node, parent = parent, outline.program.parent.get(parent)
        used = isinstance(parent, cst.Arg) or (isinstance(parent, cst.Call) and parent.func is node)
        if used and may_be_module(outline, variable, found.function):
            return variable
    return None


def _eval_line(outline: Outline, model: Variable, found: Evaluation) -> cst.CSTNode | None:
    earlier = outline.hooks[EPOCH_END][: found.index]
    with _entered(outline, found):
        return next((n for n in (*earlier, *found.before) if mode_line(outline, n, model, "eval")), None)


@contextmanager
def _entered(outline: Outline, found: Evaluation) -> Iterator[None]:
    """Looks at the evaluation's function as if it had been entered; its bindings are taken back afterwards."""
    kept = outline.bindings.alias.copy(), outline.bindings.expression.copy()
    try:
        if found.function is not None:
            call = _call_of(outline, found)
            enter(outline.program, found.function, call, outline.bindings, outline.site.epoch_loop, True)
        yield
    finally:
        outline.bindings.alias, outline.bindings.expression = kept


def _call_of(outline: Outline, found: Evaluation) -> cst.Call:
    assert found.function is not None
    use = outline.program.variables[found.function.name].reads[0]
    call = outline.program.parent[use.node]
    assert isinstance(call, cst.Call)
    return call


def _uses_mode(outline: Outline, model: Variable, *lines: cst.CSTNode) -> bool:
    """Whether code does more with the model than to take its state_dict or parameters."""
    for node, variable in outline.uses(*lines):
        if variable is model and not _is_harmless(outline, node):
            return True
        function = outline.program.definition(variable)
        if isinstance(function, cst.FunctionDef) and outline.mentions(model, function):
            return True
    return False


def _is_harmless(outline: Outline, node: cst.CSTNode) -> bool:
    parent = outline.program.parent.get(node)
    return isinstance(parent, cst.Attribute) and parent.attr.value in ("state_dict", "parameters", "load_state_dict")


def _later_use(outline: Outline, model: Variable, found: Evaluation) -> str | None:
    """The mode after training must not matter: later code may only take the state of the model."""
    program, loop = outline.program, outline.site.epoch_loop
    inside = [loop, *outline.consumed, *([found.function] if found.function is not None else [])]
    for node, raw in program.variables.items():
        if outline.bindings.canonical(raw) is not model or any(program.contains(part, node) for part in inside):
            continue
        before = program.order[node] < program.order[loop] and program.scope_of(node) is outline.site.driver
        if before and node in program.variables and _hands_on(outline, node):
            return "the model is known by another name too"
        if not before and not _is_harmless(outline, node) and not _is_parameter(program.parent[node]):
            return "the model is used after the training, where its mode may count"
    return None


_KNOWN_USES = {
    "parameters", "named_parameters", "state_dict", "load_state_dict", "to", "cuda", "cpu", "train", "apply", "float",
    "double", "modules", "named_modules", "children", "zero_grad",
}  # fmt: skip


def _hands_on(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a use of the model in front of the training may give it to something else."""
    parent = outline.program.parent.get(node)
    if outline.is_write(node):
        return False
    if isinstance(parent, cst.Attribute):
        return parent.attr.value not in _KNOWN_USES
    call = outline.program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    return not (isinstance(call, cst.Call) and outline.program.qualified_name(call.func) == "builtins.print")


def _is_parameter(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Param)


def _move(outline: Outline, roles: Roles, found: Evaluation) -> None:
    lines = outline.hooks[EPOCH_END]
    earlier, line, later = lines[: found.index], lines[found.index], lines[found.index + 1 :]
    before, after = list(found.before), list(found.after)
    if found.function is not None:
        call = _call_of(outline, found)
        entered = enter(outline.program, found.function, call, outline.bindings, outline.site.epoch_loop, True)
        statements = list(entered.statements)
        extra = len(statements) - len(found.function.body.body)
        before = [*statements[: max(extra, 0)], *before] if extra > 0 else before
        result = returned_statement(outline.program, line, call, entered.value)
        if result and entered.closing:
            result = [with_comments(result[0], entered.closing), *result[1:]]
        elif entered.closing:
            outline.footers.setdefault(VALIDATION_END, []).extend(entered.closing)
        after = [n for n in after if not _is_return(n)] + result
        outline.consumed.append(found.function)
    assert roles.model is not None
    eval_line = next(n for n in (*earlier, *before) if mode_line(outline, n, roles.model, "eval"))
    _keep_comments(outline, found, line, [*after, *later])
    docstring = next((n for n in before if is_docstring(n)), None)
    if docstring is not None:
        outline.docstrings[VALIDATION_STEP] = docstring
    outline.evaluation = source_of(outline.program, found.loop)
    outline.hooks[VALIDATION_START] = [*earlier, *(n for n in before if n is not docstring)]
    outline.edit(VALIDATION_START, {eval_line: None})
    outline.hooks[VALIDATION_STEP] = block_lines(found.loop.body)
    outline.hooks[VALIDATION_END] = [*after, *later]
    outline.hooks[EPOCH_END] = []
    if _starts_in_training_mode(outline, roles.model):
        train = next(n for n in outline.hooks[EPOCH_START] if mode_line(outline, n, roles.model, "train"))
        outline.edit(EPOCH_START, {train: None})


def _keep_comments(outline: Outline, found: Evaluation, line: cst.CSTNode, end: list[cst.CSTNode]) -> None:
    """Comments on the evaluation's function, call, `with` and loop go above the step or to the end of a hook."""
    around = [n for n in outline.program.ancestors(found.loop) if isinstance(n, cst.With)]
    wrapper = around[:1] if around and not outline.program.contains(around[0], outline.site.epoch_loop) else []
    above = [part for with_ in wrapper for part in comments_of(with_)]
    if found.function is not None:
        above = [*comments_of(line), *comments_of(found.function), *above]
    outline.above[VALIDATION_STEP] = [*above, *comments_of(found.loop)]
    last = VALIDATION_END if end else VALIDATION_STEP
    outline.footers.setdefault(VALIDATION_STEP, []).extend(footer_of(found.loop))
    moved = outline.footers.pop(EPOCH_END, [])
    inner = [part for node in (*wrapper, found.function) if node is not None for part in footer_of(node)]
    outline.footers.setdefault(last, []).extend([*inner, *moved])


def _is_return(line: cst.CSTNode) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[-1], cst.Return)


def _starts_in_training_mode(outline: Outline, model: Variable) -> bool:
    """A freshly made module is in training mode; one that something else hands out may not be."""
    program = outline.program
    for seen in model.writes:
        target = program.parent[seen.node]
        assign = program.parent.get(target)
        if not isinstance(assign, cst.Assign):
            return False
        value = unmoved(assign.value)
        if isinstance(value, cst.Name) and outline.variable(value) is model:
            continue
        made = value.func if isinstance(value, cst.Call) else None
        own = isinstance(made, cst.Name) and isinstance(program.definition(program.variables.get(made)), cst.ClassDef)
        if not own and not (program.qualified_name(made) or "").startswith("torch.nn."):
            return False
    return bool(model.writes)
