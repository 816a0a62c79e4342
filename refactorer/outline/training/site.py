"""Finding the training: the loop that the Trainer replaces, the loop over the batches, and the call between them.

A training can often be seen in more than one way. `candidates` lists the ways, the best structure first and the most
literal one last; the first that can be placed soundly is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Scope, Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.outline.control import suspensions
from refactorer.outline.functions.known_methods import is_known_method, is_own_method
from refactorer.outline.objects.torch_names import names_optimizer, names_scaler
from refactorer.outline.refusal import PlainerView, Refusal
from refactorer.outline.training.anchors import (
    Anchor,
    Loop,
    anchors,
    loops_around,
    only_call_of,
    uses_of,
)
from refactorer.outline.training.apart import why_apart
from refactorer.outline.training.renewal import starts_anew

OTHER_TRAINERS = (
    "accelerate", "lightning", "pytorch_lightning", "lightning_fabric", "deepspeed", "horovod", "ignite",
    "transformers.Trainer", "colossalai",
)  # fmt: skip
_DATA_WORDS = ("loader", "data", "batch", "train_set", "trainset", "training_set")
Form = Literal["epochs", "whole", "steps"]


@dataclass(frozen=True)
class Entrance:
    """A function that is entered, and its only call."""

    function: cst.FunctionDef
    call: cst.Call


@dataclass(frozen=True)
class Site:
    """One training. The Trainer replaces `epoch_loop`; `helpers` compute gradients on behalf of the step.

    `form` says what an iteration is: "epochs", `batch_loop` runs inside each one; "whole", an epoch of one batch;
    "steps", a batch of the only epoch. In the last two forms both loops are the same node. `entrances` lead from the
    one loop to the other, the function that `batch_loop` stands in last; there are none when it stands inline.
    `wrapper` is a progress bar between the two loops. `moves_evaluations` says that evaluations may become loops of the
    Trainer. `apart` is why the function around the loop is not entered from the loop over the epochs that calls it, if
    there is one.
    """

    epoch_loop: Loop
    batch_loop: Loop
    driver: Scope
    form: Form
    backwards: tuple[cst.Call, ...]
    helpers: tuple[cst.FunctionDef, ...] = ()
    entrances: tuple[Entrance, ...] = ()
    enters_helpers: bool = True
    wrapper: cst.With | None = None
    moves_evaluations: bool = True
    apart: PlainerView | None = None

    @property
    def functions(self) -> tuple[cst.FunctionDef, ...]:
        """The functions that are entered, the outermost first."""
        return tuple(entrance.function for entrance in self.entrances)

    @property
    def iterable(self) -> cst.BaseExpression | None:
        """What the replaced loop iterates over, which the driver evaluates; None for a `while`."""
        return self.epoch_loop.iter if isinstance(self.epoch_loop, cst.For) else None


def candidates(program: Program, begun: bool = False) -> list[Site]:
    """The ways to see the first training of the file, the best one first; none when there is nothing to convert.

    `begun` says that this conversion has already written a training, with the imports that it needs.

    Raises:
        Refusal: there is a training, but another tool runs it, or its loop yields.
    """
    found = anchors(program)
    if not found or not uses_torch(program):
        return []
    if not begun:
        _refuse_other_tools(program)
    group = [anchor for anchor in found if anchor.loops[0] is found[0].loops[0]]
    _refuse_suspended(group[0])
    return _Views(program, group).sites()


def uses_torch(program: Program) -> bool:
    """Whether a file imports from torch, as far as its imports tell."""
    return bool(program.star_imports) or any(full.split(".")[0] == "torch" for full in program.imports.values())


def is_step(call: cst.Call) -> bool:
    """Whether a call may be that of an optimizer's `step`."""
    return isinstance(call.func, cst.Attribute) and call.func.attr.value == "step"


def trains_otherwise(program: Program) -> tuple[cst.CSTNode, str] | None:
    """An import of a tool that trains, with its name; None where there is none."""
    for name, full in program.imports.items():
        if full.split(".")[0] in OTHER_TRAINERS or full.startswith(tuple(t for t in OTHER_TRAINERS if "." in t)):
            return name, full.split(".")[0]
    return None


