"""Moving an evaluation into the hooks of the module."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.emit.edits import Edit
from refactorer.idioms import progress
from refactorer.idioms.evaluation.generators import generator
from refactorer.idioms.evaluation.gradients import guard_with_gradients, needs_gradients
from refactorer.idioms.evaluation.loaders import apart
from refactorer.idioms.evaluation.made_batches import is_made
from refactorer.idioms.evaluation.modes import Switches, leave_to_trainer, train_line
from refactorer.idioms.evaluation.one_process import may_be_alone
from refactorer.idioms.evaluation.one_step import join
from refactorer.idioms.evaluation.parts import (
    TEST,
    VALIDATION,
    Evaluation,
    Stage,
    call_of,
    enter_function,
    entered,
    is_no_grad,
)
from refactorer.idioms.evaluation.quiet import (
    computes_beside,
    is_indifferent,
    is_switch,
    names_of_others,
    own_variables,
    without_gradients,
)
from refactorer.idioms.evaluation.several_sets import generator_of_sets
from refactorer.idioms.jumps import leave_step, on_lines
from refactorer.idioms.remarks import without_switch
from refactorer.idioms.shapes import statement
from refactorer.outline.batches import is_round
from refactorer.outline.blocks import block_lines, is_docstring
from refactorer.outline.comments import comment_lines, comments_inside, comments_of, footer_of, with_comments
from refactorer.outline.functions.result_of_call import returned_statement
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, EPOCH_START, Outline


def move(outline: Outline, roles: Roles, found: Evaluation, stage: Stage) -> None:
    """Gives the statements of an evaluation to the hooks of a stage."""
    switches = leave_to_trainer(outline, roles, found, stage)
    needless = stage is VALIDATION and switches is not None and switches.and_train
    train = train_line(outline, roles) if needless else None
    if found.midway:
        _ask(outline, found)
    with entered(outline, found):
        keeps_gradients = needs_gradients(outline, roles, found)
    _move_lines(outline, roles, found, stage)
    source = found.source(outline)
    if found.inner is not None:
        outline.hooks[stage.data], source = generator_of_sets(outline, found.loop, found.inner)
    _move_loop(outline, found, stage, keeps_gradients)
    if stage is VALIDATION:
        outline.evaluation = source
        if not found.midway:
            outline.hooks[EPOCH_END] = []
    else:
        outline.test, outline.test_line = source, found.line
        outline.consumed.append(found.line)
        outline.dropped += [
            *(line for line in (switches.lines if switches else ()) if line in found.earlier),
            *found.taken,
        ]
    _switch(outline, found, stage, switches)
    if train is not None:
        outline.edit(EPOCH_START, {train: without_switch(train)})
    if is_round(found.loop):
        join(outline, roles, found, stage)


def _ask(outline: Outline, found: Evaluation) -> None:
    """Puts `self.validate()` into the place of an evaluation."""
    line = statement("self.validate(alone=True)" if may_be_alone(outline, found) else "self.validate()")
    small = line.body[0]
    assert isinstance(small, cst.Expr) and isinstance(small.value, cst.Call)
    outline.asked = small.value
    above = getattr(found.line, "leading_lines", ())
    edits: dict[cst.CSTNode, Edit] = dict.fromkeys(found.taken)
    outline.edit(found.asks, {**edits, found.line: line.with_changes(leading_lines=above)})


def _move_lines(outline: Outline, roles: Roles, found: Evaluation, stage: Stage) -> None:
    """What runs in front of the loop, and behind it, with the epoch's lines around an evaluation at its end."""
    before, after = _entered_lines(outline, found, stage)
    docstring = next((n for n in before if is_docstring(n)), None)
    before = [line for line in before if line is not docstring]
    ends = stage is VALIDATION and not found.midway
    earlier, later = (found.earlier, found.later) if ends else ((), ())
    if found.bar is not None:
        earlier, before, after, later = _without_bar(outline, found, stage, [earlier, before, after, later])
    if found.inner is None and is_made(outline.program, found.source(outline).iterable):
        before, outline.hooks[stage.data] = generator(outline, found, before)
        _keep_gradients_of_data(outline, found, stage)
    elif found.makes_loader and found.inner is None:
        made, before = apart(outline, roles, found, before)
        if made:
            outline.hooks[stage.data] = without_gradients(outline, roles, found, made)
    if not is_round(found.loop):
        before = without_gradients(outline, roles, found, before)
        after = without_gradients(outline, roles, found, after)
    later = [part for line in later for part in _without_needless_guard(outline, roles, found, line)]
    _keep_comments(outline, found, stage, [*after, *later])
    if docstring is not None:
        outline.docstrings[stage.step] = docstring
    outline.hooks[stage.start] = [*earlier, *before]
    outline.hooks[stage.end] = [*after, *later]


