"""Parameters that an optimizer takes from an iterator, which may give others if it is asked later.

`filter(lambda p: p.requires_grad, model.parameters())` asks each parameter when the optimizer takes it, and whatever
else goes through an iterator leaves it empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children
from refactorer.idioms.configure.between import Between, between
from refactorer.idioms.configure.making import statements_of
from refactorer.idioms.known.looking import is_own_method, is_shown
from refactorer.idioms.known.taint import with_holders
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import returns, suspensions
from refactorer.outline.objects.optimizers import Roles, is_network
from refactorer.outline.outline import Outline

_AT_ONCE = ("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "torch.")
_KEEPING = ("train", "eval", "to", "cuda")


def may_come_late(outline: Outline, roles: Roles, value: cst.Call, line: cst.CSTNode) -> bool:
    """Whether an optimizer that is made at the training, instead of in a line above it, may get other parameters."""
    first = [arg.value for arg in value.args[:1] if arg.keyword is None]
    named = [arg.value for arg in value.args if arg.keyword is not None and arg.keyword.value == "params"]
    variables: set[Variable] = set()
    asked = [part for node in first + named for part in _iterators(outline.program, node, variables)]
    if not asked or (not variables and all(_is_of_module(part) for part in asked)):
        return False
    variables |= {variable for part in asked for _, variable in outline.uses(part)}
    return is_used_between(outline, roles, with_holders(outline, variables | set(roles.models)), line)


def _is_of_module(node: cst.CSTNode) -> bool:
    """Whether an iterator gives the parameters of a module, whatever they have become."""
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "parameters"


def _iterators(program: Program, node: cst.CSTNode, names: set[Variable], moved: bool = True) -> Iterator[cst.CSTNode]:
    """The parts of an expression that are, or may be, asked for their items later; `names` collects their variables.

    An expression that is `moved` to the training is evaluated later itself, with the lists that it makes.
    """
    if isinstance(node, cst.Call):
        yield from _of_call(program, node, names, moved)
    elif isinstance(node, cst.GeneratorExp):
        yield node
    elif isinstance(node, (cst.ListComp, cst.SetComp)):
        yield from _iterators(program, node.elt, names, moved)
        if moved:
            yield from _iterators(program, node.for_in.iter, names)
    elif isinstance(node, cst.DictElement) and isinstance(node.key, cst.SimpleString):
        if node.key.raw_value == "params":
            yield from _iterators(program, node.value, names, moved)
    elif isinstance(node, cst.Name) and node in program.variables:
        variable = program.variables[node]
        new = variable not in names
        names.add(variable)
        made = [program.bound_to(write.node) for write in variable.writes] if new else []
        for expression in made:
            if expression is not None:
                yield from _iterators(program, expression, names, moved=False)
    elif not isinstance(node, cst.Attribute):
        for child in children(node):
            yield from _iterators(program, child, names, moved)


def _of_call(program: Program, call: cst.Call, names: set[Variable], moved: bool) -> Iterator[cst.CSTNode]:
    name = program.qualified_name(call.func) or ""
    function = program.function(call.func)
    if program.variables.get(call.func) in names:
        return  # a function that calls itself
    if name == "itertools.chain" or (moved and name.startswith(_AT_ONCE)):
        for arg in call.args:
            yield from _iterators(program, arg.value, names, moved)
    elif name == "builtins.dict" and all(arg.keyword is not None for arg in call.args):
        for arg in call.args:
            if arg.keyword is not None and arg.keyword.value == "params":
                yield from _iterators(program, arg.value, names, moved)
    elif function is not None and not suspensions(function.body.body):
        names.add(program.variables[function.name])
        given = [left.value for left in returns(function.body.body) if left.value is not None]
        if any(True for value in given for _ in _iterators(program, value, names, moved=False)):
            yield call
    elif not name.startswith(_AT_ONCE):
        yield call


def is_used_between(
    outline: Outline, roles: Roles, variables: set[Variable], line: cst.CSTNode, beside: Sequence[cst.CSTNode] = ()
) -> bool:
    """Whether anything is done with some variables between a line and the training, in other lines than those `beside`.

    Optimizers may be made there.
    """
    program, around = outline.program, between(outline, line)
    made = [*statements_of(program, (*roles.optimizers, *roles.schedulers)), *beside]
    for variable in variables:
        for seen in variable.reads:
            defined = _is_only_defined(outline, around, seen.node)
            if not around.holds(seen.node) or _is_kept(outline, variable, seen.node) or defined:
                continue
            if not any(program.contains(part, seen.node) for part in (*made, *outline.consumed)):
                return True
    return False


def _is_only_defined(outline: Outline, around: Between, node: cst.CSTNode) -> bool:
    """Whether code stands in the body of a function that nothing names between a line and the training."""
    program = outline.program
    function = program.enclosing_function(node)
    if function is None or program.contains(function, around.loop) or not program.contains(function.body, node):
        return False
    if function.decorators or class_of_method(program, function) is not None:
        return False  # which a decorator may call, or anyone who has an object of the class
    return not any(around.holds(seen.node) for seen in program.variables[function.name].reads)


def _is_kept(outline: Outline, variable: Variable, node: cst.CSTNode) -> bool:
    """Whether a use is `model.train()`, `model.to(...)` or `print(model)`.

    A class of the script, or one that is out of sight, may choose in its `train()` which parameters are trained.
    """
    around = outline.program.parent.get(node)
    if not isinstance(around, cst.Attribute) or around.attr.value not in _KEEPING:
        return is_shown(outline, node)
    return is_network(outline.program, variable) and not is_own_method(outline, around.attr.value)
