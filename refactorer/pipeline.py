"""One training through the stages: outline, idioms, homes, emit. The program is only read; the tree is new."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.assemble import assemble
from refactorer.emit.targets import LIGHTNING, RUNTIME
from refactorer.idioms import (
    accumulation,
    automatic,
    configure,
    decided_parameters,
    device,
    distributed,
    evaluation,
    handed_back,
    precision,
    progress,
    whole_epoch,
)
from refactorer.idioms.automatic import needless_targets
from refactorer.idioms.automatic.opaque import with_opaque
from refactorer.idioms.automatic.renewed import is_made_in_front, with_renewed
from refactorer.idioms.evaluation.moving import keep_gradients, keep_modes
from refactorer.idioms.evaluation.parts import TEST, VALIDATION, Stage
from refactorer.idioms.jumps import leave_epoch, on_lines
from refactorer.lightning import check, lazily
from refactorer.lightning.leaving import require_whole_epochs
from refactorer.lightning.optimization import take_closures
from refactorer.lightning.plan import Plan
from refactorer.options import Options
from refactorer.outline.batches import BatchSource, is_round
from refactorer.outline.build import build
from refactorer.outline.epochs import epochs_of
from refactorer.outline.functions.helpers import enter_helpers
from refactorer.outline.functions.methods import make_methods
from refactorer.outline.functions.returning import stop_instead
from refactorer.outline.objects.held import find_holdings
from refactorer.outline.objects.optimizers import Roles, find_roles, is_asked_for_parameters, is_surely_bound
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    EPOCH_START,
    STEP,
    TEST_START,
    TEST_STEP,
    VALIDATION_START,
    VALIDATION_STEP,
    Note,
    Outline,
)
from refactorer.outline.places.accumulators import accumulators
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.kept_results import keeps_more
from refactorer.outline.places.placing import Placing
from refactorer.outline.refusal import LeftOver, Refusal, Split
from refactorer.outline.training.site import Site


def convert_site(
    program: Program, site: Site, options: Options, undivided: str | None = None, copies: Sequence[str] = ()
) -> tuple[cst.Module, list[Note]]:
    """The file with one training converted, and the notes on it; `undivided` says why a step has to be one hook.

    `copies` are functions that are in the file for the evaluations only.

    Raises:
        Split: something has no sound place when the step is divided among hooks.
        Refusal: something in the training has no sound place in this view of it.
    """
    outline = build(program, site)
    outline.is_network = options.is_network
    if options.target == "lightning":
        require_whole_epochs(outline)
    if site.enters_helpers:
        enter_helpers(outline)
    make_methods(outline)
    if options.applies(progress.CODE) and options.target != "lightning":
        progress.apply(outline)
    if options.applies("N112") and options.applies("N101") and options.target != "lightning":
        precision.apply(outline, undivided)
    if options.applies("N101"):
        needless_targets.apply(outline)
    roles = find_roles(outline)
    if undivided is None and options.applies("N101") and options.target != "lightning":
        roles = with_renewed(outline, with_opaque(outline, roles))
    configuration = _apply_idioms(outline, roles, options, undivided, copies)
    outline.returning = stop_instead(outline)
    _leave_epoch(outline)
    if options.target != "lightning" and not (
        outline.adds_up or isinstance(outline.strategy, (cst.SimpleString, cst.Call))
    ):
        _reduce_sums(outline)
    keep_modes(outline, options.target == "lightning")
    keep_gradients(outline)
    decided_parameters.apply(outline)
    epochs = epochs_of(outline, configuration.moved, options.target != "lightning")
    outline.keeps_gradients = "gradients" in options.remedies
    outline.keeps_batches = "batches" in options.remedies
    if "loader" in options.remedies:
        lazily.apply(outline, configuration, "lists" in options.remedies)
    holdings = find_holdings(outline)
    try:
        homes = Placing(outline, roles, configuration, epochs, holdings).run()
    except Refusal as refusal:
        if outline.hooks.keys() & {BACKWARD, AFTER_BACKWARD, BEFORE_STEP, BATCH_END}:
            raise Split(refusal.node, refusal.message) from refusal
        raise
    homes.hold(outline, holdings)
    _hand_over_optimizers(outline, roles, configuration, homes)
    _keep_comments_of_empty_hooks(outline)
    if options.target == "lightning":
        check.refuse_traps(Plan(outline, roles, configuration, homes, epochs))
        outline.takes_closures = take_closures(program, roles)
    target = LIGHTNING if options.target == "lightning" else RUNTIME
    return assemble(outline, roles, configuration, homes, epochs, target), outline.notes


def _apply_idioms(
    outline: Outline, roles: Roles, options: Options, undivided: str | None, copies: Sequence[str]
) -> configure.Configuration:
    """Makes the literal structure nicer, each idiom where its own conditions hold."""
    whole_epoch.apply(outline, roles)
    if outline.site.moves_evaluations and options.applies("N102"):
        evaluation.apply(outline, roles, asks=options.target != "lightning")
    if not {function.name.value for function in outline.consumed if isinstance(function, cst.FunctionDef)} >= {*copies}:
        raise LeftOver(
            [
                (_function_of(outline.program, node), message)
                for code, node, message, _ in outline.notes
                if code == "N102"
            ]
        )
    outline.without_globals()
    if options.applies("N105"):
        device.apply(outline, roles, options.default_types)
    _note_gradients_elsewhere(outline)
    if options.applies("N101") and options.applies("N111") and undivided is None:
        accumulation.apply(outline, roles, lean=options.target != "lightning")
    whole_epoch.rejoin(outline, roles, undivided if options.applies("N101") else "")
    if options.applies("N101"):
        automatic.apply(outline, roles, undivided, lean=options.target != "lightning")
    else:
        automatic.keep_manual(outline)
    precision.require_automatic(outline, roles)
    configuration = configure.apply(outline, roles) if options.applies("N106") else configure.Configuration()
    distributed.keep_prints(outline)
    if options.applies("N107") and options.target != "lightning":
        distributed.apply(outline, roles)
    handed_back.apply(outline, roles, configuration)
    return configuration


def _function_of(program: Program, node: cst.CSTNode | None) -> str:
    """The name of the function that a node stands in."""
    function = program.enclosing_function(node) if node is not None else None
    return function.name.value if function is not None else ""


def _hand_over_optimizers(
    outline: Outline, roles: Roles, configuration: configure.Configuration, homes: Homes
) -> None:  # fmt: skip
    """The constructor is given the models first, and last the optimizers and schedulers that the script makes."""
    last = [*roles.optimizers, *roles.schedulers]
    if roles.held is not None:
        homes.optimizers[roles.held] = roles.held.attribute
        if roles.held.base not in homes.arguments:
            homes.arguments.append(roles.held.base)
            homes.attribute_for(roles.held.base)
    renewed = roles.renewed if roles.renewed is not None and is_made_in_front(outline, roles) else None
    handed = (*roles.optimizers, *([renewed] if renewed is not None else []), *configuration.stepped)
    for variable in handed:
        if not configuration.moved and variable not in homes.arguments:
            homes.arguments.append(variable)
            homes.attribute_for(variable)
            homes.unsure += [] if is_surely_bound(outline, variable) else [variable]

    def place(variable: Variable) -> int:
        if variable in last:
            return last.index(variable) + 1
        return -1 if variable in roles.models or is_asked_for_parameters(outline.program, variable) else 0

    homes.arguments.sort(key=place)


def _keep_comments_of_empty_hooks(outline: Outline) -> None:
    """What stood in a hook that is not written goes above its step, in front of what stood behind it."""
    steps = {VALIDATION_START: VALIDATION_STEP, TEST_START: TEST_STEP}
    for hook in [name for name in outline.footers if name != STEP and not outline.hooks.get(name)]:
        step, comments = steps.get(hook, STEP), outline.footers.pop(hook)
        early = hook in steps or hook == EPOCH_START
        above = outline.above.get(step, [])
        outline.above[step] = [*comments, *above] if early else [*above, *comments]


def _note_gradients_elsewhere(outline: Outline) -> None:
    """Gradients that functions of the script compute outside the module do not pass through the Trainer."""
    inside = {id(node) for body in outline.hooks.values() for node in walk(*body)}
    for call in outline.site.backwards:
        if id(call) not in inside:
            outline.note("N104", call, "this backward() stays outside the module: several processes will not share it",
                         "move it into the loop to train on several devices; one device needs nothing")  # fmt: skip


def _leave_epoch(outline: Outline) -> None:
    for hook in (EPOCH_START, outline.last_hook):
        body = outline.hooks.get(hook)
        if body is not None:
            outline.edit(hook, on_lines(body, leave_epoch(body, outline.mark(hook), skips=hook == EPOCH_START)))


def _reduce_sums(outline: Outline) -> None:
    """Sums that were made by hand over an evaluation are added up across processes."""
    together = outline.evaluation if not outline.validates_alone else None
    for source, stage in ((together, VALIDATION), (outline.test, TEST)):
        if source is not None and not is_round(source.loop):
            _reduce_sums_of(outline, source, stage)


def _reduce_sums_of(outline: Outline, source: BatchSource, stage: Stage) -> None:
    sums = accumulators(outline, outline.hooks[stage.start], outline.hooks[stage.step])
    if not sums or keeps_more(outline, source, (stage.start, stage.step, stage.end), sums):
        return  # each process evaluates all of the data
    reads = [cst.Arg(outline.new_name(v)) for v in sums]
    writes = [outline.new_name(v, "write") for v in sums]
    target = writes[0] if len(writes) == 1 else cst.Tuple([cst.Element(n) for n in writes], lpar=[], rpar=[])
    value = cst.Call(cst.parse_expression("self.sum_across_ranks"), reads)
    line = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])
    outline.hooks[stage.end] = [line, *outline.hooks[stage.end]]
