"""What the Trainer supplies: loaders, batches and their numbers, the epoch; and the lines that unpack them."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.configure import Configuration
from refactorer.idioms.shapes import is_none
from refactorer.outline.batches import BatchSource, is_round
from refactorer.outline.control import suspensions
from refactorer.outline.epochs import Epochs
from refactorer.outline.objects.held import Holdings
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_START,
    STEP,
    TEST_DATA,
    TEST_HOOKS,
    TEST_STEP,
    TRAIN_DATA,
    VALIDATION_DATA,
    VALIDATION_STEP,
    Outline,
)
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.liveness import Liveness


class Supplying(Liveness):
    """Gives a home to the variables whose values come from the Trainer, and unpacks the batches."""

    def __init__(
        self, outline: Outline, roles: Roles, configuration: Configuration, epochs: Epochs, holdings: Holdings
    ) -> None:
        super().__init__(outline, configuration.moved)
        self.roles, self.configuration, self.epochs, self.holdings = roles, configuration, epochs, holdings
        self.homes = Homes()

    def supply(self) -> None:
        """Places the loaders and the counts, and writes the lines at the top of the steps."""
        self._supplied_loaders()
        self._unpack_again(self.outline.train)
        self._unpack(STEP, self.outline.train)
        if self.outline.evaluation is not None:
            self._unpack(VALIDATION_STEP, self.outline.evaluation)
        if self.outline.test is not None:
            self._unpack(TEST_STEP, self.outline.test)
        self._epoch_variable()

    def _supplied_loaders(self) -> None:
        written = {v for _, body in self._ordered() for v in self._flow(body).may}
        iterable = self.outline.train.iterable
        if iterable is not None and TRAIN_DATA not in self.outline.hooks:
            train = self._loader(self.outline.train, written)
            if train is not None:
                self._supply(train, "train_dataloader", in_test=False)
            elif self.site.form == "epochs":
                self.outline.hooks[TRAIN_DATA] = [cst.SimpleStatementLine([cst.Return(iterable)])]
        if self.outline.evaluation is not None and not is_round(self.outline.evaluation.loop):
            loader = self._loader(self.outline.evaluation, written)
            if loader is not None:
                self._supply(loader, "val_dataloaders", in_test=False)
            else:
                self._return(VALIDATION_DATA, self.outline.evaluation)
        if self.outline.test is not None:
            loader = self._loader(self.outline.test, written)
            if TEST_DATA in self.outline.hooks:
                self._return(TEST_DATA, self.outline.test)
            elif loader is not None:
                self._supply(loader, "test_dataloaders", in_test=True)

    def _return(self, hook: str, source: BatchSource) -> None:
        """A hook that makes the data of an evaluation returns them, unless it yields them."""
        lines = self.outline.hooks.setdefault(hook, [])
        if not suspensions(lines):
            lines.append(cst.SimpleStatementLine([cst.Return(source.iterable)]))

    def loaders_for_some_epochs(self) -> Iterator[Variable]:
        """The loader that `fit` is given for an evaluation that a hook may ask for, or never."""
        source = self.outline.evaluation if self.outline.asked is not None else None
        variable = self.outline.variable(source.iterable) if source is not None else None
        if variable is not None and VALIDATION_DATA not in self.outline.hooks:
            yield variable

    def _supply(self, loader: Variable, name: str, in_test: bool) -> None:
        """Hooks find a loader on the Trainer, if no hook mentions it that runs while the Trainer has another one."""
        other = [line for hook, body in self._ordered() if (hook in TEST_HOOKS) is not in_test for line in body]
        if not self.outline.mentions(loader, *other):
            self.homes.expression.setdefault(loader, cst.parse_expression(f"self.trainer.{name}"))

    def _loader(self, source: BatchSource, written: set[Variable]) -> Variable | None:
        variable = self.outline.variable(source.iterable) if isinstance(source.iterable, cst.Name) else None
        visible = variable is not None and variable.owner in (self.site.driver, self.module_scope)
        counted = isinstance(self.site.epoch_loop, cst.For) and self.site.form == "epochs"
        bound = {self.outline.variable(n) for n in names_in(self.site.epoch_loop.target)} if counted else set()  # type: ignore[union-attr]
        if variable is None or not visible or variable in written or variable in bound:
            return None
        asked = source is self.outline.evaluation and self.outline.asked is not None
        if self._is_global_elsewhere_written(variable) or (asked and self._is_global_under_condition(variable)):
            return None
        return variable

    def _is_global_elsewhere_written(self, variable: Variable) -> bool:
        return any(seen.scope is not variable.owner for seen in variable.writes)

    def _is_global_under_condition(self, variable: Variable) -> bool:
        """Whether a global variable that a function knows may have no value when it begins to train."""
        if variable.owner is self.site.driver:
            return False  # where it is known how the line is reached
        places = ([*self.program.ancestors(seen.node)] for seen in variable.writes)
        return not any(all(_is_reached(outer) for outer in around) for around in places)

    def _unpack(self, hook: str, source: BatchSource) -> None:
        """Lines at the top of a step that bind what the loop bound."""
        lines: list[cst.CSTNode] = []
        self.homes.batch_name[hook] = "batch"
        if source.index is not None and not self._supplies_index(hook, source) and self._is_index_read(source):
            start = f"batch_idx + {source.start}" if source.start else "batch_idx"
            lines.append(assign(source.index, cst.parse_expression(start)))
        if source.target is None:
            return
        if isinstance(source.target, cst.Name):
            self.homes.batch_name[hook] = source.target.value
        lines.append(assign(source.target, cst.Name(self.homes.batch_name[hook])))
        self.outline.hooks[hook] = [*lines, *self.outline.hooks[hook]]

    def _unpack_again(self, source: BatchSource) -> None:
        """The code behind the step gets the batch too; where that is not known to mean the same, attributes keep it."""
        body = self.outline.hooks.get(BATCH_END, [])
        bound = {self.outline.variable(name) for name in names_in(source.target)}
        self.homes.batch_name[BATCH_END] = "batch"
        if source.target is None or not any(variable in bound for _, variable in self.outline.uses(*body)):
            return
        lines = (*self.outline.hooks[STEP], *self.outline.lines(AFTER_BACKWARD, BEFORE_STEP), *body)
        if any(variable in bound and self.outline.is_write(node) for node, variable in self.outline.uses(*lines)):
            return
        if bound & self._read_behind_asked:
            return
        if isinstance(source.target, cst.Name):
            self.homes.batch_name[BATCH_END] = source.target.value
        elif not self._is_collated(source):
            return
        line = assign(source.target, cst.Name(self.homes.batch_name[BATCH_END]))
        self.outline.hooks[BATCH_END] = [line, *body]

    def _is_collated(self, source: BatchSource) -> bool:
        """Whether the batches come from a DataLoader that makes sequences: these can be taken apart twice."""
        made = self.program.assigned_value(self.outline.variable(source.iterable))
        if not isinstance(made, cst.Call) or self.program.qualified_name(made.func) != "torch.utils.data.DataLoader":
            return False
        plain = all(not arg.star and (arg.keyword is not None or i < 3) for i, arg in enumerate(made.args))
        own = ("collate_fn", "batch_size") if any(is_none(arg.value) for arg in made.args) else ("collate_fn",)
        return plain and not any(arg.keyword is not None and arg.keyword.value in own for arg in made.args)

    def _supplies_index(self, hook: str, source: BatchSource) -> bool:
        variable = self.outline.variable(source.index) if source.index is not None else None
        assert variable is not None
        outline = self.outline
        sources = {
            STEP: outline.train,
            BATCH_END: outline.train,
            VALIDATION_STEP: outline.evaluation,
            TEST_STEP: outline.test,
        }
        alike = {h: s for h, s in sources.items() if s is not None and self.outline.variable(s.index) is variable}
        if any(other.start != source.start for other in alike.values()):
            return False  # the name has one meaning in all hooks
        sees = {hook, *alike}
        elsewhere = any(self.outline.mentions(variable, *body) for h, body in self._ordered() if h not in sees)
        writes = [v for v in variable.writes if v.node is not source.index]
        if variable in self._read_behind_asked and len(alike) > 1:
            return False
        if elsewhere or any(self.program.contains(source.loop, seen.node) for seen in writes):
            return False
        if any(v is variable for v in self.read_behind_training()):
            return False
        if self._shared(variable) or self._captured(variable):
            return False
        text = f"batch_idx + {source.start}" if source.start else "batch_idx"
        self.homes.expression[variable] = cst.parse_expression(text)
        return True

    def _is_index_read(self, source: BatchSource) -> bool:
        """Whether anything reads the number of a batch, and not only what other loops bind to the same name."""
        variable = self.outline.variable(source.index)
        if variable is None or any(variable in self._flow(body).early for _, body in self._ordered()):
            return True
        behind = variable in self._read_behind_asked or variable in self.read_behind_training()
        return behind or self._shared(variable) or self._captured(variable)

    def _epoch_variable(self) -> None:
        loop = self.site.epoch_loop
        if self.epochs.told is not None:
            self.homes.expression[self.epochs.told] = self.epochs.current
        if self.site.form == "steps" or isinstance(loop, cst.While):
            return
        target = loop.target
        variables = [v for name in names_in(target) if (v := self.outline.variable(name)) is not None]
        if len(variables) == 1 and isinstance(target, cst.Name) and not self.epochs.is_computed:
            variable = variables[0]
            written = any(variable in self._flow(body).may for _, body in self._ordered())
            tested = any(self.outline.mentions(variable, *body) for h, body in self._ordered() if h in TEST_HOOKS)
            kept = self._shared(variable) or self._captured(variable) or tested
            if not written and variable not in self.read_behind_training() and not kept:
                self.homes.expression[variable] = self.epochs.current
                return
        line = assign(target, self.epochs.current)
        self.outline.hooks[EPOCH_START] = [line, *self.outline.hooks.get(EPOCH_START, [])]


def assign(target: cst.BaseExpression, value: cst.BaseExpression) -> cst.SimpleStatementLine:
    """The line `target = value`; the target keeps its identity, and so its variables."""
    if isinstance(target, cst.Tuple) and "\n" not in cst.Module([]).code_for_node(target):
        target = target.with_changes(lpar=(), rpar=())
    return cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])  # type: ignore[arg-type]


def _is_reached(outer: cst.CSTNode) -> bool:
    """Whether what stands around a line of the module lets every run of the script through."""
    if isinstance(outer, cst.If):
        return any(isinstance(node, cst.Name) and node.value == "__name__" for node in walk(outer.test))
    return not isinstance(outer, (cst.Try, cst.TryStar, cst.For, cst.While, cst.FunctionDef, cst.ClassDef))