def _refuse_other_tools(program: Program) -> None:
    found = trains_otherwise(program)
    if found is not None:
        raise Refusal(
            "R110", found[0], f"the script already trains with the help of {found[1]}",
            "only hand-written PyTorch loops are converted",
        )  # fmt: skip


def _refuse_suspended(anchor: Anchor) -> None:
    function, loop = anchor.function, anchor.loops[0]
    held = suspensions(function.body.body) if function is not None else []
    coroutine = function is not None and function.asynchronous is not None
    asynchronous = isinstance(loop, cst.For) and loop.asynchronous is not None
    if function is not None and (held or coroutine or asynchronous):
        raise Refusal(
            "R303", held[0] if held else loop, f"{function.name.value}() is a generator or a coroutine",
            "let the function run its loop to the end without yielding",
        )  # fmt: skip


class _Views:
    """The ways to see one training: its gradients all lie in one outermost loop of one function."""

    def __init__(self, program: Program, group: list[Anchor]) -> None:
        self.program, self.group = program, group
        self.function = group[0].function
        self.backwards = tuple(dict.fromkeys(anchor.backward for anchor in group))
        self.helpers = tuple(dict.fromkeys(helper for anchor in group for helper in anchor.helpers))
        self.nest = self._nest()

    def sites(self) -> list[Site]:
        entered = self._entered(self.nest[0]) if len(self.nest) == 1 else []
        apart = self._apart(self.nest[0]) if not entered and len(self.nest) == 1 else None
        found = entered or [*self._of_callers(), *self._nested()]
        again = [site for site in found if self._starts_anew(site)]
        found = [site for site in found if site not in again]
        rest = [self.nest[-1], *self.nest[:-1]]
        found += [replace(site, apart=apart) for loop in rest for site in self._alone(loop)]
        found += again
        if self.helpers:
            found = [replace(site, enters_helpers=enters) for site in found for enters in (True, False)]
        if self._evaluates():
            found = [replace(site, moves_evaluations=moves) for site in found for moves in (True, False)]
        return found

    def _starts_anew(self, site: Site) -> bool:
        """Whether an iteration of the replaced loop is a whole training of its own."""
        works_for_loop = site.batch_loop is site.epoch_loop
        own = (self.function,) if works_for_loop and self.function is not None else ()
        outer = [site.epoch_loop, *site.functions, *own]
        return starts_anew(self.program, outer, self.nest[0] if works_for_loop else site.batch_loop, self.helpers)

    def _evaluates(self) -> bool:
        """Whether the file looks like one with an evaluation, which is left where it is in the plainer views."""
        names = {node.attr.value for node in self.program.find(cst.Attribute)}
        names |= {node.value for node in self.program.find(cst.Name)}
        return bool(names & {"eval", "no_grad", "inference_mode"})

    def _nest(self) -> list[Loop]:
        """The loops around every gradient and every optimizer step of the training, outermost first."""
        loops = [anchor.loops for anchor in self.group]
        outer = loops[0][0]
        for call in self.program.calls:
            if self._steps_optimizer(call) and self.program.contains(outer, call):
                around = loops_around(self.program, call)
                if around and around[0] is outer:
                    loops.append(around)
        shared: list[Loop] = []
        for level in zip(*loops):
            if any(loop is not level[0] for loop in level):
                break
            shared.append(level[0])
        return shared

    def _steps_optimizer(self, call: cst.Call) -> bool:
        if not is_step(call):
            return False
        receiver = self.program.variables.get(call.func.value)  # type: ignore[attr-defined]
        made = self.program.assigned_value(receiver)
        name = self.program.qualified_name(made.func) if isinstance(made, cst.Call) else None
        return names_optimizer(name) or names_scaler(name) or receiver in self._cleared

    @cached_property
    def _cleared(self) -> set[Variable]:
        """Variables whose gradients are cleared: optimizers that functions of the script or of other files make."""
        found = set()
        for call in self.program.calls:
            if isinstance(call.func, cst.Attribute) and call.func.attr.value == "zero_grad":
                variable = self.program.variables.get(call.func.value)
                found |= {variable} if variable is not None else set()
        return found

    def _of_callers(self) -> list[Site]:
        """The loop that calls a function again and again for a few steps each, as an agent's `update()`.

        A Trainer for each of these calls would cost more than the steps; the function works on behalf of the loop.
        """
        function = self.function
        if function is None or (any(_names(loop, *_DATA_WORDS) for loop in self.nest) and not self._steps_behind()):
            return []
        uses = uses_of(self.program, function)
        loops = {loops_around(self.program, use)[:1] for use in uses}
        if len(loops) != 1 or not all(loops):
            return []
        outer = loops.pop()[0]
        if any(self._is_of_item(outer, use) for use in uses):
            return []
        around = self.program.enclosing_function(outer)
        if around is not None and (around.asynchronous or suspensions(around.body.body)):
            return []
        helpers = (function, *self.helpers)
        driver = self.program.scope_of(outer)
        form: Form = "whole" if _counts_epochs(self.program, outer) else "steps"
        return [Site(outer, outer, driver, form, self.backwards, helpers)]

    def _is_of_item(self, loop: Loop, use: cst.CSTNode) -> bool:
        """Whether a method of what a loop goes through is used: `for layer in layers: layer.fit()` trains each."""
        if not isinstance(use, cst.Attribute) or not isinstance(loop, cst.For):
            return False
        items = {self.program.variables.get(node) for node in names_in(loop.target)}
        return self.program.variables.get(use.value) in items - {None}

    def _steps_behind(self) -> bool:
        """Whether the function steps an optimizer once, behind loops that only compute gradients."""
        calls = [call for call in self.program.calls if is_step(call) and not call.args]
        inside = any(self.program.contains(self.nest[0], call) for call in calls)
        return not inside and any(self.program.enclosing_function(call) is self.function for call in calls)

    def _site(self, outer: Loop, inner: Loop, form: Form, entrances: tuple[Entrance, ...] = ()) -> Site:
        driver = self.program.scope_of(outer)
        return Site(outer, inner, driver, form, self.backwards, self.helpers, entrances)

    def _alone(self, loop: Loop) -> list[Site]:
        """The loop by itself. An `else` branch then stands behind it."""
        return [self._site(loop, loop, "whole" if _counts_epochs(self.program, loop) else "steps")]

    def _nested(self) -> list[Site]:
        """Pairs of loops, one directly inside the other: the likeliest batches first."""
        ranked = sorted(zip(self.nest, self.nest[1:]), key=lambda pair: -_likeness(*pair))
        found = []
        for outer, inner in ranked:
            wrapper = progress_bar(self.program, inner)
            if self.program.parent[wrapper or inner] is outer.body and inner.orelse is None:
                found.append(replace(self._site(outer, inner, "epochs"), wrapper=wrapper))
        return found

    def _entered(self, loop: Loop) -> list[Site]:
        """The function that holds the loop, entered through its only call from a loop elsewhere."""
        program, function = self.program, self.function
        wrapper = progress_bar(program, loop)
        if function is None or program.parent[wrapper or loop] is not function.body or loop.orelse is not None:
            return []
        entrances = self._entrances(function)
        around = loops_around(program, entrances[0].call) if entrances else ()
        if not around or not all(self._enters(around[-1], loop, entrance) for entrance in entrances):
            return []
        return [replace(self._site(around[-1], loop, "epochs", tuple(entrances)), wrapper=wrapper)]

    def _entrances(self, function: cst.FunctionDef) -> list[Entrance]:
        """The way from a loop to a function, through functions that only call each other; else nothing."""
        found: list[Entrance] = []
        inner: cst.FunctionDef | None = function
        while inner is not None and not any(entrance.function is inner for entrance in found):
            call = only_call_of(self.program, inner)
            if call is None:
                return []
            found.insert(0, Entrance(inner, call))
            if loops_around(self.program, call):
                return found
            inner = self.program.enclosing_function(call)
        return []

    def _enters(self, outer: Loop, inner: Loop, entrance: Entrance) -> bool:
        """Whether a call is a line of its own in a loop or a function, and surely runs the function of the file."""
        program, call = self.program, entrance.call
        statement, caller = program.statement(call), program.enclosing_function(call)
        around = loops_around(program, call)
        body = around[-1].body if around else caller.body if caller is not None else None
        if not isinstance(statement, cst.SimpleStatementLine) or program.parent[statement] is not body:
            return False
        if caller is not None and (caller.asynchronous or suspensions(caller.body.body)):
            return False
        method = isinstance(call.func, cst.Attribute)
        return not method or self._enters_method(outer, inner, call, entrance.function)

    def _apart(self, loop: Loop) -> PlainerView | None:
        """Why the function that holds the loop is not entered, where a loop that looks like epochs leads to it."""
        if self.function is None:
            return None
        return why_apart(self.program, self.function, loop, lambda outer: bool(_likeness(outer, loop)))

    def _enters_method(self, outer: Loop, inner: Loop, call: cst.Call, function: cst.FunctionDef) -> bool:
        """Whether a call surely runs a method of the file; one of another object has to look like an epoch."""
        if is_own_method(self.program, call, function):
            return True
        epochs = bool(_likeness(outer, inner)) and not self._steps_behind()
        return epochs and is_known_method(self.program, call, function)


