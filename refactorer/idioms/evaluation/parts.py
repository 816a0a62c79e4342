"""Finding an evaluation, and taking it apart: what runs in front of its loop, the loop, what runs behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.evaluation.made_batches import is_made
from refactorer.idioms.evaluation.several_sets import source_of_sets
from refactorer.idioms.evaluation.windows import fetches_batches, goes_through_data
from refactorer.idioms.progress.bars import Bar, made_in_header, source_in, without_enumerate
from refactorer.idioms.shapes import method_calls, only_call
from refactorer.outline.batches import BatchSource, is_round, source_of
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_around
from refactorer.outline.functions.arguments import matched
from refactorer.outline.functions.inline import Entered, enter
from refactorer.outline.objects.held import held_by, keeps_object
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import STEP, TEST_HOOKS, VALIDATION_DATA, VALIDATION_HOOKS, Outline
from refactorer.outline.training.anchors import loops_around, uses_of

_WORDS = (("val", "dev"), ("test", "eval"))
_MODELS = ("model", "net", "network")
_PARTING = ("split", "chunk", "unbind")
_SWITCHED = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")
NO_GRAD = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad")


@dataclass(frozen=True)
class Stage:
    """The hooks of an evaluation that the Trainer runs."""

    name: str
    data: str
    start: str
    step: str
    end: str

    @property
    def model_eval(self) -> str:
        return f"on_{self.name}_model_eval"

    @property
    def model_train(self) -> str:
        return f"on_{self.name}_model_train"


VALIDATION = Stage("validation", VALIDATION_DATA, *VALIDATION_HOOKS)
TEST = Stage("test", *TEST_HOOKS)


@dataclass
class Evaluation:
    """An evaluation, taken apart: `line` is the statement it stands in, with `earlier` and `later` ones around it.

    `quiet` are the statements of `before` and `after` that the script runs without gradients, `silent` says that it
    runs the loop so, and `guard` is the `no_grad()` that sees to it. `function` holds the loop; `line` calls it.
    `taken` are the lines of `before` that have been taken out of the code around it. `midway` says that the code around
    it, in the hook `asks`, asks the Trainer for it, `final` that it stands behind the training. `bar` is a progress bar
    around what the loop iterates over, if the Trainer can draw it. `wanted` says that the code around the call uses
    what the function returns. `inner` is the loop over the batches of one set, if `loop` goes through sets of data.
    """

    line: cst.CSTNode
    before: list[cst.CSTNode]
    loop: cst.For
    after: list[cst.CSTNode]
    quiet: list[cst.CSTNode] = field(default_factory=list)
    silent: bool = False
    guard: cst.BaseExpression | None = None
    function: cst.FunctionDef | None = None
    earlier: Sequence[cst.CSTNode] = ()
    later: Sequence[cst.CSTNode] = ()
    taken: Sequence[cst.CSTNode] = ()
    midway: bool = False
    final: bool = False
    asks: str = STEP
    bar: Bar | None = None
    wanted: bool = False
    inner: cst.For | None = None

    @property
    def makes_loader(self) -> bool:
        """Whether a method of the module may make its loader, each time the Trainer asks for one."""
        return self.midway or (self.final and self.function is not None)

    def source(self, outline: Outline) -> BatchSource:
        """What the loop iterates over, without the progress bar."""
        if self.inner is not None:
            return source_of_sets(self.loop, self.inner)
        return source_in(outline.program, source_of(outline.program, self.loop), self.bar)


def take_apart(
    outline: Outline, roles: Roles, lines: Sequence[cst.CSTNode], index: int, switched: bool
) -> Evaluation | None:
    """The evaluation in one of several statements; `switched` says that an `eval()` stands in front of it."""
    line = lines[index]
    found = _parts(outline, roles, [line], None, switched)
    if found is None and isinstance(line, cst.SimpleStatementLine):
        for call in walk(line):
            function = outline.program.function(call.func) if isinstance(call, cst.Call) else None
            if function is not None and function not in outline.consumed:
                guards = [d.decorator for d in function.decorators if is_no_grad(outline.program, d.decorator)]
                found = _parts(outline, roles, list(function.body.body), guards[0] if guards else None, switched)
                if found is not None:
                    found.function = function
                    break
    if found is not None:
        found.line, found.earlier, found.later = line, lines[:index], lines[index + 1 :]
        found.inner = None if evaluates(outline, roles, found.loop) else _of_one_set(outline, roles, found.loop)
    return found


def likeness(*nodes: cst.CSTNode) -> int:
    """How little code looks like validation, by its names; it only decides which evaluation is tried first."""
    text = " ".join(cst.Module([]).code_for_node(node) for node in nodes).lower()
    return next((rank for rank, words in enumerate(_WORDS) if any(word in text for word in words)), len(_WORDS))


def _parts(
    outline: Outline, roles: Roles, body: list[cst.CSTNode], guard: cst.BaseExpression | None, switched: bool
) -> Evaluation | None:
    for i, line in enumerate(body):
        if isinstance(line, cst.For) and _goes_through(outline, roles, line):
            quietly = guard is not None or switched or is_switched(body[:i])
            if quietly or silences(outline, line) or switches_itself(line):
                before, after = body[:i], body[i + 1 :]
                quiet = [*before, *after] if guard is not None else []
                return Evaluation(line, before, line, after, quiet, guard is not None, guard)
        if isinstance(line, cst.With) and len(line.items) == 1 and is_no_grad(outline.program, line.items[0].item):
            inner = list(line.body.body)
            loops = [part for part in inner if isinstance(part, cst.For) and _goes_through(outline, roles, part)]
            if loops:
                loop, at = loops[0], inner.index(loops[0])
                first, last = inner[:at], inner[at + 1 :]
                quiet = [*first, *last] if guard is None else [*body[:i], *first, *last, *body[i + 1 :]]
                before, after = [*body[:i], *first], [*last, *body[i + 1 :]]
                return Evaluation(line, before, loop, after, quiet, True, line.items[0].item)
    return None


def _goes_through(outline: Outline, roles: Roles, loop: cst.For) -> bool:
    """Whether a loop evaluates, or goes through several sets of data with a loop that does."""
    return evaluates(outline, roles, loop) or _of_one_set(outline, roles, loop) is not None


def _of_one_set(outline: Outline, roles: Roles, loop: cst.For) -> cst.For | None:
    """The only loop in another one that evaluates."""
    inner = [line for line in block_lines(loop.body) if isinstance(line, cst.For) and evaluates(outline, roles, line)]
    return inner[0] if len(inner) == 1 else None


def is_no_grad(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression is `torch.no_grad()` or the like, or what a decorator names of it."""
    if isinstance(node, cst.Call) and _is_false(node) and isinstance(program.parent.get(node), cst.WithItem):
        return program.qualified_name(node.func) in _SWITCHED
    func = node.func if isinstance(node, cst.Call) and not node.args else node
    return program.qualified_name(func) in NO_GRAD


