"""Takes the wrapper out of the script: the model keeps its name, and what was its `module` is the model itself."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, Removed
from refactorer.idioms.distributed.alike import merge_branches
from refactorer.idioms.distributed.arguments import IMPORT
from refactorer.idioms.distributed.guards import Guard
from refactorer.idioms.distributed.leaving import wrapped_in
from refactorer.idioms.distributed.owned import Owned
from refactorer.idioms.distributed.owned_uses import OwnedUses
from refactorer.idioms.distributed.uses import Uses
from refactorer.idioms.distributed.wrapper import Wrapper, Wrapping, class_annotations
from refactorer.outline.comments import comments_inside, comments_of, footer_of
from refactorer.outline.outline import Outline

_NONE = "'auto'"
_SHORT = 40  # characters


def unwrap(outline: Outline, found: Wrapper, guard: Guard, uses: Uses) -> None:
    """Edits the hooks, and the lines of the driver, and gives the Trainer its strategy."""
    name = _free_name(outline.program, "strategy")
    inner = _inner(outline, uses, guard, name)
    merge_branches(outline, guard, inner)
    for hook, body in list(outline.hooks.items()):
        own = {id(node) for node in walk(*body)}
        edits: dict[cst.CSTNode, Edit] = {node: value for node, value in inner.items() if id(node) in own}
        if edits:
            outline.edit(hook, edits)
    outline.driver_edits.update(inner)
    if any(isinstance(made.strategy, cst.Call) for made in found.wrappings):
        outline.imports.append(IMPORT)
    for note in class_annotations(outline.program):
        outline.driver_edits[note] = cst.parse_expression("torch.nn.Module")
    for block in uses.leaving:
        asked = _asked(guard, name) if found.guard is not None else None
        outline.driver_edits.update(wrapped_in(outline, block, found, asked))
    if found.guard is None:
        outline.strategy = found.wrappings[0].strategy
        outline.driver_edits.update(_without(found.wrappings[0]))
    elif guard.test is not None and only_wraps(found.guard, found, uses) and _is_asked_there(found, found.guard):
        asked = guard.again() or found.guard.test
        outline.strategy = cst.IfExp(asked, found.wrappings[0].strategy, cst.SimpleString(_NONE))
        outline.driver_edits[found.guard] = Removed(_comments_in(found.guard, found))
    else:
        outline.strategy = cst.Name(name)
        outline.driver_edits.update(_chosen(found, uses, found.guard, name))


def unwrap_owned(outline: Outline, found: Owned) -> None:
    """Edits the class that wraps its model, gives the Trainer its strategy, and has the module hold the model."""
    edits: dict[cst.CSTNode, Edit] = {node: node.value for node in OwnedUses(outline, found).modules()}
    for hook, body in list(outline.hooks.items()):
        own = {id(node) for node in walk(*body)}
        inside = {node: value for node, value in edits.items() if id(node) in own}
        if inside:
            outline.edit(hook, inside)
    outline.driver_edits.update(edits)
    comments = comments_inside(found.call, None)
    if found.is_set_before(outline.program):
        kept = [*comments_of(found.line), *comments]
        outline.driver_edits[found.line] = Removed(kept) if comments else None
    else:
        outline.driver_edits[found.call] = found.wrapped
    if isinstance(found.strategy, cst.Call):
        outline.imports.append(IMPORT)
    outline.strategy, outline.wrapped = found.strategy, found.held


def _is_asked_there(found: Wrapper, guard: cst.If) -> bool:
    """Whether a condition stands among the arguments of the Trainer: it has to in another function."""
    return found.entry.whole is not None or len(cst.Module([]).code_for_node(guard.test)) <= _SHORT


def only_wraps(guard: cst.If, found: Wrapper, uses: Uses) -> bool:
    """Whether a condition is there for the wrapper alone."""
    made = found.wrappings[0]
    left = [line for line in guard.body.body if line not in uses.needless]
    return guard.orelse is None and left == [made.line] and not made.binds


def _comments_in(guard: cst.If, found: Wrapper) -> list[cst.EmptyLine]:
    """The comments on a condition and on its only line, with the blank lines above them."""
    above = next((at for at, line in enumerate(guard.leading_lines) if line.comment is not None), None)
    blank = guard.leading_lines[:above]
    inner = [comment for line in guard.body.body for comment in comments_of(line)]
    kept = [*comments_of(guard), *inner, *comments_inside(found.call, None), *footer_of(guard)]
    return [*blank, *kept] if kept else []


def _without(made: Wrapping) -> dict[cst.CSTNode, Edit]:
    """The edit that takes a wrapper away; a model that is made in its line is still made there."""
    inside = comments_inside(made.call, None)
    if made.binds:
        return {made.line: _commented(made), made.call: made.wrapped} if inside else {made.call: made.wrapped}
    return {made.line: Removed([*comments_of(made.line), *inside]) if inside else None}


def _commented(made: Wrapping) -> cst.SimpleStatementLine:
    """The line that wraps a model, with the comments inside its call above it."""
    inside = comments_inside(made.call, None)
    return made.line.with_changes(leading_lines=[*made.line.leading_lines, *inside]) if inside else made.line


def _chosen(found: Wrapper, uses: Uses, guard: cst.If, name: str) -> dict[cst.CSTNode, Edit]:
    """The edits that turn a wrapper under a condition into the choice of a strategy."""
    if only_wraps(guard, found, uses):
        value = cst.IfExp(guard.test, found.wrappings[0].strategy, cst.SimpleString(_NONE))
        return {guard: _assigned(name, value, _comments_in(guard, found) or guard.leading_lines)}
    edits: dict[cst.CSTNode, Edit] = {
        guard: [
            _assigned(name, cst.SimpleString(_NONE), guard.leading_lines),
            guard.with_changes(leading_lines=[]),
        ]
    }
    for made in found.wrappings:
        if not made.binds:
            line = _commented(made)
            edits[made.line] = _assigned(name, made.strategy, line.leading_lines, line.trailing_whitespace)
        else:
            edits[made.line] = [_commented(made), _assigned(name, made.strategy)]
            edits[made.call] = made.wrapped
    return edits


def _assigned(
    name: str, value: cst.BaseExpression, above: object = (), behind: cst.TrailingWhitespace | None = None
) -> cst.SimpleStatementLine:
    line = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(name))], value)], leading_lines=above)  # type: ignore[arg-type]
    return line.with_changes(trailing_whitespace=behind) if behind is not None else line


def _free_name(program: Program, name: str) -> str:
    taken = {variable.name for variable in program.variables.values()}
    while name in taken:
        name += "_"
    return name


# --- uses of the wrapped model ------------------------------------------------------------------------------------


def _inner(outline: Outline, uses: Uses, guard: Guard, name: str) -> dict[cst.CSTNode, Edit]:
    """Each `model.module`, with what takes its place; the wrapper's own state keeps its prefix."""
    edits: dict[cst.CSTNode, Edit] = {outline.program.parent[use]: uses.name_at(use) for use in uses.again}
    edits |= {line: Removed(comments_of(line)) for line in uses.needless}
    hooks = {id(node) for body in outline.hooks.values() for node in walk(*body)}
    edits |= {use: outline.new_name(uses.found.model) for use in uses.others if id(use) in hooks}
    for use in uses.nodes:
        node = outline.program.parent[use]
        wrapped = guard.wrapped_at(use)
        if wrapped is False:
            continue
        asked = None if wrapped else _asked(guard, name)
        model = uses.name_at(use)
        if isinstance(node, cst.Arg):
            call = outline.program.parent[node]
            edits[call] = _answer(asked, outline.program.parent[call])
        elif isinstance(node, cst.Attribute) and node.attr.value == "module":
            edits[node] = _either(model, asked, cst.Attribute(uses.name_at(use), node.attr))
        elif isinstance(node, cst.Attribute) and node.attr.value in ("state_dict", "load_state_dict"):
            edits[use] = _either(_prefixed(model), asked, uses.name_at(use))
    return edits


