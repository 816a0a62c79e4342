"""A function that evaluates, and that is used elsewhere too: the evaluation of the training gets one of its own.

The copy stands at the end of the file, so that all other lines keep their places. It is there for the conversion only,
which enters it; a text in which it is left over is given up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.evaluation.decided_copies import decided
from refactorer.idioms.evaluation.midway import blocks
from refactorer.idioms.evaluation.own_methods import at_top, called_function, is_method, is_needless, with_receiver
from refactorer.idioms.evaluation.parts import is_switched, likeness
from refactorer.outline.blocks import block_lines
from refactorer.outline.training.anchors import uses_of
from refactorer.outline.training.site import Site


def with_copies(program: Program, site: Site) -> Iterator[tuple[cst.Module, dict[str, cst.FunctionDef]]]:
    """Files with copies of the functions that evaluate in and behind the training, and what the copies are of."""
    for calls in candidates(program, site, ()):
        yield renewed(program, calls, decided(program, calls))


def candidates(program: Program, site: Site, changed: Collection[cst.CSTNode]) -> Iterator[list[cst.Call]]:
    """The calls that may get functions of their own: for the epoch and behind the training, both or one alone.

    With `changed` functions, each of the calls has one of these, or one that is used elsewhere too.
    """
    if site.moves_evaluations:
        epoch, step, behind = (list(_calls(program, site, found, changed)) for found in places(program, site))
        behind = [call for call in behind if not _evaluates_again(program, site, call, [*epoch, *step])]
        epoch, step = (sorted(calls, key=lambda call: likeness(*call.args)) for calls in (epoch, step))
        calls = [*(epoch or step)[:1], *behind[:1]]
        for some in [calls, *([call] for call in calls if len(calls) > 1)]:
            if some and (not changed or any(called_function(program, call) in changed for call in some)):
                yield some


def _evaluates_again(program: Program, site: Site, call: cst.Call, others: list[cst.Call]) -> bool:
    """Whether a call behind the training does under a condition what other calls do in it: it reads better as it is."""
    at_once = program.parent[program.statement(call)] is program.parent[site.epoch_loop]
    return not at_once and any(called_function(program, other) is called_function(program, call) for other in others)


def places(program: Program, site: Site) -> list[list[list[cst.CSTNode]]]:
    """The blocks of statements of an epoch, those of a step, and those behind the training."""
    around = (site.epoch_loop, *site.functions[:-1]) if site.form != "steps" else ()
    epoch = [block for outer in around for block in blocks(block_lines(outer.body))]
    if site.functions and around:
        epoch += blocks(_lines_behind(program, site.batch_loop))
    step = list(blocks(block_lines(site.batch_loop.body)))
    return [epoch, step, list(blocks(_lines_behind(program, site.epoch_loop)))]


def _lines_behind(program: Program, line: cst.CSTNode) -> list[cst.CSTNode]:
    """The rest of the block that a statement stands in."""
    parent = program.parent[line]
    lines: list[cst.CSTNode] = list(parent.body) if isinstance(parent, (cst.Module, cst.IndentedBlock)) else [line]
    return lines[lines.index(line) + 1 :]


def renewed(
    program: Program,
    calls: list[cst.Call],
    changed: Mapping[cst.CSTNode, Edit],
    around: Mapping[cst.CSTNode, Edit] = {},
) -> tuple[cst.Module, dict[str, cst.FunctionDef]]:
    """The file with a function for each call under a new name, and what these are made of.

    `around` are edits of the code around the calls. A function in `changed` that is called once is changed where it is;
    all others get copies, changed or not, and are taken out if nothing else uses them; those of nested functions stand
    beside them. A call in `changed` has a copy of its own.
    """
    edits: dict[cst.CSTNode, Edit] = dict(around)
    copies: list[cst.CSTNode] = []
    beside: dict[cst.CSTNode, list[cst.CSTNode]] = {}
    originals: dict[str, cst.FunctionDef] = {}
    replaced: set[cst.CSTNode] = set()
    for index, call in enumerate(calls):
        function = called_function(program, call)
        assert function is not None
        name = _free(program, f"{function.name.value}_{index}_")
        new = changed.get(call, changed.get(function, function))
        assert isinstance(new, cst.FunctionDef)
        edits[call] = with_receiver(program, call, cst.Name(name))
        replaced.add(call.func)
        originals[name] = function
        if function in changed and len(uses_of(program, function)) == 1 and not is_method(program, function):
            edits[function] = new.with_changes(name=cst.Name(name))
        else:
            copy = at_top(program, function, new.deep_clone().with_changes(name=cst.Name(name)))
            places = beside.setdefault(function, []) if _is_nested(program, function) else copies
            places.append(copy)
    for function in set(originals.values()) - edits.keys():
        needless = is_needless(program, function) and all(use in replaced for use in uses_of(program, function))
        kept = [] if needless else [function.with_changes()]
        if needless or function in beside:
            edits[function] = [*kept, *beside.get(function, [])]
    module = apply(program.module, edits)
    return module.with_changes(body=[*module.body, *copies]), originals


def _is_nested(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function is defined by another one, each time that this runs: a copy does what it does beside it."""
    block = program.parent[function]
    return isinstance(block, cst.IndentedBlock) and isinstance(program.parent[block], cst.FunctionDef)