def _keep_gradients_of_data(outline: Outline, found: Evaluation, stage: Stage) -> None:
    """A generator that the script runs with gradients does so in the Trainer's loop, which has none."""
    guard = guard_with_gradients(outline) if not found.silent else None
    if guard is not None:
        outline.decorators[stage.data] = guard[0]
        outline.imports += [guard[1]] if guard[1] is not None and guard[1] not in outline.imports else []


def _switch(outline: Outline, found: Evaluation, stage: Stage, switches: Switches | None) -> None:
    """Takes the script's switches of mode out, or the Trainer's where the script's have to stay."""
    if switches is not None:
        outline.switched[stage.name] = switches.lines
        for hook in (stage.start, stage.end, *((found.asks,) if found.midway else ())):
            outline.edit(hook, {line: without_switch(line) for line in switches.lines})
        return
    outline.own_modes.append(stage.name)


def keep_modes(outline: Outline, apart: bool) -> None:
    """Switches off the Trainer's switches of mode where the script's stay.

    A test beside such a validation has the script's own again. `apart` says that the Trainer is Lightning's, which has
    to be told by hooks of the validation alone.
    """
    stages = [stage for stage, found in ((VALIDATION, outline.evaluation), (TEST, outline.test)) if found is not None]
    own = [stage for stage in stages if stage.name in outline.own_modes]
    others = [stage for stage in stages if stage not in own]
    outline.automatic_modes = not own or (apart and bool(others))
    for stage in others if own else ():
        if outline.automatic_modes:
            continue
        lines = [line.with_changes(leading_lines=()) for line in outline.switched.get(stage.name, ())]
        outline.hooks[stage.start][:0] = [line.with_changes(trailing_whitespace=_NO_COMMENT) for line in lines]
    for stage in own if outline.automatic_modes else ():
        for hook in (stage.model_eval, stage.model_train):
            outline.hooks[hook] = [cst.parse_statement("pass  # the script switches modes itself")]


_NO_COMMENT = cst.TrailingWhitespace()


def _entered_lines(outline: Outline, found: Evaluation, stage: Stage) -> tuple[list[cst.CSTNode], list[cst.CSTNode]]:
    """What runs in front of the loop, and behind it, with the function entered that they stand in."""
    before, after = list(found.before), list(found.after)
    if found.function is None:
        return before, after
    call = call_of(outline, found)
    inside = enter_function(outline, found)
    left = next((n for n in after if _is_return(n)), None)
    # the comments above the call stay where they are, above `trainer.test` or `self.validate`, or go above the step
    stays = stage is TEST or found.midway
    blank = [line for line in found.line.leading_lines if line.comment is None]  # type: ignore[attr-defined]
    line = found.line.with_changes(leading_lines=() if stays else blank[:1])
    result = returned_statement(outline.program, line, call, inside.value)
    found.wanted = bool(result)
    if result and inside.closing:
        result = [with_comments(result[0], inside.closing), *result[1:]]
    elif inside.closing:
        outline.footers.setdefault(stage.end, []).extend(inside.closing)
    if left is not None:
        found.quiet += result if left in found.quiet and not computes_beside(outline, found) else []
        after[after.index(left) :] = [*_in_front(left), *result]
    else:
        after += result
    outline.consumed.append(found.function)
    return [*inside.prelude, *before], after


def _without_bar(
    outline: Outline, found: Evaluation, stage: Stage, parts: list[Sequence[cst.CSTNode]]
) -> list[list[cst.CSTNode]]:
    """The statements around the loop, without those that make a progress bar and close it."""
    bar = found.bar
    assert bar is not None
    entered = (found.function, call_of(outline, found)) if found.function is not None else None
    place = 0 if bar.line is not None and bar.line in parts[0] else 1
    taken = [progress.without(outline, part, bar.closing, stage.step) for part in parts]
    taken[place] = progress.take(outline, bar, taken[place], stage.step, entered)
    return taken


def _is_return(line: cst.CSTNode) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[-1], cst.Return)


def _in_front(line: cst.CSTNode) -> list[cst.CSTNode]:
    """What stands in front of a `return` on its line."""
    assert isinstance(line, cst.SimpleStatementLine)
    return [line.with_changes(body=line.body[:-1])] if len(line.body) > 1 else []


