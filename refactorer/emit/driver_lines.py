"""The lines of the driver that take the place of the loop: Trainer, module, fit, and what is read back."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.emit.edits import Edit, Removed, apply
from refactorer.emit.layout import without_blank_start
from refactorer.emit.lightning_lines import trainer_line
from refactorer.emit.long_lines import WIDTH, broken
from refactorer.emit.new_names import Names
from refactorer.emit.read_back import is_guarded, reads_behind
from refactorer.emit.targets import LIGHTNING, RUNTIME, Target
from refactorer.outline.batches import is_round
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of, with_comments
from refactorer.outline.epochs import Epochs
from refactorer.outline.functions.returning import return_behind
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import EPOCHS, TEST_DATA, TRAIN_DATA, VALIDATION_DATA, Outline
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.supplied import assign
from refactorer.outline.places.taken_away import taken_away
from refactorer.outline.training.anchors import loops_around

_BLOCKS = (cst.IndentedBlock, cst.Module)


def bind_first(outline: Outline, homes: Homes, edits: dict[cst.CSTNode, Edit]) -> None:
    """A variable that may have no value when it is handed to the module gets None, in front of its first assignment.

    Where the script takes it away again, it gets None behind that.
    """
    program, loop = outline.program, outline.site.epoch_loop
    around, start = [node for node in program.ancestors(loop) if isinstance(node, _BLOCKS)], program.order[loop]
    for variable in homes.unsure:
        taken = taken_away(outline, variable)
        always = [line for line in taken if program.parent[line] in around and program.order[line] < start]
        if not always:
            _bind(outline, variable, _first_line(program, variable), edits, behind=False)
        for line in taken:
            _bind(outline, variable, line, edits, behind=True)


def _first_line(program: Program, variable: Variable) -> cst.CSTNode:
    """The statement of a function or module in which a variable of its own is assigned to first."""
    assert variable.owner is not None
    first = min((seen for seen in variable.writes if seen.order >= 0), key=lambda seen: seen.order)
    line = program.statement(first.node)
    while program.parent[line] not in (program.module, getattr(variable.owner.node, "body", None)):
        line = program.statement(program.parent[line])
    return line


def _bind(
    outline: Outline, variable: Variable, line: cst.CSTNode, edits: dict[cst.CSTNode, Edit], *, behind: bool
) -> None:
    """A line that gives a variable None beside another one; a line that goes keeps its place for it."""
    now = edits.get(line, line)
    bound = assign(cst.Name(variable.name), cst.Name("None"))
    if isinstance(now, Removed):
        edits[line] = bound.with_changes(leading_lines=now.leaves)
        return
    kept = [now] if isinstance(now, cst.CSTNode) else list(now or ())
    if kept and not behind:
        bound = bound.with_changes(leading_lines=getattr(kept[0], "leading_lines", ()))
        kept[0] = kept[0].with_changes(leading_lines=())
    edits[line] = [*kept, bound] if behind else [bound, *kept]


def training_lines(
    outline: Outline, roles: Roles, homes: Homes, epochs: Epochs, names: Names, edits: dict[cst.CSTNode, Edit],
    target: Target = RUNTIME,
) -> list[cst.CSTNode]:  # fmt: skip
    """The lines that replace the loop; `edits` receives the changes that reads behind the training need."""
    loop = outline.site.epoch_loop
    given = [cst.Arg(cst.Name(v.name)) for v in homes.arguments]
    made = cst.Call(cst.Name(names.module), given)
    guarded = is_guarded(outline)
    fetched, tested, needed = reads_behind(outline, homes, names, edits, guarded)
    needed = needed or outline.test is not None
    after: list[cst.CSTNode] = []
    leave = return_behind(outline.returning, names.instance) if outline.returning is not None else None
    if leave is not None:
        after, needed = [leave], True
    if loop.orelse is not None:
        after, needed = [*after, *_else_of(outline, names)], needed or outline.left_early is not None
    value = epochs.value
    line = _fit(names, made, outline, target)
    needed = needed or _width(outline, line) > WIDTH
    if value is None:
        value, needed = cst.parse_expression(f"{names.instance}.{EPOCHS}()"), True
    trainer = _folded(outline, _trainer(outline, names, epochs.argument, value, device_of(outline, roles), target))
    module = _folded(outline, assign(cst.Name(names.instance), made))
    first = [module, trainer] if epochs.value is None else [trainer, module]
    lines: list[cst.CSTNode] = list(first) if needed else [trainer]
    line = _fit(names, cst.Name(names.instance), outline, target) if needed else line
    lines += _fitted(line, fetched, guarded)
    lines[:0] = _declared(outline, homes)
    lead = without_blank_start(loop.leading_lines) if _comes_first(outline, edits) else list(loop.leading_lines)
    comment = loop.body.header.comment if isinstance(loop.body, cst.IndentedBlock) else None
    if comment is not None:
        lead.append(cst.EmptyLine(comment=comment))
    lines[0] = lines[0].with_changes(leading_lines=lead)
    edits.update(_test_lines(outline, names, tested))
    return [*lines, *after]


def _comes_first(outline: Outline, edits: dict[cst.CSTNode, Edit]) -> bool:
    """Whether nothing is left in front of the loop in its block."""
    program, loop = outline.program, outline.site.epoch_loop
    block = program.parent[loop]
    if not isinstance(block, cst.IndentedBlock):
        return False
    in_front = [line for line in block.body if program.order[line] < program.order[loop]]
    return bool(in_front) and all(_leaves_nothing(line, edits.get(line, line)) for line in in_front)


def _leaves_nothing(line: cst.CSTNode, edit: Edit) -> bool:
    return not edit.leaves if isinstance(edit, Removed) else edit is None and not comments_of(line)


def _fit(names: Names, module: cst.BaseExpression, outline: Outline, target: Target) -> cst.SimpleStatementLine:
    """The call of `fit` on a module."""
    fit = cst.Attribute(cst.Name(names.trainer), cst.Name("fit"))
    line = cst.SimpleStatementLine([cst.Expr(cst.Call(fit, [cst.Arg(module), *_data(outline, target)]))])
    return _explained(line) if outline.site.form == "whole" else line


def _width(outline: Outline, line: cst.SimpleStatementLine) -> int:
    """The columns that a line takes in the place of the loop; of several lines, the longest."""
    depth = sum(isinstance(node, cst.IndentedBlock) for node in outline.program.ancestors(outline.site.epoch_loop))
    lines = cst.Module([line]).code.splitlines()
    return max(map(len, lines)) + depth * len(outline.program.module.default_indent)


def _folded(outline: Outline, line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """A new line, broken if it is too long."""
    code = cst.Module([line]).code.rstrip()
    room = WIDTH - (_width(outline, line) - len(code))
    parsed = cst.parse_statement(broken(code, room))
    assert isinstance(parsed, cst.SimpleStatementLine)
    return parsed


def _test_lines(outline: Outline, names: Names, fetched: list[cst.CSTNode]) -> dict[cst.CSTNode, Edit]:
    """The test behind the training becomes `trainer.test`, with what is read back behind it."""
    line, source = outline.test_line, outline.test
    if line is None or source is None or source.iterable is None:
        return {}
    test = cst.Attribute(cst.Name(names.trainer), cst.Name("test"))
    loader = [cst.Arg(in_driver(outline, source.iterable))] if TEST_DATA not in outline.hooks else []
    call = cst.SimpleStatementLine([cst.Expr(cst.Call(test, [cst.Arg(cst.Name(names.instance)), *loader]))])
    lead = getattr(line, "leading_lines", ())
    edits: dict[cst.CSTNode, Edit] = dict.fromkeys(outline.dropped)
    return {**edits, line: [call.with_changes(leading_lines=lead), *fetched]}


def in_driver(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression:
    """An expression of a function that was entered, in the names of the driver."""
    edits: dict[cst.CSTNode, Edit] = {}
    for name, raw in outline.program.used([node]):
        expression = outline.bindings.expression.get(raw)
        variable = outline.bindings.canonical(raw)
        if expression is not None:
            edits[name] = in_driver(outline, expression)
        elif variable.name != raw.name:
            edits[name] = cst.Name(variable.name)
    replaced = edits.get(node)
    return replaced if isinstance(replaced, cst.BaseExpression) else apply(node, edits)


def _declared(outline: Outline, homes: Homes) -> list[cst.SimpleStatementLine]:
    """Globals that only the training binds are bound once at the level of the module, as Python's tools expect it.

    In a loop that line would run more than once, and take from a training what the one before has left.
    """
    program = outline.program
    if outline.site.driver is not program.scope[program.module] or loops_around(program, outline.site.epoch_loop):
        return []
    inside = [outline.site.epoch_loop, *outline.consumed]
    lines = []
    for name in sorted({name for names in homes.global_names.values() for name in names}):
        variable = outline.site.driver.variables[name]
        own = [seen for seen in variable.writes if seen.order >= 0]
        if all(any(program.contains(place, seen.node) for place in inside) for seen in own):
            lines.append(assign(cst.Name(name), cst.Name("None")))
    return lines


def _else_of(outline: Outline, names: Names) -> list[cst.CSTNode]:
    """The `else` branch of the replaced loop: it runs behind `fit` unless the loop was left by `break`."""
    orelse = outline.site.epoch_loop.orelse
    assert orelse is not None
    if outline.left_early is None:
        first, *rest = block_lines(orelse.body)
        return [with_comments(first, comments_of(orelse)), *rest]
    found = cst.parse_statement(f"if not {names.instance}.{outline.left_early}:\n    pass\n")
    assert isinstance(found, cst.If)
    return [found.with_changes(body=orelse.body, leading_lines=orelse.leading_lines)]


def _data(outline: Outline, target: Target) -> list[cst.Arg]:
    """What `fit` is given to iterate over, where the module does not make it itself."""
    data: list[cst.BaseExpression] = []
    iterable = outline.train.iterable
    if outline.site.form == "whole":
        data.append(cst.parse_expression("range(1)" if target is LIGHTNING else "[None]"))
    elif TRAIN_DATA not in outline.hooks and iterable is not None:
        data.append(_plain_name(outline, iterable) if outline.variable(iterable) is not None else iterable)
    arguments = [cst.Arg(value) for value in data]
    if outline.evaluation is not None and VALIDATION_DATA not in outline.hooks:
        assert outline.evaluation.iterable is not None
        once = is_round(outline.evaluation.loop)
        loader = outline.evaluation.iterable if once else _plain_name(outline, outline.evaluation.iterable)
        arguments.append(cst.Arg(loader) if data else _keyword("val_dataloaders", loader))
    return arguments


def _plain_name(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression:
    variable = outline.variable(node)
    assert variable is not None
    return cst.Name(variable.name)


def _keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return cst.Arg(value, keyword=cst.Name(name), equal=tight)


def _trainer(
    outline: Outline, names: Names, argument: str, value: cst.BaseExpression, device: cst.BaseExpression | None,
    target: Target,
) -> cst.SimpleStatementLine:  # fmt: skip
    more = [_keyword(name, in_driver(outline, given)) for name, given in outline.settings.items()]
    if target is LIGHTNING:
        written = [cst.Module([]).code_for_node(setting) for setting in more]
        return trainer_line(outline, names.trainer, names.trainer_class, value, device, written)
    place = [_keyword("device", device)] if device is not None and not outline.stays_in_place else []
    settings = [_keyword(argument, value), *place, *more]
    if outline.strategy is not None:
        settings.append(_keyword("strategy", outline.strategy))
    return assign(cst.Name(names.trainer), cst.Call(cst.parse_expression(names.trainer_class), settings))


def device_of(outline: Outline, roles: Roles) -> cst.BaseExpression | None:
    """The device that the Trainer is given; None where the script moves nothing."""
    if outline.device is not None:
        variable = outline.variable(outline.device)
        return cst.Name(variable.name) if variable is not None else outline.device
    moved = any(
        isinstance(c.func, cst.Attribute) and (c.func.attr.value == "cuda" or (c.func.attr.value == "to" and c.args))
        for c in outline.program.calls
    )
    if moved and roles.models:
        return cst.parse_expression(f"next({roles.models[0].name}.parameters()).device")
    return None


def _explained(fit: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """The call of `fit` on a batch that is none: a reader may wonder."""
    comment = cst.Comment("# one step per epoch")
    return fit.with_changes(trailing_whitespace=cst.TrailingWhitespace(cst.SimpleWhitespace("  "), comment))


def _fitted(fit: cst.SimpleStatementLine, fetched: list[cst.CSTNode], guarded: bool) -> list[cst.CSTNode]:
    """The call of `fit`, and the variables that are fetched behind it, also when an exception leaves it."""
    if not guarded or not fetched:
        return [fit, *fetched]
    body = cst.IndentedBlock([fit])
    return [cst.Try(body, finalbody=cst.Finally(cst.IndentedBlock(fetched)))]  # type: ignore[arg-type]
