"""Functions that train or evaluate, as an argument says, divided into one for each.

    for epoch in range(10):
        run_epoch(train_loader, True)  # train_epoch(train_loader)
        run_epoch(val_loader, False)  # validate_epoch(val_loader)

Each part is a copy in which the conditions on the argument are decided. It does the same as the function does for that
argument, so a file with its functions divided is converted like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import libcst as cst
from libcst import matchers

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.idioms.dividing.deciding import Decision, decisions, learning
from refactorer.idioms.dividing.learning import body_for, computes_gradients, keeps_its_names
from refactorer.idioms.dividing.merged import merged
from refactorer.idioms.dividing.names import evaluating_name, free, is_of_result, training_name
from refactorer.idioms.dividing.settled import assignments, settled
from refactorer.idioms.evaluation.own_methods import is_method
from refactorer.outline.blocks import block_lines
from refactorer.outline.functions.arguments import is_constant
from refactorer.outline.training.anchors import loops_around, uses_of
from refactorer.outline.training.known_values import UNKNOWN
from refactorer.outline.training.phases import written_out
from refactorer.outline.training.specialise import CannotSpecialise

_MOST = 8
Item = TypeVar("Item", bound=cst.CSTNode)


@dataclass(frozen=True)
class Divided:
    """The text of a file with such functions divided, and the name of the function that each part comes from.

    `loops` says that one of them has a loop in which it trains or evaluates.
    """

    text: str
    parts: dict[str, str]
    loops: bool


def divided(program: Program) -> Divided | None:
    """The file with such functions divided; None if it has none, or none that can be."""
    parts: dict[str, str] = {}
    done: cst.Module | None = None
    program = _in_phases(program)
    loops = False
    for _ in range(_MOST):
        found = next((new for decision in decisions(program) for new in [_divide(program, decision)] if new), None)
        if found is None:
            break
        done, names, of, loop = found
        loops = loops or loop
        parts |= {name: parts.get(of, of) for name in names}
        program = Program(cst.parse_module(done.code))
    if done is None:
        return None
    done, taken = merged(done, parts)
    return Divided(done.code, {taken.get(name, name): of for name, of in parts.items()}, loops)


def _in_phases(program: Program) -> Program:
    """The file with `for phase in ['train', 'val']: run(phase)` written out, if that leads to functions to divide."""
    uses = [use for function in learning(program) for use in uses_of(program, function)]
    loops = dict.fromkeys(loop for use in uses for loop in loops_around(program, use) if isinstance(loop, cst.For))
    text = written_out(program, loops, lambda lines: computes_gradients(program, lines)) if loops else None
    other = Program(cst.parse_module(text)) if text is not None else program
    return other if decisions(other) else program


def _divide(program: Program, decision: Decision) -> tuple[cst.Module, list[str], str, bool] | None:
    """The file with a function divided, the names of its parts, its own, and whether it has a loop; None if not."""
    function = decision.function
    edits: dict[cst.CSTNode, Edit] = {}
    parts: list[cst.FunctionDef] = []
    try:
        bodies = {key: _body(program, decision, key) for key in decision.calls}
    except CannotSpecialise:
        return None
    learning = [key for key in bodies if computes_gradients(program, bodies[key])]
    names = _names(program, decision, learning)
    for key in (*learning, *(key for key in bodies if key not in learning)):
        needless = _needless(program, decision, key, bodies[key])
        part = function.with_changes(
            name=cst.Name(names[key]),
            params=_without_parameters(function.params, needless),
            body=_block(function.body, bodies[key]) if key is not UNKNOWN else function.body,
            leading_lines=_leading(program, function) if parts or decision.others else function.leading_lines,
        )
        if not keeps_its_names(function, part):
            return None
        parts.append(part)
        for call in decision.calls[key]:
            new = _call(function, call, names[key], needless)
            if _comments(call) - _comments(new):
                return None
            edits[call] = new
    kept = [function] if decision.others else []
    if _comments(function) - sum((_comments(part) for part in (*kept, *parts)), Counter()):
        return None
    edits[function] = [*kept, *parts]
    done = _tidy(apply(program.module, edits), [*names.values()], assignments(program, function))
    return done, [*names.values()], function.name.value, _has_loop(program, function)


def _tidy(module: cst.Module, names: Sequence[str], before: set[tuple[str, str]]) -> cst.Module:
    """The file with the parts as one would write them, which have no more use for some variables."""
    for name in names:
        for _ in range(_MOST):
            program = Program(cst.parse_module(module.code))
            part = next(node for node in program.find(cst.FunctionDef) if node.name.value == name)
            new = settled(program, part, before)
            if new is part:
                break
            module = apply(program.module, {part: new})
    return module


def _body(program: Program, decision: Decision, key: object) -> list[cst.CSTNode]:
    if key is UNKNOWN:
        return block_lines(decision.function.body)
    variable = program.variables[decision.parameter.name]
    return body_for(program, decision.function, {variable: decision.values[key]}, decision.calls[key])


def _block(old: cst.BaseSuite, lines: Sequence[cst.CSTNode]) -> cst.BaseSuite:
    body = list(lines) or [cst.SimpleStatementLine([cst.Pass()])]
    if isinstance(old, cst.IndentedBlock):
        return old.with_changes(body=body)
    return cst.IndentedBlock(body)  # type: ignore[arg-type]


def _leading(program: Program, function: cst.FunctionDef) -> list[cst.EmptyLine]:
    """The blank lines above a further function."""
    top = program.parent[function] is program.module
    return [cst.EmptyLine(indent=False) for _ in range(2 if top else 1)]


def _comments(node: cst.CSTNode) -> Counter[str]:
    found = (comment.value for comment in matchers.findall(node, matchers.Comment()))  # type: ignore[attr-defined]
    return Counter(dict.fromkeys(found, 1))


def _names(program: Program, decision: Decision, learning: Sequence[object]) -> dict[object, str]:
    """A name for each part."""
    own = decision.function.name.value
    taken = {variable.name for variable in program.variables.values()}
    if is_method(program, decision.function):
        taken |= {node.attr.value for node in program.find(cst.Attribute)}
    taken -= set() if decision.others else {own}
    names: dict[object, str] = {}
    for key in (*learning, *(key for key in decision.calls if key not in learning)):
        names[key] = free(_wanted(program, decision, key, learning), taken)
        taken.add(names[key])
    return names


def _wanted(program: Program, decision: Decision, key: object, learning: Sequence[object]) -> str:
    """What a part would be called if no other name of the file was the same."""
    own, code = decision.function.name.value, cst.Module([]).code_for_node
    if key is UNKNOWN and len(learning) > 1:
        return own
    if key in learning:
        return training_name(own)
    if is_of_result(own) and not _has_loop(program, decision.function):
        return own
    calls = [" ".join(code(arg) for arg in call.args) for call in decision.calls[key]]
    return evaluating_name(own, key if isinstance(key, str) else "", calls)


def _has_loop(program: Program, function: cst.FunctionDef) -> bool:
    return bool(program.find((cst.For, cst.While), function))


def _needless(program: Program, decision: Decision, key: object, body: list[cst.CSTNode]) -> list[cst.Param]:
    """The parameters that a part reads no more, and whose arguments are plain names or constants."""
    own = is_method(program, decision.function)
    params = (*decision.function.params.params[own:], *decision.function.params.kwonly_params)
    left = {node.value for node in walk(*body) if isinstance(node, cst.Name)}
    found = []
    for parameter in params:
        given = [_given(decision.function, call, parameter) for call in decision.calls[key]]
        plain = all(arg is None or isinstance(arg.value, cst.Name) or is_constant(arg.value) for arg in given)
        if plain and parameter.name.value not in left and program.variables[parameter.name].reads:
            found.append(parameter)
    return found


def _without_parameters(params: cst.Parameters, gone: Sequence[cst.Param]) -> cst.Parameters:
    left = _less(params.kwonly_params, gone)
    star = params.star_arg if left or not params.kwonly_params else cst.MaybeSentinel.DEFAULT
    return params.with_changes(params=_less(params.params, gone), kwonly_params=left, star_arg=star)


def _less(items: Sequence[Item], gone: Sequence[cst.CSTNode]) -> list[Item]:
    """Parameters or arguments without some of them; the last one ends as the last one did."""
    left = [item for item in items if item not in gone]
    if left and left[-1] is not items[-1]:
        left[-1] = left[-1].with_changes(comma=items[-1].comma)  # type: ignore[attr-defined]
    return left


def _call(function: cst.FunctionDef, call: cst.Call, name: str, needless: Sequence[cst.Param]) -> cst.Call:
    """The call of a part, without the arguments that it does not need."""
    new = call.func.with_changes(attr=cst.Name(name)) if isinstance(call.func, cst.Attribute) else cst.Name(name)
    gone = [arg for parameter in needless if (arg := _given(function, call, parameter)) is not None]
    return call.with_changes(func=new, args=_less(call.args, gone))


def _given(function: cst.FunctionDef, call: cst.Call, parameter: cst.Param) -> cst.Arg | None:
    """The argument that a call gives to a parameter."""
    params = [*function.params.posonly_params, *function.params.params]
    at = params.index(parameter) if parameter in params else len(call.args)
    at -= isinstance(call.func, cst.Attribute)
    for index, arg in enumerate(call.args):
        named = arg.keyword is not None and arg.keyword.value == parameter.name.value
        if named or (arg.keyword is None and index == at):
            return arg
    return None
