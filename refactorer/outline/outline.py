"""The literal structure: which statements each hook runs, in the order in which the script ran them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Access, Occurrence, Variable
from refactorer.analysis.walk import children
from refactorer.emit.edits import Edit, apply
from refactorer.emit.reserved import RESERVED
from refactorer.outline.batches import BatchSource
from refactorer.outline.blocks import is_pass
from refactorer.outline.comments import comments_of, with_comments
from refactorer.outline.control import suspensions
from refactorer.outline.functions.inline import Bindings
from refactorer.outline.training.site import Site

if TYPE_CHECKING:
    from refactorer.outline.objects.optimizers import Held

EPOCHS, TRAIN_DATA = "epochs", "train_dataloader"
EPOCH_START, STEP, EPOCH_END = "on_train_epoch_start", "training_step", "on_train_epoch_end"
ZERO_GRAD, BACKWARD, AFTER_BACKWARD = "optimizer_zero_grad", "backward", "on_after_backward"
BEFORE_STEP, BATCH_END = "on_before_optimizer_step", "on_train_batch_end"
VALIDATION_START, VALIDATION_STEP = "on_validation_epoch_start", "validation_step"
VALIDATION_END, VALIDATION_DATA = "on_validation_epoch_end", "val_dataloader"
TEST_START, TEST_STEP, TEST_END = "on_test_epoch_start", "test_step", "on_test_epoch_end"
TEST_DATA = "test_dataloader"
VALIDATION_HOOKS = (VALIDATION_START, VALIDATION_STEP, VALIDATION_END)
TEST_HOOKS = (TEST_DATA, TEST_START, TEST_STEP, TEST_END)
HOOK_ORDER = (
    EPOCH_START, ZERO_GRAD, STEP, BACKWARD, AFTER_BACKWARD, BEFORE_STEP, BATCH_END, VALIDATION_DATA,
    VALIDATION_START, VALIDATION_STEP, VALIDATION_END, EPOCH_END, *TEST_HOOKS,
)  # fmt: skip


Note = tuple[str, cst.CSTNode | None, str, str]
"""A remark on a conversion: code, place, message and hint."""


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

    `hooks` holds the statements of each method; `methods` says which of them are functions of the script, `parameter`
    what a hook calls the parameter that it gets from the Trainer beside the batch, `openings` are the lines at the top
    of `on_train_batch_end` that the script does not have.
    `models_unknown` says that the making of an optimizer is out of sight, so that any object may hold its parameters.
    `keeps_gradients` says that Lightning's Trainer may clear no gradients on its own account,
    `keeps_batches` that it hands on each batch as it is,
    `takes_closures` that it may step each optimizer with a closure that does nothing.
    `plain_steps` says that the Trainer may not give the optimizer a closure: the script gives none.
    `moves_batches` says that the steps move their batches themselves, in parts, `stays_in_place` that networks of the
    script are in several places, where the Trainer has to leave them.
    `shows_bars` says that the Trainer draws the progress bars of the script, where it can; `counted` is what the loop
    over the epochs iterates over without its bar.
    `prints_everywhere` says that every process prints what the script makes it print, `adds_up` that the script may add
    up its sums across processes when the Trainer would too. `strategy` is the Trainer's, where it makes what the script
    made for several processes, and `wrapped` what it wraps, if an object holds that; `driver_edits` change lines of the
    driver then, and `imports` are lines that new code needs.
    `is_network` says whether a name from another file is surely that of a class of networks.
    `asked` is the call by which the step asks for the evaluation, where it does not stand at the end of the epoch.
    `consumed` are the functions and lines that the module takes over; `test_line` is the one of the driver behind the
    training that `test` was, and `dropped` are lines of the driver that the Trainer makes needless.
    `with_gradients` names the steps of evaluations that run with gradients, and `decorators` what they are wrapped in.
    `own_modes` names the stages in which the script switches modes itself; `automatic_modes` says that the Trainer does
    in others, `switched` holds what it stands for.
    `settings` are further arguments of the Trainer; `cleared` are lines outside the step that clear gradients, which
    these settings make needless, `stepping` is what is left of the condition for the optimizer's step, and `closing`
    are the lines in front of that step that need this condition too; `clears_itself` says that lines under it clear the
    gradients, as the script did, `clears_late` that the Trainer clears them just in front of the backward pass.
    `scaler` is the `GradScaler` that the Trainer was given, `scaled` are lines that stood in front of its `unscale_()`.
    Lines in front of the place `reflection` (in the order of the text) stay, since something looks at their variables.
    """

    program: Program
    site: Site
    bindings: Bindings
    hooks: dict[str, list[cst.CSTNode]]
    train: BatchSource
    evaluation: BatchSource | None = None
    asked: cst.Call | None = None
    test: BatchSource | None = None
    test_line: cst.CSTNode | None = None
    dropped: list[cst.CSTNode] = field(default_factory=list)
    with_gradients: list[str] = field(default_factory=list)
    decorators: dict[str, str] = field(default_factory=dict)
    own_modes: list[str] = field(default_factory=list)
    switched: dict[str, list[cst.CSTNode]] = field(default_factory=dict)
    automatic_modes: bool = True
    consumed: list[cst.CSTNode] = field(default_factory=list)
    device: cst.BaseExpression | None = None
    automatic: bool = False
    keeps_gradients: bool = False
    keeps_batches: bool = False
    takes_closures: bool = True
    plain_steps: bool = False
    moves_batches: bool = False
    stays_in_place: bool = False
    prints_everywhere: bool = False
    shows_bars: bool = False
    counted: cst.BaseExpression | None = None
    adds_up: bool = False
    strategy: cst.BaseExpression | None = None
    wrapped: Held | None = None
    driver_edits: dict[cst.CSTNode, Edit] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    settings: dict[str, cst.BaseExpression] = field(default_factory=dict)
    cleared: list[cst.CSTNode] = field(default_factory=list)
    stepping: list[cst.If] = field(default_factory=list)
    closing: list[cst.CSTNode] = field(default_factory=list)
    clears_itself: bool = False
    clears_late: bool = False
    scaler: Variable | None = None
    scaled: list[cst.CSTNode] = field(default_factory=list)
    parameter: dict[str, str] = field(default_factory=dict)
    openings: list[cst.CSTNode] = field(default_factory=list)
    always: list[cst.CSTNode] = field(default_factory=list)
    methods: dict[str, cst.FunctionDef] = field(default_factory=dict)
    returning: Returning | None = None
    left_early: str | None = None
    is_network: Callable[[str], bool] = lambda name: False
    models_unknown: bool = False
    reflection: int = -1
    docstrings: dict[str, cst.CSTNode] = field(default_factory=dict)
    above: dict[str, list[cst.EmptyLine]] = field(default_factory=dict)
    footers: dict[str, list[cst.EmptyLine]] = field(default_factory=dict)

    @property
    def accumulates(self) -> bool:
        """Whether the Trainer steps the optimizer behind several batches."""
        return "accumulate_grad_batches" in self.settings

    @property
    def fetches_lazily(self) -> bool:
        """Whether a generator of the module hands the batches to Lightning's Trainer, each when it is wanted."""
        return "limit_train_batches" in self.settings

    @property
    def validates_alone(self) -> bool:
        """Whether one process evaluates by itself where a hook asks for the evaluation."""
        return self.asked is not None and bool(self.asked.args)

    @property
    def last_hook(self) -> str:
        """The hook that ends an epoch, as long as the idioms have not divided it."""
        return VALIDATION_END if self.evaluation is not None and self.asked is None else EPOCH_END

    @property
    def order(self) -> list[str]:
        """The hooks of the epochs and the test as they run; a generator begins when the first batch is fetched."""
        order = list(HOOK_ORDER)
        for data, step in ((VALIDATION_DATA, VALIDATION_STEP), (TEST_DATA, TEST_STEP)):
            if suspensions(self.hooks.get(data, [])):
                order.remove(data)
                order.insert(order.index(step), data)
        return order

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
        return self.program.access(node) != "read"

    def mentions(self, variable: Variable, *statements: cst.CSTNode) -> bool:
        return any(used is variable for _, used in self.uses(*statements))

    def lines(self, *hooks: str) -> list[cst.CSTNode]:
        """The statements of some hooks."""
        return [line for hook in hooks for line in self.hooks.get(hook, [])]

    def mark(self, hook: str) -> str | None:
        """The attribute that a `break` in a hook sets, where the replaced loop has an `else` that it skips."""
        return self.left_early if hook not in (STEP, BATCH_END) or self.site.form != "epochs" else None

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
        lines: list[cst.CSTNode] = []
        waiting: list[cst.EmptyLine] = []
        for line in block.body:
            if is_pass(line):
                waiting += comments_of(line)
            else:
                lines.append(with_comments(line, waiting) if waiting else line)
                waiting = []
        self.footers.setdefault(hook, []).extend(waiting)
        self.hooks[hook] = lines

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


def _own_declarations(nodes: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """The nodes of a hook, those of nested functions and classes aside."""
    for node in nodes:
        yield node
        if not isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield from _own_declarations(children(node))
