"""What a training must not contain, because it would mean something else in a module."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_around, is_private
from refactorer.outline.control import loop_jumps, suspensions
from refactorer.outline.may_run import MayRun
from refactorer.outline.outline import EPOCH_START, Outline
from refactorer.outline.places.plain_starts import is_plain
from refactorer.outline.places.unbound import CAUGHT, catches, surely_bound
from refactorer.outline.refusal import PlainerView, Refusal
from refactorer.outline.setting import may_bind, sets_variables_unseen

REFLECTION = {"exec", "eval", "locals", "globals", "vars", "dir"}


def check_contents(outline: Outline) -> None:
    """Looks through the hooks and the driver.

    Raises:
        Refusal: something in them would mean something else in a module.
        PlainerView: the epoch is left in front of its batches by a jump that may end elsewhere.
    """
    program = outline.program
    statements = [node for body in outline.hooks.values() for node in body]
    held = suspensions(statements)
    if held:
        raise Refusal("R303", held[0], "the training yields or awaits", "let it run to the end without yielding")
    for node, variable in program.used([*statements, outline.site.driver.node]):
        if variable.owner is not None or variable.name not in REFLECTION or names_its_object(program, node):
            continue
        if _sees_training(outline, node):
            raise Refusal(
                "R401", node, f"{variable.name}() sees or changes variables of the training by name",
                "name the variables; they live in different places after the conversion",
            )  # fmt: skip
    if sets_variables_unseen(program) and _may_bind_objects(outline, MayRun(program, statements)):
        raise Refusal(
            "R401", outline.site.epoch_loop, "a function that the training may run sets variables of the file by name",
            "name the variables; they live in different places after the conversion",
        )  # fmt: skip
    for node in walk(*statements):
        if isinstance(node, cst.Nonlocal) and not _is_of_driver(outline, node):
            raise Refusal("R403", node, "a variable is declared nonlocal in the training",
                          "return values instead of nonlocal")  # fmt: skip
        _refuse_names_of_a_class(program, node)
        caught = isinstance(node, cst.ExceptHandler) and catches(program, node)
        if caught and not surely_bound(program, node, outline.site.epoch_loop):
            raise Refusal("R403", node, CAUGHT,
                          "bind the variable to None in front of the training, and ask for that")  # fmt: skip
    for jump in loop_jumps(outline.hooks.get(EPOCH_START, [])):
        if _may_be_held_up(outline, jump):
            raise PlainerView(jump, "the epoch is left before its batches from inside a `with` or `try`")


def _may_bind_objects(outline: Outline, running: MayRun) -> bool:
    """Whether what runs may bind, unseen, what the module may hold: no functions, classes, imports or plain values."""
    program = outline.program
    used = {variable for _, variable in outline.uses(*running.lines, *running.bodies)}
    own = (variable for variable in used if variable.owner is program.scope[program.module])
    objects = (variable.name for variable in own if not all(_is_plain(program, seen.node) for seen in variable.writes))
    return may_bind(running, set(objects))


def _is_plain(program: Program, name: cst.CSTNode) -> bool:
    value = program.bound_to(name)
    parts = (value.body, value.orelse) if isinstance(value, cst.IfExp) else (value,)
    named = isinstance(program.parent.get(name), (cst.FunctionDef, cst.ClassDef, cst.ImportAlias, cst.AsName))
    return named or all(part is not None and is_plain(part) for part in parts)


def _may_be_held_up(outline: Outline, jump: cst.CSTNode) -> bool:
    """Whether the end of a block that a jump leaves may raise, or jump itself: then the epoch may yet go on."""
    around = itertools.takewhile(lambda node: node is not outline.site.epoch_loop, outline.program.ancestors(jump))
    return any(isinstance(node, (cst.With, cst.Try, cst.TryStar)) for node in around)


def check_helper(outline: Outline, function: cst.FunctionDef) -> None:
    """Looks through a function whose body is to stand in the step.

    Raises:
        PlainerView: something in it would mean something else there.
        Refusal: the same, of what no view can place.
    """
    program = outline.program
    held = suspensions(function.body.body)
    if held:
        raise PlainerView(held[0], f"{function.name.value}() yields or awaits")
    seen = sees_variables(program, function)
    if seen is not None:
        raise PlainerView(seen, f"the variables of {function.name.value}() are looked up by name")
    for node in walk(function.body):
        _refuse_names_of_a_class(program, node)
        if isinstance(node, cst.Nonlocal) and binds_for_others(outline, node):
            raise PlainerView(node, f"{function.name.value}() binds a variable that the training does not own")


def sees_variables(program: Program, function: cst.FunctionDef) -> cst.CSTNode | None:
    """What in a function looks up variables by their names."""
    return looks_up_names(program, function.body.body)


def looks_up_names(program: Program, statements: Iterable[cst.CSTNode]) -> cst.CSTNode | None:
    """What in some statements looks up variables by their names."""
    named = (node for node, variable in program.used(statements) if variable.owner is None)
    reflecting = (node for node in named if isinstance(node, cst.Name) and node.value in REFLECTION)
    return next((node for node in reflecting if not names_its_object(program, node)), None)


def binds_for_others(outline: Outline, node: cst.Nonlocal) -> bool:
    """Whether a `nonlocal` is for variables of a function around the driver, which gets no value back."""
    given_back = outline.site.driver.declared_nonlocal
    return not _is_of_driver(outline, node) and any(item.name.value not in given_back for item in node.names)


def _is_of_driver(outline: Outline, node: cst.Nonlocal) -> bool:
    """Whether no name of a `nonlocal` belongs to a function around the one that drives the training."""
    scope = outline.program.scope_of(node)
    owners = {variable.owner for item in node.names if (variable := scope.lookup(item.name.value)) is not None}
    around, outer = set(), outline.site.driver.parent
    while outer is not None:
        around.add(outer)
        outer = outer.parent
    return not owners & around


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


def _sees_training(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether reflection at a node may meet variables that the training moves: not if it ran before all of them."""
    program, driver = outline.program, outline.site.driver
    if program.scope_of(node) is not driver:
        nested = program.enclosing_function(node)
        called_in_place = driver is program.scope[program.module] and nested is not None
        called_in_place = called_in_place and nested not in outline.site.functions
        return not called_in_place or getattr(node, "value", "") in ("globals", "exec", "eval")
    if program.order.get(node, -1) > program.order[outline.site.epoch_loop]:
        return True
    outline.reflection = max(outline.reflection, program.order.get(node, -1))
    return node not in program.order


def names_its_object(program: Program, node: cst.CSTNode) -> bool:
    """`vars(args)` and `dir(module)` look at an object, not at the variables of the function."""
    call = program.parent.get(node)
    named = isinstance(node, cst.Name) and node.value in ("vars", "dir")
    return named and isinstance(call, cst.Call) and call.func is node and bool(call.args)