def is_switched(lines: Sequence[cst.CSTNode]) -> bool:
    """Whether the last switch of a mode in some statements is an `eval()`."""
    return last_mode(lines) == "eval"


def last_mode(lines: Sequence[cst.CSTNode]) -> str | None:
    """The method that switches last in some statements."""
    for line in reversed(lines):
        call = only_call(line) or bound_again(line)
        name = call.func.attr.value if call is not None and isinstance(call.func, cst.Attribute) else ""
        if call is not None and name in ("train", "eval"):
            return "eval" if _is_false(call) else name
    return None


def _is_false(call: cst.Call) -> bool:
    """Whether a call has `False` as its only argument: `train(False)` is `eval()`."""
    value = call.args[0].value if len(call.args) == 1 and not call.args[0].star else None
    return isinstance(value, cst.Name) and value.value == "False"


def switches_itself(loop: cst.For) -> bool:
    """Whether a line of the loop is `model.eval()`, or `model = model.eval()`."""
    calls = [only_call(line) or bound_again(line) for line in loop.body.body]
    named = [call for call in calls if call is not None and isinstance(call.func, cst.Attribute) and not call.args]
    return any(call.func.attr.value == "eval" for call in named)  # type: ignore[attr-defined]


def bound_again(line: cst.CSTNode) -> cst.Call | None:
    """The call of a line `net = net.eval()`."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return small.value if isinstance(small, cst.Assign) and isinstance(small.value, cst.Call) else None


def silences(outline: Outline, loop: cst.For) -> bool:
    """Whether the loop itself does without gradients around the forward pass."""
    inner = [line for line in loop.body.body if isinstance(line, cst.With) and len(line.items) == 1]
    return any(is_no_grad(outline.program, line.items[0].item) for line in inner)


def evaluates(outline: Outline, roles: Roles, loop: cst.For) -> bool:
    """Whether a loop looks like one that runs a model on what a loader yields."""
    source = source_of(outline.program, loop)
    iterable = source.iterable
    if iterable is None or loop.asynchronous is not None:
        return False
    known = is_round(loop) or is_loader(outline, iterable) or is_made(outline.program, iterable)
    known = known or fetches_batches(outline.program, loop)
    if not known and not goes_through_data(outline.program, loop, iterable, source.target):
        return False
    return runs_model(outline, roles, loop)


def runs_model(outline: Outline, roles: Roles, loop: cst.For) -> bool:
    """Whether a loop itself runs something that looks like a model, or hands it to a function of the file."""
    code = cst.Module([]).code_for_node
    switched = [call.func.value for mode in ("train", "eval") for call in method_calls(outline, mode)]  # type: ignore[attr-defined]
    models = {model.name for model in roles.models} | {code(node).strip() for node in switched}
    models = models or _called_like_models(outline)
    models |= _other_names(outline.program, loop, models)
    for call in walk(loop.body):
        if isinstance(call, cst.Call) and not isinstance(call.func, cst.Call):
            name = code(call.func).strip()
            run = {name, name.rsplit(".", 1)[0]}
            function = _function_or_method(outline.program, call)
            if function is not None:
                run |= {code(arg.value).strip() for arg in call.args}
                run |= {code(node.func).strip() for node in walk(function.body) if isinstance(node, cst.Call)}
            if run & models and _is_of_round(outline, loop, call):
                return True
    return False


def _function_or_method(program: Program, call: cst.Call) -> cst.FunctionDef | None:
    """The function of the file that a call names, or seems to: the only method of that name."""
    if not isinstance(call.func, cst.Attribute) or not isinstance(call.func.value, cst.Name):
        return program.function(call.func)
    name = call.func.attr.value
    found = [function for function in program.find(cst.FunctionDef) if function.name.value == name]
    return found[0] if len(found) == 1 else None


def _called_like_models(outline: Outline) -> set[str]:
    """What the training step calls by a name for a model: for where neither optimizers nor modes tell the models."""
    calls = [node for node in walk(*outline.lines(STEP)) if isinstance(node, cst.Call)]
    kinds = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)
    named = [
        call.func for call in calls
        if not isinstance(outline.program.definition(outline.program.variables.get(call.func)), kinds)
    ]  # fmt: skip
    texts = {
        cst.Module([]).code_for_node(func).strip() for func in named if isinstance(func, (cst.Name, cst.Attribute))
    }
    return {text for text in texts if text.lower().endswith(_MODELS)}


def _other_names(program: Program, loop: cst.For, models: set[str]) -> set[str]:
    """The parameters of the function around a loop that its callers give one of some models."""
    function = program.enclosing_function(loop)
    calls = [program.parent.get(use) for use in uses_of(program, function)] if function is not None else []
    given = [matched(function.params, call.args) or {} for call in calls if function and isinstance(call, cst.Call)]
    code = cst.Module([]).code_for_node
    return {
        param.name.value for one in given for param, value in one.items() if value and code(value).strip() in models
    }


def _is_of_round(outline: Outline, loop: cst.For, call: cst.Call) -> bool:
    """Whether a call belongs to the rounds of a loop: no loop between the two goes through other data."""
    around = loops_around(outline.program, call)
    inner = around[around.index(loop) + 1 :] if loop in around else None
    if not inner:
        return inner is not None
    bound = {variable for node, variable in outline.uses(loop.target, loop.body) if outline.is_write(node)}
    return all(isinstance(one, cst.For) and _goes_through_batch(outline, one, bound) for one in inner)


def _goes_through_batch(outline: Outline, loop: cst.For, bound: set[Variable]) -> bool:
    """Whether a loop goes through parts of what a round has: `zip(inputs, targets)`, `x.split(8)`."""
    call = without_enumerate(outline.program, loop.iter)
    if not isinstance(call, cst.Call):
        return False
    parts = [arg.value for arg in call.args]
    if isinstance(call.func, cst.Attribute) and call.func.attr.value in _PARTING:
        parts = [call.func.value]
    elif outline.program.qualified_name(call.func) != "builtins.zip":
        return False
    return all(outline.variable(root_of(outline, part)) in bound for part in parts)


def is_loader(outline: Outline, node: cst.BaseExpression) -> bool:
    """A name, an attribute or a constant item of one, or a progress bar around any of them."""
    if isinstance(node, cst.Call):
        drawn = made_in_header(outline.program, node) if outline.shows_bars else None
        if isinstance(drawn, Bar):
            return is_loader(outline, without_enumerate(outline.program, drawn.inner))
        bar = (outline.program.qualified_name(node.func) or "").startswith("tqdm.")
        plain = all(_is_plain_argument(arg) for arg in node.args[1:])
        first = node.args[0] if node.args else None
        if bar and plain and first is not None and not first.keyword and isinstance(first.value, cst.Call):
            return is_loader(outline, without_enumerate(outline.program, first.value))
        return bar and plain and first is not None and not first.keyword and is_loader(outline, first.value)
    while isinstance(node, cst.Attribute) or _is_constant_item(node):
        node = node.value  # type: ignore[attr-defined]
    return isinstance(node, cst.Name)


def _is_constant_item(node: cst.CSTNode) -> bool:
    """`loaders["val"]`"""
    index = node.slice[0].slice if isinstance(node, cst.Subscript) and len(node.slice) == 1 else None
    return isinstance(index, cst.Index) and isinstance(index.value, (cst.SimpleString, cst.Integer))


def _is_plain_argument(arg: cst.Arg) -> bool:
    constant = isinstance(arg.value, (cst.BaseNumber, cst.SimpleString))
    named = isinstance(arg.value, cst.Name) and arg.value.value in ("True", "False", "None")
    return arg.keyword is not None and (constant or named)


def call_of(outline: Outline, found: Evaluation) -> cst.Call:
    """The only call of the function that evaluates."""
    assert found.function is not None
    use = outline.program.variables[found.function.name].reads[0]
    call = outline.program.parent[use.node]
    assert isinstance(call, cst.Call)
    return call


@contextmanager
def entered(outline: Outline, found: Evaluation) -> Iterator[Sequence[cst.CSTNode]]:
    """Looks at the evaluation's function as if it had been entered; its bindings are taken back afterwards.

    Gives the lines that bind its parameters.
    """
    kept = outline.bindings.alias.copy(), outline.bindings.expression.copy()
    try:
        yield enter_function(outline, found).prelude if found.function is not None else ()
    finally:
        outline.bindings.alias, outline.bindings.expression = kept


def enter_function(outline: Outline, found: Evaluation) -> Entered:
    """Enters the function that evaluates, with its `no_grad` block, if it has one, taken apart."""
    assert found.function is not None
    lines = [*found.before, found.loop, *found.after]
    loop, call = outline.site.epoch_loop, call_of(outline, found)
    return enter(
        outline.program, found.function, call, outline.bindings, loop, True, lines=lines,
        keeps=lambda value: _is_kept(outline, value),
    )  # fmt: skip


def _is_kept(outline: Outline, value: cst.BaseExpression) -> bool:
    """Whether an argument is an attribute that only the constructor of this object sets, and no class above it."""
    held = held_by(outline, value)
    owner = class_around(outline.program, outline.site.epoch_loop)
    return held is not None and owner is not None and not owner.bases and keeps_object(outline, held)