def progress_bar(program: Program, loop: Loop) -> cst.With | None:
    """The `with tqdm(...) as bar:` that a loop stands in, if any."""
    wrapper = program.parent.get(program.parent[loop])
    if not isinstance(wrapper, cst.With) or len(wrapper.items) != 1:
        return None
    item = wrapper.items[0]
    is_bar = isinstance(item.item, cst.Call) and makes_bar(program, item.item)
    return wrapper if is_bar and item.asname is not None and isinstance(item.asname.name, cst.Name) else None


def _counts_epochs(program: Program, loop: Loop) -> bool:
    """Whether a loop that trains on everything at once counts epochs: by the names in its header."""
    if not isinstance(loop, cst.For) or not isinstance(loop.target, cst.Name):
        return False
    named = program.assigned_value(program.variables.get(loop.iter)) if isinstance(loop.iter, cst.Name) else None
    call = loop.iter if named is None else named
    in_bar = isinstance(call, cst.Call) and makes_bar(program, call)
    if in_bar and call.args and not call.args[0].star:  # type: ignore[attr-defined]
        inner = call.args[0].value  # type: ignore[attr-defined]
        counted = isinstance(inner, cst.Call) and program.qualified_name(inner.func) == "builtins.range"
        is_range = counted or (program.qualified_name(call.func) or "").endswith("range")  # type: ignore[attr-defined]
    else:
        is_range = (
            named is None and isinstance(call, cst.Call) and program.qualified_name(call.func) == "builtins.range"
        )
    return is_range and (_names(loop, "epoch") or any("epoch" in name for name in _words(call)))


def makes_bar(program: Program, call: cst.Call) -> bool:
    """Whether a call makes a progress bar of tqdm."""
    return (program.qualified_name(call.func) or "").startswith("tqdm.")


def _likeness(outer: Loop, inner: Loop) -> int:
    """How much a pair of loops looks like epochs and batches; it only decides which sound form is tried first."""
    return 2 * int(_names(outer, "epoch")) + int(_names(inner, *_DATA_WORDS))


def _names(loop: Loop, *words: str) -> bool:
    if not isinstance(loop, cst.For):
        return False
    names = [name for part in (loop.target, loop.iter) for name in _words(part)]
    return any(word in name for name in names for word in words)


def _words(node: cst.BaseExpression) -> list[str]:
    """The names and attributes in an expression."""
    found = [n.value.lower() for n in walk(node) if isinstance(n, cst.Name)]
    return found + [n.attr.value.lower() for n in walk(node) if isinstance(n, cst.Attribute)]