def _move_loop(outline: Outline, found: Evaluation, stage: Stage, keeps_gradients: bool) -> None:
    body = block_lines((found.inner or found.loop).body)
    outline.hooks[stage.step] = body
    outline.edit(stage.step, dict(on_lines(body, leave_step(body, None, True))))
    if keeps_gradients:
        outline.with_gradients.append(stage.step)
    elif not found.silent:
        edits: dict[cst.CSTNode, Edit] = {}
        for line in outline.hooks[stage.step]:
            if isinstance(line, cst.With) and len(line.items) == 1 and is_no_grad(outline.program, line.items[0].item):
                first, *rest = block_lines(line.body)
                edits[line] = [with_comments(first, comments_of(line)), *rest]
        outline.edit(stage.step, edits)


def keep_gradients(outline: Outline) -> None:
    """What must run with gradients in a step, as it did, says so: the Trainer runs it without."""
    for hook in outline.with_gradients:
        parts = [[line] if is_switch(outline, line) else _without_guard(outline, line) for line in outline.hooks[hook]]
        if all(parts):
            outline.hooks[hook] = [line for part in parts for line in part]
            continue
        found = guard_with_gradients(outline)
        assert found is not None
        outline.decorators[hook], needed = found
        outline.imports += [needed] if needed is not None else []


def _without_guard(outline: Outline, line: cst.CSTNode) -> list[cst.CSTNode]:
    """The lines of a `no_grad` block, which the Trainer's own replaces; or the line that takes the batch apart.

    What the script itself has a name for may be a tensor, whose parts have gradients too.
    """
    if isinstance(line, cst.With) and len(line.items) == 1 and _is_plain_guard(outline, line.items[0].item):
        return _opened(line) if not footer_of(line) else []
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or not isinstance(small.value, cst.Name):
        return []
    if outline.variable(small.value) is not None:
        return []
    targets = [target.target for target in small.targets]
    return [line] if all(isinstance(node, cst.Tuple) for node in targets) else []


def _opened(block: cst.With) -> list[cst.CSTNode]:
    """The lines of a block, with the comments on it above them."""
    first, *rest = block_lines(block.body)
    above = [*block.leading_lines, *comments_of(block)[len(comment_lines(block.leading_lines)) :]]
    return [with_comments(first, above), *rest]


def _without_needless_guard(
    outline: Outline, roles: Roles, found: Evaluation, line: cst.CSTNode
) -> list[cst.CSTNode]:  # fmt: skip
    """The lines of a `no_grad` block behind an evaluation, if none of them can tell; else the line as it is."""
    if not isinstance(line, cst.With) or len(line.items) > 1 or not _is_plain_guard(outline, line.items[0].item):
        return [line]
    own = own_variables(outline, found)
    others = names_of_others(outline, roles, found, own)
    needless = all(is_indifferent(outline, roles, part, own, others) for part in block_lines(line.body))
    return _opened(line) if needless and not footer_of(line) else [line]


def _is_plain_guard(outline: Outline, item: cst.BaseExpression) -> bool:
    """Whether a guard is `no_grad`: what inference mode computes is not the same in a step with gradients."""
    func = item.func if isinstance(item, cst.Call) else item
    return is_no_grad(outline.program, item) and (outline.program.qualified_name(func) or "").endswith("no_grad")


def _keep_comments(outline: Outline, found: Evaluation, stage: Stage, end: Sequence[cst.CSTNode]) -> None:
    """Comments on the evaluation's function, call, `with` and loop go above the step or to the end of a hook."""
    around = [n for n in outline.program.ancestors(found.loop) if isinstance(n, cst.With)]
    outer = (outline.site.epoch_loop, outline.site.driver.node)
    wrapper = [n for n in around[:1] if is_no_grad(outline.program, n.items[0].item)] if around else []
    wrapper = [n for n in wrapper if not any(outline.program.contains(n, part) for part in outer)]
    above: list[cst.EmptyLine] = []
    parts = (found.line, found.function, *wrapper, found.loop if found.inner is None else None)
    for node in dict.fromkeys(parts):
        if node is not None:
            stays = node is found.line and (stage is TEST or found.midway)
            staying = len(comment_lines(node.leading_lines)) if stays else 0  # type: ignore[attr-defined]
            decorators = node.decorators if isinstance(node, cst.FunctionDef) else ()
            comments = comments_of(node)[staying:]
            if node is found.line and found.wanted:
                comments = comments[: len(comment_lines(node.leading_lines)) - staying]  # type: ignore[attr-defined]
            above += [*(part for d in decorators for part in comments_inside(d, None)), *comments]
    outline.above[stage.step] = [*outline.above.get(stage.step, []), *above]
    last = stage.end if end else stage.step
    outline.footers.setdefault(stage.step, []).extend(footer_of(found.inner or found.loop))
    moved = outline.footers.pop(EPOCH_END, []) if stage is VALIDATION and not found.midway else []
    inner = [part for node in (*wrapper, found.function) if node is not None for part in footer_of(node)]
    outline.footers.setdefault(last, []).extend([*inner, *moved])
