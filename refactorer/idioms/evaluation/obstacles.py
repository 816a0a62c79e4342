"""What keeps an evaluation where it is, whoever switches the modes."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms import progress
from refactorer.idioms.evaluation.generators import generator_obstacle
from refactorer.idioms.evaluation.gradients import gradients_obstacle
from refactorer.idioms.evaluation.made_batches import OF_A_CALL, is_made
from refactorer.idioms.evaluation.parts import Evaluation, call_of, entered, is_no_grad
from refactorer.idioms.evaluation.quiet import computes_beside, hands_back
from refactorer.idioms.evaluation.several_sets import SEVERAL, sets_obstacle
from refactorer.idioms.evaluation.windows import CHANGED, is_windows, may_change
from refactorer.idioms.known.shared_settings import sets_by_name
from refactorer.idioms.progress.bars import without_enumerate
from refactorer.idioms.progress.effects import is_place
from refactorer.idioms.progress.parameters import lent_to, takes_parameter
from refactorer.outline.batches import source_of
from refactorer.outline.control import loop_jumps, returns
from refactorer.outline.functions.result_of_call import returned_statement
from refactorer.outline.objects.kept import may_be_set
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCH_END, STEP, Outline
from refactorer.outline.training.contents import check_contents, sees_variables

USED_ELSEWHERE = "is used elsewhere too"
OF_A_CLASS = "is a method of a class"
MADE = "its loader is made right in front of it"


def obstacle(outline: Outline, roles: Roles, found: Evaluation) -> str | None:
    """The first condition that fails, in words.

    Raises:
        Refusal: the same, found while looking at the evaluation as part of the module.
    """
    if found.loop.orelse is not None or returns([found.loop]):
        return "the loop is left early"
    if found.inner is not None:
        reason = sets_obstacle(outline.program, found.loop, found.inner)
        if reason is not None or not found.silent:
            return reason or SEVERAL
    if not found.midway and (loop_jumps(found.earlier) or returns(found.earlier)):
        return "the epoch is left before it"
    if found.function is None and (returns([*found.before, *found.after]) or loop_jumps([found.line])):
        return "the script leaves the training from inside it"
    if found.function is not None:
        reason = _function_obstacle(outline, found)
        if reason is not None:
            return reason
    with entered(outline, found) as prelude:
        if found.inner is None:
            _find_bar(outline, found, prelude)
        _check_contents(outline, found)
        mixed = any(line in found.quiet for line in found.after if returns([line]))
        if mixed and computes_beside(outline, found) and not hands_back(outline, roles, found):
            return "what it returns goes into a calculation with gradients"
        return _data_obstacle(outline, found, prelude) or gradients_obstacle(outline, roles, found)


def module_makes_data(outline: Outline, found: Evaluation) -> str | None:
    """Why Lightning's Trainer cannot run an evaluation: it looks for a batch ahead, or for the data of a test early."""
    if found.inner is not None:
        return SEVERAL
    iterable = found.source(outline).iterable
    if is_made(outline.program, iterable):
        return OF_A_CALL if found.final or not found.silent else None
    used = {variable for _, variable in outline.uses(iterable)} if iterable is not None else set()
    made = any(outline.is_write(node) and variable in used for node, variable in outline.uses(*found.before))
    return MADE if found.final and made else None


def _find_bar(outline: Outline, found: Evaluation, prelude: Sequence[cst.CSTNode]) -> None:
    """Looks for a progress bar among the statements that go into the hooks together with the loop."""
    whole = found.function is None and not found.midway and found.line in outline.hooks.get(EPOCH_END, [])
    earlier, later = (found.earlier, found.later) if whole else ((), ())
    source = source_of(outline.program, found.loop)
    found.bar = progress.find(outline, source, [*earlier, *prelude, *found.before], [*found.after, *later])
    if found.bar is not None and not is_place(without_enumerate(outline.program, found.bar.inner)):
        found.bar = None  # the Trainer asks for the data before anything else
    if found.bar is None or found.function is None or not takes_parameter(outline, found.bar):
        return
    given = lent_to(outline, found.bar, found.function, call_of(outline, found))
    if given is not None and found.bar.variable is not None:
        outline.bindings.alias[found.bar.variable] = given[1]
    else:
        found.bar = None


def _function_obstacle(outline: Outline, found: Evaluation) -> str | None:
    program, function = outline.program, found.function
    assert function is not None
    uses, writes = program.variables[function.name].reads, program.variables[function.name].writes
    others = any(not is_no_grad(outline.program, d.decorator) for d in function.decorators)
    call = program.parent.get(uses[0].node) if len(uses) == 1 else None
    if others or len(writes) != 1 or not isinstance(call, cst.Call) or call.func is not uses[0].node:
        return f"{function.name.value}() {USED_ELSEWHERE}"
    if function.asynchronous is not None:
        return f"{function.name.value}() is a coroutine"
    if sees_variables(program, function) is not None:
        return f"the variables of {function.name.value}() are looked up by name"
    left = returns(function.body.body)
    value = left[0].value if left else None
    returned_statement(program, found.line, call_of(outline, found), value)
    return None


def _check_contents(outline: Outline, found: Evaluation) -> None:
    """Raises a refusal where the evaluation holds something that would mean something else in a module."""
    kept = outline.hooks
    outline.hooks = {STEP: [*found.before, found.loop, *found.after]}
    try:
        check_contents(outline)
    finally:
        outline.hooks = kept