def _answer(asked: cst.BaseExpression | None, place: cst.CSTNode) -> cst.BaseExpression:
    """What `isinstance(model, DistributedDataParallel)` says; as True or False where it is more than a condition."""
    if asked is None:
        return cst.Name("True")
    if isinstance(place, (cst.If, cst.IfExp)) or isinstance(asked, (cst.Comparison, cst.UnaryOperation)):
        return asked if isinstance(place, cst.If) else _in_parentheses(asked)
    return cst.Call(cst.Name("bool"), [cst.Arg(asked)])


def _in_parentheses(value: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(value, (cst.Name, cst.Attribute)) or value.lpar:
        return value
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _asked(guard: Guard, name: str) -> cst.BaseExpression:
    """Whether the script wants the model wrapped, for new code."""
    again = guard.again()
    if again is not None:
        return again
    chosen = cst.ComparisonTarget(cst.NotEqual(), cst.SimpleString(_NONE))
    return cst.Comparison(cst.Name(name), [chosen])


def _either(
    held: cst.BaseExpression, asked: cst.BaseExpression | None, plain: cst.BaseExpression
) -> cst.BaseExpression:
    """What stands for the wrapped model where it surely is wrapped, else a choice."""
    if asked is None:
        return held
    return _in_parentheses(cst.IfExp(asked, held, plain))


def _prefixed(name: cst.BaseExpression) -> cst.Call:
    """A module with the model in it, whose state has the keys that the wrapper's had."""
    held = cst.Dict([cst.DictElement(cst.SimpleString("'module'"), name)])
    return cst.Call(cst.parse_expression("torch.nn.ModuleDict"), [cst.Arg(held)])
