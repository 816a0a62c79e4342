"""The literal structure: which statements each hook runs, in the order in which the script ran them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Access, Occurrence, Variable
from refactorer.analysis.walk import children, walk
from refactorer.emit.edits import Edit, apply
from refactorer.emit.reserved import RESERVED
from refactorer.outline.anchors import Loop
from refactorer.outline.comments import comment_lines, comments_inside, comments_of, footer_of, with_comments
from refactorer.outline.control import loop_jumps, suspensions
from refactorer.outline.inline import Bindings, enter
from refactorer.outline.refusal import PlainerView, Refusal
from refactorer.outline.site import Site

REFLECTION = {"exec", "eval", "locals", "globals", "vars", "dir"}
EPOCHS, TRAIN_DATA = "epochs", "train_dataloader"
EPOCH_START, STEP, EPOCH_END = "on_train_epoch_start", "training_step", "on_train_epoch_end"
VALIDATION_START, VALIDATION_STEP = "on_validation_epoch_start", "validation_step"
VALIDATION_END = "on_validation_epoch_end"
HOOK_ORDER = (EPOCH_START, STEP, VALIDATION_START, VALIDATION_STEP, VALIDATION_END, EPOCH_END)


Note = tuple[str, cst.CSTNode | None, str, str]
"""A remark on a conversion: code, place, message and hint."""


@dataclass
class BatchSource:
    """What a loop over batches iterates over: `iterable` yields batches; `target` receives each one.

    `index` is the target of an `enumerate` and `start` its first value. A `while`, and an epoch that is one batch, have
    neither iterable nor target.
    """

    loop: Loop
    iterable: cst.BaseExpression | None
    target: cst.BaseExpression | None
    index: cst.BaseExpression | None = None
    start: int = 0


@dataclass(frozen=True)
class Returning:
    """Attributes of the module: `flag` says that the script returned, `value` holds what it returned.

    Either is None where nobody would read it.
    """

    flag: str | None
    value: str | None


@dataclass
class Outline:
    """Everything that is known about the module to be written, before and while the idioms refine it.

    `hooks` holds the statements of each method; `methods` says which of them are functions of the script.
    `models_unknown` says that the making of an optimizer is out of sight, so that any object may hold its parameters.
    Lines in front of the place `reflection` (in the order of the text) stay, since something looks at their variables.
    """

    program: Program
    site: Site
    bindings: Bindings
    hooks: dict[str, list[cst.CSTNode]]
    train: BatchSource
    evaluation: BatchSource | None = None
    consumed: list[cst.FunctionDef] = field(default_factory=list)
    device: cst.BaseExpression | None = None
    automatic: bool = False
    notes: list[Note] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    methods: dict[str, cst.FunctionDef] = field(default_factory=dict)
    returning: Returning | None = None
    left_early: str | None = None
    models_unknown: bool = False
    reflection: int = -1
    docstrings: dict[str, cst.CSTNode] = field(default_factory=dict)
    above: dict[str, list[cst.EmptyLine]] = field(default_factory=dict)
    footers: dict[str, list[cst.EmptyLine]] = field(default_factory=dict)

    def variable(self, node: cst.CSTNode | None) -> Variable | None:
        """The variable that a name node of a hook means, seen through parameters; None where there is no name."""
        found = self.program.variables.get(node) if node is not None else None
        return self.bindings.canonical(found) if found is not None else None

    def uses(self, *statements: cst.CSTNode) -> list[tuple[cst.CSTNode, Variable]]:
        """Every name in the statements with its variable, seen through parameters and their expressions."""
        found: list[tuple[cst.CSTNode, Variable]] = []
        for node, variable in self.program.used(statements):
            expression = self.bindings.expression.get(variable)
            if expression is not None:
                found += self.uses(expression)
            else:
                found.append((node, self.bindings.canonical(variable)))
        return found

    def is_write(self, node: cst.CSTNode) -> bool:
        """Whether a name node binds its variable (or deletes it)."""
        variable = self.program.variables[node]
        return any(seen.node is node and seen.access != "read" for seen in variable.occurrences)

    def mentions(self, variable: Variable, *statements: cst.CSTNode) -> bool:
        return any(used is variable for _, used in self.uses(*statements))

    def mark(self, hook: str) -> str | None:
        """The attribute that a `break` in a hook sets, where the replaced loop has an `else` that it skips."""
        return self.left_early if hook != STEP or self.site.form != "epochs" else None

    def without_globals(self) -> None:
        """Takes `global` and `nonlocal` statements out of the hooks; the former are made anew where they are needed."""
        for hook, body in self.hooks.items():
            found = [node for node in _own_declarations(body) if isinstance(node, (cst.Global, cst.Nonlocal))]
            if found:
                self.edit(hook, dict.fromkeys(found))

    def edit(self, hook: str, edits: dict[cst.CSTNode, Edit]) -> None:
        """Applies edits to the statements of one hook."""
        end = cst.SimpleStatementLine([cst.Pass()])
        block = apply(cst.IndentedBlock([*self.hooks[hook], end]), edits)  # type: ignore[list-item]
        lines = list(block.body)
        self.footers.setdefault(hook, []).extend(comment_lines(getattr(lines.pop(), "leading_lines", ())))
        self.hooks[hook] = [line for line in lines if not _is_pass(line)]

    def free_attribute(self, name: str) -> str:
        """A name for an attribute of the module that nothing in the file has."""
        taken = {variable.name for variable in self.program.variables.values()} | RESERVED
        while name in taken:
            name += "_"
        return name

    def new_name(self, variable: Variable, access: Access = "read") -> cst.Name:
        """A name node for new code that means a known variable."""
        node = cst.Name(variable.name)
        self.program.variables[node] = variable
        variable.occurrences.append(Occurrence(node, variable.name, access, self.site.driver, -1, None))
        return node

    def note(self, code: str, node: cst.CSTNode, message: str, hint: str) -> None:
        self.notes.append((code, node, message, hint))


def _is_pass(line: cst.CSTNode) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and all(isinstance(small, cst.Pass) for small in line.body)


def build(program: Program, site: Site) -> Outline:
    """The literal outline of a site.

    Raises:
        Refusal: something in the training cannot be placed.
    """
    outline = _alone(program, site) if site.form != "epochs" else _nested(program, site)
    _check_contents(outline)
    _conditions(outline)
    loop = site.epoch_loop
    if loop.orelse is not None and any(isinstance(jump, cst.Break) for jump in loop_jumps(loop.body.body)):
        outline.left_early = outline.free_attribute("left_early")
    return outline


def _alone(program: Program, site: Site) -> Outline:
    """One loop: each iteration is a step."""
    hooks = {STEP: block_lines(site.batch_loop.body)}
    outline = Outline(program, site, Bindings(), hooks, batch_source(program, site))
    outline.footers[STEP] = footer_of(site.batch_loop)
    outline.above[STEP] = _comments_on_iterable(outline)
    return outline


def _nested(program: Program, site: Site) -> Outline:
    """A loop over batches in the loop over the epochs, or in a function that is called there."""
    bindings = Bindings()
    body = block_lines(site.epoch_loop.body)
    if site.function is None or site.call is None:
        at = body.index(site.wrapper or site.batch_loop)
        before: list[cst.CSTNode] = body[:at]
        result: list[cst.CSTNode] = []
        closing: list[cst.EmptyLine] = []
        after: list[cst.CSTNode] = body[at + 1 :]
    else:
        line = program.statement(site.call)
        at = body.index(line)
        entered = enter(program, site.function, site.call, bindings, site.epoch_loop)
        inner = list(entered.statements)
        where = inner.index(site.wrapper or site.batch_loop)
        result = returned_statement(program, line, site.call, entered.value)
        closing = entered.closing
        if result and closing:
            result, closing = [with_comments(result[0], closing), *result[1:]], []
        before = [*body[:at], *inner[:where]]
        after = [*inner[where + 1 :], *result, *body[at + 1 :]]
    hooks = {EPOCH_START: before, STEP: block_lines(site.batch_loop.body), EPOCH_END: after}
    outline = Outline(program, site, bindings, hooks, batch_source(program, site))
    _keep_comments(outline, after, result)
    outline.footers.setdefault(EPOCH_END if after else STEP, [])[:0] = closing
    if site.function is not None:
        outline.consumed.append(site.function)
        _move_docstring(outline, EPOCH_START, STEP)
    _open_bar(outline)
    return outline


def _conditions(outline: Outline) -> None:
    """A `while` becomes a generator method: its condition is evaluated when the next batch or epoch is fetched."""
    site = outline.site
    if isinstance(site.batch_loop, cst.While):
        outline.hooks[TRAIN_DATA] = [_yielding(site.batch_loop)]
    if site.form == "epochs" and isinstance(site.epoch_loop, cst.While):
        outline.hooks[EPOCHS] = [_yielding(site.epoch_loop)]


def _open_bar(outline: Outline) -> None:
    """A progress bar around the batches is opened at the start of the epoch and closed behind the last batch."""
    wrapper = outline.site.wrapper
    if wrapper is None:
        return
    item = wrapper.items[0]
    assert item.asname is not None and isinstance(item.asname.name, cst.Name)
    bar = item.asname.name
    lines = block_lines(wrapper.body)
    at = lines.index(outline.site.batch_loop)
    opened = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(bar)], item.item)])
    close = cst.Attribute(outline.new_name(outline.program.variables[bar]), cst.Name("close"))
    closed = cst.SimpleStatementLine([cst.Expr(cst.Call(close))])
    outline.hooks[EPOCH_START] = [*outline.hooks[EPOCH_START], opened, *lines[:at]]
    outline.hooks[EPOCH_END] = [*lines[at + 1 :], closed, *outline.hooks[EPOCH_END]]


def _yielding(loop: cst.While) -> cst.CSTNode:
    line = cst.SimpleStatementLine([cst.Expr(cst.Yield())])
    return cst.While(loop.test, cst.IndentedBlock([line]))


def _keep_comments(outline: Outline, after: list[cst.CSTNode], result: list[cst.CSTNode]) -> None:
    """Comments on what disappears (loops, the call, the function) go above the step or to the end of a hook."""
    site = outline.site
    above: list[cst.EmptyLine] = []
    last = EPOCH_END if after else STEP
    footer = [*footer_of(site.epoch_loop)]
    if site.function is not None and site.call is not None:
        if not result:
            above += comments_of(outline.program.statement(site.call))
        kept = comments_of(site.function)
        top = outline.program.parent[site.function] is outline.program.module
        above += kept[len(comment_lines(site.function.leading_lines)) :] if top else kept
        footer = [*footer_of(site.function), *footer]
    bar = comments_of(site.wrapper) if site.wrapper is not None else []
    outline.above[STEP] = [*above, *bar, *comments_of(site.batch_loop), *_comments_on_iterable(outline)]
    outline.footers.setdefault(STEP, []).extend(footer_of(site.batch_loop))
    if site.wrapper is not None:
        outline.footers[STEP].extend(footer_of(site.wrapper))
    outline.footers.setdefault(last, []).extend(footer)


def _comments_on_iterable(outline: Outline) -> list[cst.EmptyLine]:
    loop = outline.site.batch_loop
    if not isinstance(loop, cst.For) or not isinstance(loop.iter, cst.Call):
        return []
    return comments_inside(loop.iter, loop.iter if outline.site.form == "whole" else outline.train.iterable)


def block_lines(block: cst.BaseSuite) -> list[cst.CSTNode]:
    """The lines of a block; one for each part of a suite that stands on the line of its header."""
    if isinstance(block, cst.SimpleStatementSuite):
        return [
            cst.SimpleStatementLine([small.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)]) for small in block.body
        ]
    return list(block.body)


def _move_docstring(outline: Outline, hook: str, to: str) -> None:
    for line in outline.hooks[hook]:
        if is_docstring(line):
            outline.docstrings[to] = line
            outline.hooks[hook].remove(line)
            return


def is_docstring(line: cst.CSTNode) -> bool:
    """Whether a line is a string on its own."""
    return (
        isinstance(line, cst.SimpleStatementLine)
        and isinstance(line.body[0], cst.Expr)
        and isinstance(line.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )


def returned_statement(
    program: Program, line: cst.CSTNode, call: cst.Call, value: cst.BaseExpression | None
) -> list[cst.CSTNode]:
    """The calling statement with the returned expression in the place of the call; nothing if no one wants it."""
    assert isinstance(line, cst.SimpleStatementLine)
    if len(line.body) == 1 and isinstance(line.body[0], cst.Expr) and line.body[0].value is call:
        if value is None or not any(isinstance(part, (cst.Call, cst.Await)) for part in walk(value)):
            return []
        return [line.with_changes(body=[cst.Expr(value)])]
    small = line.body[0]
    if len(line.body) > 1 or not isinstance(small, (cst.Assign, cst.Expr, cst.AugAssign)):
        raise PlainerView(call, "the call that trains stands inside a larger statement")
    if isinstance(small, cst.AugAssign) and not isinstance(small.target, cst.Name):
        raise PlainerView(call, "what the call that trains is added to is read before it")
    for part, variable in program.used([small]):
        by_others = any(seen.scope.function is not variable.owner for seen in variable.writes)
        if by_others and program.access(part) != "write" and not program.contains(call, part):
            raise PlainerView(call, f"{variable.name} is read before the call that trains, which may change it")
    around = _only_call_around(small, call)
    allowed = (around, around.func) if isinstance(around, cst.Call) else ()
    for part in walk(small):
        early = isinstance(part, _EARLY) and not (isinstance(small, cst.Assign) and _is_target(program, part))
        if early and not program.contains(call, part) and part not in allowed:
            raise PlainerView(call, "the call that trains stands inside a larger expression")
    return [apply(line, {call: value if value is not None else cst.Name("None")})]


_EARLY = (
    cst.Call, cst.Subscript, cst.Attribute, cst.Lambda, cst.BaseComp, cst.IfExp, cst.BooleanOperation,
)  # fmt: skip


def _is_target(program: Program, node: cst.CSTNode) -> bool:
    """Whether an attribute is plainly assigned to: its object is looked up behind the value."""
    return isinstance(node, cst.Attribute) and isinstance(program.parent.get(node), cst.AssignTarget)


def _only_call_around(small: cst.CSTNode, call: cst.Call) -> cst.CSTNode | None:
    """`history.append(train(...))`: the call has nothing but a plain method around it."""
    outer = small.value if isinstance(small, cst.Expr) else None
    if isinstance(outer, cst.Call) and any(arg.value is call for arg in outer.args[:1]):
        return outer
    return None


def batch_source(program: Program, site: Site) -> BatchSource:
    """What the loop over the batches of a site iterates over."""
    loop = site.batch_loop
    if site.form == "whole" or isinstance(loop, cst.While):
        return BatchSource(loop, None, None)
    return source_of(program, loop)


def source_of(program: Program, loop: cst.For) -> BatchSource:
    """Takes `enumerate` off the iterable of a loop over batches."""
    call = loop.iter
    pair = loop.target
    if (
        isinstance(call, cst.Call)
        and program.qualified_name(call.func) == "builtins.enumerate"
        and isinstance(pair, cst.Tuple)
        and len(pair.elements) == 2
        and isinstance(pair.elements[0].value, cst.Name)
        and not any(arg.star for arg in call.args)
    ):
        rest = call.args[1:]
        if not rest:
            return BatchSource(loop, call.args[0].value, pair.elements[1].value, pair.elements[0].value)
        if len(rest) == 1 and isinstance(rest[0].value, cst.Integer):
            start = rest[0].value.evaluated_value
            return BatchSource(loop, call.args[0].value, pair.elements[1].value, pair.elements[0].value, start)
    return BatchSource(loop, loop.iter, loop.target)


def _check_contents(outline: Outline) -> None:
    program = outline.program
    statements = [node for body in outline.hooks.values() for node in body]
    held = suspensions(statements)
    if held:
        raise Refusal("R303", held[0], "the training yields or awaits", "let it run to the end without yielding")
    for node, variable in program.used([*statements, outline.site.driver.node]):
        if variable.owner is not None or variable.name not in REFLECTION or _names_its_object(program, node):
            continue
        if _sees_training(outline, node):
            raise Refusal(
                "R401", node, f"{variable.name}() sees or changes variables of the training by name",
                "name the variables; they live in different places after the conversion",
            )  # fmt: skip
    for node in walk(*statements):
        if isinstance(node, cst.Nonlocal) and not _is_of_driver(outline, node):
            raise Refusal("R403", node, "a variable is declared nonlocal in the training",
                          "return values instead of nonlocal")  # fmt: skip
        _refuse_names_of_a_class(program, node)
        if isinstance(node, cst.ExceptHandler) and node.type is not None:
            caught = {program.qualified_name(part) for part in walk(node.type)}
            if caught & {"builtins.NameError", "builtins.UnboundLocalError"}:
                raise Refusal("R403", node, "the training catches NameError, so a variable may be unbound on purpose",
                              "bind the variable to None in front of the training, and ask for that")  # fmt: skip
    first = loop_jumps(outline.hooks.get(EPOCH_START, []))
    if first:
        raise PlainerView(first[0], "the epoch is left or skipped before its batches")


def _own_declarations(nodes: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The nodes of a hook, those of nested functions and classes aside."""
    for node in nodes:
        yield node
        if not isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield from _own_declarations(children(node))