def _data_obstacle(outline: Outline, found: Evaluation, prelude: Sequence[cst.CSTNode]) -> str | None:
    """The loader is looked up in front of the start of the evaluation: nothing there may change what it is.

    Where a hook asks for the evaluation, the lines that make the loader run when it is looked up; behind the training,
    those of the driver run before.
    """
    if found.inner is not None:
        return None
    iterable = found.source(outline).iterable
    assert iterable is not None
    used = {variable for _, variable in outline.uses(iterable)}
    earlier = () if found.midway or found.final else found.earlier
    lines = [
        line for line in (*earlier, *prelude, *found.before) if not isinstance(line, (cst.FunctionDef, cst.ClassDef))
    ]
    lines = [line for line in lines if not _is_for_bar(outline, found, line)]
    written = {v for n, v in outline.uses(*lines) if outline.is_write(n)}
    if is_made(outline.program, iterable):
        hidden = any(_is_inner(outline, found, variable) for variable in used - written)
        return generator_obstacle(outline, found, iterable) or (OF_A_CALL if hidden else None)
    if (used & written and not found.makes_loader) or _made_by_calls(lines, used):
        return MADE
    if found.midway and progress.SETTING in outline.settings and any(_is_bar(outline, one) for one in used):
        return "its progress bar is made in front of it"
    if any(_is_inner(outline, found, variable) for variable in used - written):
        return "its loader is known to the function alone"
    if _may_be_set(outline, found, iterable):
        return "its loader is an attribute that may be set anew"
    if any(isinstance(node, cst.Subscript) for node in walk(iterable)) and _sets_items(outline, used):
        return "its loader is an item that may be set anew"
    return _window_obstacle(outline, found, iterable, lines) if is_windows(outline.program, iterable) else None


def _is_for_bar(outline: Outline, found: Evaluation, line: cst.CSTNode) -> bool:
    """Whether a line makes the bar that the Trainer draws, or binds the parameter whose name the bar takes."""
    if found.bar is None or line is found.bar.line:
        return found.bar is not None
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
    target = small.targets[0].target if isinstance(small, cst.Assign) else None
    variable = outline.program.variables.get(target) if target is not None else None
    own = variable is not None and variable is found.bar.variable
    return own and isinstance(outline.program.parent.get(target), cst.Param)  # type: ignore[arg-type]


def _may_be_set(outline: Outline, found: Evaluation, iterable: cst.BaseExpression) -> bool:
    """Whether code that the training may run sets an attribute of the name of one that a loader is, or is found by.

    Constructors do not, nor for an evaluation behind the training anything in the file.
    """
    program = outline.program
    named = {node.attr.value for node in walk(iterable) if isinstance(node, cst.Attribute)}
    places: list[cst.CSTNode] = [
        node for node in program.find(cst.Attribute) if node.attr.value in named and is_stored(program, node)
    ]
    places += [call for call in program.calls if sets_by_name(program, call, named)]
    around = ((place, program.enclosing_function(place)) for place in places)
    places = [place for place, function in around if function is None or function.name.value != "__init__"]
    return bool(places) and (found.final or may_be_set(outline, places))


def _window_obstacle(
    outline: Outline, found: Evaluation, iterable: cst.BaseExpression, lines: Sequence[cst.CSTNode]
) -> str | None:
    """Lines that bind what a range is made of go in front of it; those behind them may not change it."""
    used = {variable for _, variable in outline.uses(iterable)}
    last = max((i for i, line in enumerate(lines) if _binds(outline, line, used)), default=-1)
    return CHANGED if may_change(outline, iterable, lines[last + 1 :], found.function) else None


def _binds(outline: Outline, line: cst.CSTNode, variables: set[Variable]) -> bool:
    return any(outline.is_write(node) and variable in variables for node, variable in outline.uses(line))


def _is_bar(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is a progress bar of the script: the Trainer would draw one beside it."""
    values = (outline.program.bound_to(seen.node) for seen in variable.writes)
    calls = (value.func for value in values if isinstance(value, cst.Call))
    return any((outline.program.qualified_name(func) or "").startswith("tqdm.") for func in calls)


def _sets_items(outline: Outline, used: set[Variable]) -> bool:
    """Whether the training, or a function, puts items into a collection of loaders, or hands it on."""
    program, loop = outline.program, outline.site.epoch_loop
    for variable in used:
        for seen in variable.reads:
            parent = program.parent.get(seen.node)
            takes = isinstance(parent, cst.Subscript) and parent.value is seen.node
            holder = program.parent.get(parent) if parent is not None else None
            stores = isinstance(holder, (cst.AssignTarget, cst.AugAssign)) and holder.target is parent
            inside = program.contains(loop, seen.node) or seen.scope.function is not variable.owner
            if inside and (stores or isinstance(holder, cst.Del) or not takes):
                return True
    return False


def _made_by_calls(lines: list[cst.CSTNode], used: set[Variable]) -> bool:
    """Whether functions, which code in front of the loop may call, bind a variable that the loader is made of."""
    calls = any(isinstance(node, cst.Call) for line in lines for node in walk(line))
    return calls and any(seen.scope.function is not v.owner and v.owner is not None for v in used for seen in v.writes)


def _is_inner(outline: Outline, found: Evaluation, variable: Variable) -> bool:
    """Whether a variable is none that the driver of the training can see."""
    if variable.owner is None or variable.owner is outline.program.scope[outline.program.module]:
        return False
    seen = outline.site.driver.lookup(variable.name) is variable
    return not seen and variable.owner.node not in outline.site.functions
