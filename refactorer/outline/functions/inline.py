"""Entering a function through its only call: parameters become the caller's variables or expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from refactorer.analysis.deferred import deferred
from refactorer.analysis.parsed_arguments import is_never_set, is_parsed
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.blocks import block_lines
from refactorer.outline.comments import comments_of
from refactorer.outline.control import returns
from refactorer.outline.functions.arguments import CONSTANTS, arguments
from refactorer.outline.functions.headers import seen_in_header
from refactorer.outline.functions.shapes_of_values import gives_tuples
from refactorer.outline.refusal import PlainerView
from refactorer.outline.training.anchors import Loop, loops_around, uses_of


@dataclass
class Bindings:
    """What the names of entered functions stand for: another variable, or an expression of the caller."""

    alias: dict[Variable, Variable] = field(default_factory=dict)
    expression: dict[Variable, cst.BaseExpression] = field(default_factory=dict)

    def canonical(self, variable: Variable) -> Variable:
        while variable in self.alias:
            variable = self.alias[variable]
        return variable

    def behind(self, program: Program, value: cst.CSTNode) -> set[Variable]:
        """The variables that an expression is made of, seen through parameters."""
        found: set[Variable] = set()
        for variable in {self.canonical(variable) for _, variable in program.used([value])}:
            expression = self.expression.get(variable)
            found |= {variable} if expression is None else self.behind(program, expression)
        return found


@dataclass(frozen=True)
class Entered:
    """The statements of a function body, the expression it returns at its end, and the comments on that `return`.

    `prelude` are those of the statements that bind parameters.
    """

    statements: tuple[cst.CSTNode, ...]
    value: cst.BaseExpression | None
    closing: list[cst.EmptyLine]
    prelude: tuple[cst.CSTNode, ...] = ()


def enter(
    program: Program,
    function: cst.FunctionDef,
    call: cst.Call,
    bindings: Bindings,
    loop: Loop,
    decorators_known: bool = False,
    at_once: bool = False,
    lines: Sequence[cst.CSTNode] | None = None,
    keeps: Callable[[cst.BaseExpression], bool] | None = None,
) -> Entered:
    """Binds the parameters of a function to the arguments of a call; its body can then stand in the caller.

    `at_once` says that the body is put in the place of the call, so that nothing else runs meanwhile. `lines` are the
    statements of the body where the caller has taken them out of a block. `keeps` knows of more expressions that mean
    the same whenever they are evaluated.

    Raises:
        PlainerView: the call or the function has a form whose binding is not known for certain.
    """
    seen = seen_in_header(program, function)
    if seen is not None:
        raise PlainerView(seen, f"the definition of {function.name.value}() runs code in its header")
    prelude: list[cst.CSTNode] = _taken_apart(program, function, call) if at_once else []
    given = {} if prelude else arguments(program, function, call, decorators_known)
    captured = {variable for _, variable in program.used(deferred(program, function.body))}
    for parameter, value in given.items():
        variable = program.variables[parameter.name]
        own = len(variable.writes) == 1 and not changes(program, value, loop, function, bindings)
        own = own and (variable not in captured or _is_bound_once(program, value, bindings))
        lent = len(variable.writes) == 1 and _is_lent(program, value, function)
        if _is_hidden(program, variable, value, bindings):
            own = lent = False
        if (own or lent) and isinstance(value, cst.Name) and value in program.variables:
            bindings.alias[variable] = program.variables[value]
        elif own and (
            (is_stable(program, value) and _reads_well(program, variable, value))
            or (keeps is not None and keeps(value))
        ):
            bindings.expression[variable] = value
        else:
            target = cst.AssignTarget(parameter.name)
            prelude.append(cst.SimpleStatementLine([cst.Assign([target], _on_its_own(value))]))
    body: list[Any] = block_lines(function.body) if lines is None else list(lines)
    returned: cst.BaseExpression | None = None
    closing: list[cst.EmptyLine] = []
    left = returns(body)
    if left:
        last = body[-1]
        if len(left) > 1 or not isinstance(last, cst.SimpleStatementLine) or last.body[-1] is not left[0]:
            raise PlainerView(left[0], f"`return` leaves {function.name.value}() before its end")
        returned = left[0].value
        kept = last.body[:-1]
        closing = [] if kept else comments_of(last)
        body = [*body[:-1], last.with_changes(body=kept)] if kept else body[:-1]
    return Entered((*prelude, *body), returned, closing, tuple(prelude))


def _on_its_own(value: cst.BaseExpression) -> cst.BaseExpression:
    """An argument outside of the brackets of its call: it needs some of its own where it goes on in another line."""
    try:
        cst.parse_expression(cst.Module([]).code_for_node(value))
    except cst.ParserSyntaxError:
        return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return value


def _reads_well(program: Program, variable: Variable, value: cst.CSTNode) -> bool:
    """Whether Python takes an argument in all places of a parameter: it warns of `10 is not None`."""
    literal = isinstance(value, (cst.BaseNumber, cst.BaseString, cst.UnaryOperation))
    if literal and any(_is_identified(program, seen.node) for seen in variable.reads):
        return False
    return not _ends_a_format(program, variable, value)


def _is_identified(program: Program, node: cst.CSTNode) -> bool:
    """Whether a name is compared by `is`."""
    parent = program.parent.get(node)
    around = program.parent.get(parent) if isinstance(parent, cst.ComparisonTarget) else parent
    targets = around.comparisons if isinstance(around, cst.Comparison) else ()
    return any(isinstance(target.operator, (cst.Is, cst.IsNot)) for target in targets)


def _ends_a_format(program: Program, variable: Variable, value: cst.CSTNode) -> bool:
    """Whether a string would not fit into a formatted string that shows the parameter, in any quotes."""
    if not isinstance(value, cst.SimpleString):
        return False
    strings = [
        [o for o in program.ancestors(seen.node) if isinstance(o, cst.FormattedString)] for seen in variable.reads
    ]
    marked = any(mark in value.raw_value for mark in ("'", '"', "\\", "\n"))
    return any(len(around) > 1 or (around and marked) for around in strings)


def _taken_apart(program: Program, function: cst.FunctionDef, call: cst.Call) -> list[cst.CSTNode]:
    """The line `a, b = pair()` for a call `function(*pair())`, where as many values are known to come; else nothing."""
    params, value = function.params, call.args[0].value if call.args else None
    names = [parameter.name for parameter in (*params.posonly_params, *params.params)]
    others = params.kwonly_params or params.star_kwarg or isinstance(params.star_arg, cst.Param) or function.decorators
    if len(call.args) != 1 or call.args[0].star != "*" or others or not isinstance(value, cst.Call):
        return []
    plain = all(parameter.default is None for parameter in (*params.posonly_params, *params.params))
    if not plain or len(names) < 2 or not gives_tuples(program, value, len(names)):
        return []
    target = cst.Tuple([cst.Element(name) for name in names], lpar=[], rpar=[])
    return [cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(target)], value)])]


def _is_hidden(program: Program, variable: Variable, value: cst.CSTNode, bindings: Bindings) -> bool:
    """Whether nested code that reads a parameter has a variable of its own with a name from the argument."""
    names = {bindings.canonical(used).name for _, used in program.used([value])}
    outer = {variable.owner, program.scope[program.module]}
    return any(seen.scope.hides(name, outer) for seen in variable.reads for name in names)


def _is_lent(program: Program, value: cst.CSTNode, function: cst.FunctionDef) -> bool:
    """Whether a variable of the caller keeps its value while the function runs, and nothing keeps the parameter."""
    variable = program.variables.get(value)
    if variable is None or any(deferred(program, function.body)):
        return False
    return all(seen.scope.function is variable.owner for seen in variable.writes)


def changes(
    program: Program, value: cst.CSTNode, loop: Loop, function: cst.FunctionDef, bindings: Bindings
) -> bool:  # fmt: skip
    """Whether anything that an argument is made of may be bound again during the epoch, the epoch itself aside."""
    for variable in bindings.behind(program, value):
        around = variable.owner is None or program.contains(variable.owner.node, loop)
        for seen in variable.writes:
            by_others = not around or seen.scope.function is not variable.owner
            if by_others or program.contains(loop.body, seen.node) or program.contains(function, seen.node):
                return True
    return False


def _is_bound_once(program: Program, value: cst.CSTNode, bindings: Bindings) -> bool:
    """Whether an argument means the same to code that runs later, whatever the training has bound by then."""
    for variable in bindings.behind(program, value):
        if len(variable.writes) > 1 or any(loops_around(program, seen.node) for seen in variable.writes):
            return False
    return True


def is_stable(program: Program, node: cst.CSTNode) -> bool:
    """Whether an expression may be evaluated again, later: constants, settings, and the arithmetic of numbers."""
    if isinstance(node, (cst.BinaryOperation, cst.UnaryOperation)) and not _is_of_numbers(program, node):
        return False
    return all(
        isinstance(
            part,
            (cst.Name, *CONSTANTS, cst.BinaryOperation, cst.BaseBinaryOp, cst.UnaryOperation, cst.BaseUnaryOp),
        )
        or (isinstance(part, cst.Attribute) and _is_setting(program, part))
        for part in walk(node)
    )  # fmt: skip


def _is_setting(program: Program, node: cst.Attribute) -> bool:
    """Whether an attribute is a setting, also of arguments that each caller of a function hands to it."""
    return _holds_settings(program, program.variables.get(node.value)) and is_never_set(program, node)


def _holds_settings(program: Program, variable: Variable | None, seen: frozenset[Variable] = frozenset()) -> bool:
    parameter = program.definition(variable)
    if variable is None or not isinstance(parameter, cst.Param) or variable in seen:
        return is_parsed(program, variable)
    values = values_given(program, parameter)
    return values is not None and all(
        _holds_settings(program, program.variables.get(value), seen | {variable}) for value in values
    )


def _is_of_numbers(program: Program, node: cst.CSTNode) -> bool:
    """Whether all names in an expression hold numbers: literals, or what a `range` counts."""
    owners = {part.value for part in walk(node) if isinstance(part, cst.Attribute)}
    return all(_is_number(program, variable) for part, variable in program.used([node]) if part not in owners)


def _is_number(program: Program, variable: Variable) -> bool:
    for seen in variable.writes:
        parent = program.parent.get(seen.node)
        source = parent.iter if isinstance(parent, cst.For) else None
        if isinstance(source, cst.Call) and program.qualified_name(source.func) == "builtins.range":
            continue
        if not isinstance(program.bound_to(seen.node), cst.BaseNumber):
            return False
    return bool(variable.writes)


def values_given(program: Program, parameter: cst.Param) -> list[cst.BaseExpression] | None:
    """What each call of its function gives to a parameter; None when there is no call, or one is not known."""
    function = program.enclosing_function(parameter)
    values: list[cst.BaseExpression] = []
    for use in uses_of(program, function) if function is not None else []:
        call = program.parent.get(use)
        if function is None or not isinstance(call, cst.Call) or call.func is not use:
            return None
        try:
            given = arguments(program, function, call, decorators_known=False)
        except PlainerView:
            return None
        if parameter not in given:
            return None
        values.append(given[parameter])
    return values or None