def is_left_over(text: str, names: Iterable[str]) -> bool:
    """Whether a copy is still there."""
    return any(re.search(rf"\b{name}\b", text) for name in names)


def _calls(
    program: Program, site: Site, found: Iterable[list[cst.CSTNode]], changed: Collection[cst.CSTNode]
) -> Iterator[cst.Call]:
    """Calls of functions that evaluate, and are changed, used more than once or decided, in statements of their own."""
    for block, line in ((lines, line) for lines in found for line in lines):
        for call in evaluated_in(program, site, line, is_switched(block[: block.index(line)])):
            function = called_function(program, call)
            assert function is not None
            several = len(uses_of(program, function)) > 1
            if is_method(program, function) or several or function in changed or decided(program, [call]):
                yield call


def evaluated_in(program: Program, site: Site, line: cst.CSTNode, switched: bool) -> Iterator[cst.Call]:
    """The calls in a statement of functions that evaluate, and can be copied."""
    if not isinstance(line, cst.SimpleStatementLine):
        return
    for call in walk(line):
        function = called_function(program, call) if isinstance(call, cst.Call) else None
        if function is None or function in (*site.functions, *site.helpers):
            continue
        top = is_method(program, function) or program.parent[function] is program.module
        top = top or _is_nested(program, function)
        own = any(program.contains(function, use) for use in uses_of(program, function))
        if top and not own and function.asynchronous is None and _evaluates(program, function, switched):
            assert isinstance(call, cst.Call)
            yield call


def _evaluates(program: Program, function: cst.FunctionDef, switched: bool) -> bool:
    """Whether a function seems to evaluate; `switched` says that an `eval()` stands in front of its call."""
    lines = block_lines(function.body)
    inner = [part for line in lines if isinstance(line, cst.With) for part in block_lines(line.body)]
    inner += [part for line in inner if isinstance(line, cst.With) for part in block_lines(line.body)]
    loops = any(isinstance(line, cst.For) for line in (*lines, *inner))
    parts = [function, *walk(function.body)]
    names = {program.qualified_name(node) for node in parts if isinstance(node, (cst.Name, cst.Attribute))}
    names |= {program.qualified_name(part) for d in function.decorators for part in walk(d)}
    switched = switched or any(isinstance(node, cst.Attribute) and node.attr.value == "eval" for node in parts)
    return loops and (switched or bool(names & {"torch.no_grad", "torch.inference_mode"}))


def _free(program: Program, name: str) -> str:
    taken = {variable.name for variable in program.variables.values()}
    taken |= {node.attr.value for node in program.find(cst.Attribute)}
    while name in taken:
        name += "_"
    return name