def _is_of_driver(outline: Outline, node: cst.Nonlocal) -> bool:
    """Whether no name of a `nonlocal` belongs to a function around the one that drives the training."""
    scope = outline.program.scope_of(node)
    owners = {variable.owner for item in node.names if (variable := scope.lookup(item.name.value)) is not None}
    around, outer = set(), outline.site.driver.parent
    while outer is not None:
        around.add(outer)
        outer = outer.parent
    return not owners & around


def is_private(name: str) -> bool:
    """Whether Python puts the name of the class in front of a name inside a class."""
    return name.startswith("__") and not name.endswith("__")


def _refuse_names_of_a_class(program: Program, node: cst.CSTNode) -> None:
    """What means something else in another class: `super()`, and private names of code outside any class."""
    bare = isinstance(node, cst.Call) and program.qualified_name(node.func) == "builtins.super" and not node.args
    if bare or (isinstance(node, cst.Name) and node.value == "__class__" and node in program.variables):
        raise Refusal("R107", node, "the training asks for the class that it stands in",
                      "name the class: super(Name, self)")  # fmt: skip
    name = node.attr if isinstance(node, cst.Attribute) else node
    if isinstance(name, cst.Name) and is_private(name.value) and class_around(program, node) is None:
        variable = program.variables.get(name)
        if isinstance(node, cst.Attribute) or (
            variable is not None and variable.owner is program.scope[program.module]
        ):
            raise Refusal("R403", node, f"{name.value} would mean something else inside a class",
                          "take one of the two underscores away")  # fmt: skip


def class_around(program: Program, node: cst.CSTNode) -> cst.ClassDef | None:
    """The innermost class that a node stands in."""
    return next((outer for outer in program.ancestors(node) if isinstance(outer, cst.ClassDef)), None)


def _sees_training(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether reflection at a node may meet variables that the training moves: not if it ran before all of them."""
    program, driver = outline.program, outline.site.driver
    if program.scope_of(node) is not driver:
        nested = program.enclosing_function(node)
        called_in_place = driver is program.scope[program.module] and nested is not None
        return not called_in_place or getattr(node, "value", "") in ("globals", "exec", "eval")
    if program.order.get(node, -1) > program.order[outline.site.epoch_loop]:
        return True
    outline.reflection = max(outline.reflection, program.order.get(node, -1))
    return node not in program.order


def _names_its_object(program: Program, node: cst.CSTNode) -> bool:
    """`vars(args)` and `dir(module)` look at an object, not at the variables of the function."""
    call = program.parent.get(node)
    named = isinstance(node, cst.Name) and node.value in ("vars", "dir")
    return named and isinstance(call, cst.Call) and call.func is node and bool(call.args)
