"""Lines that only make what an optimizer is made of: they come along into `configure_optimizers`.

no_decay = ["bias", "LayerNorm.weight"]
groups = [{"params": [p for n, p in model.named_parameters() if not any(part in n for part in no_decay)]}, ...]
optimizer = AdamW(groups, lr=args.lr)

They choose parameters by their names, or by whether they are trained, and ask settings; nothing else names the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children, walk
from refactorer.idioms.configure.gone_through import goes_through_known
from refactorer.idioms.configure.items import looks_items_up
from refactorer.idioms.configure.late_parameters import is_used_between
from refactorer.idioms.known.taint import with_holders
from refactorer.idioms.shapes import key_of
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import computes, is_worked_out, operators_look_up

_OF_MODELS = ("parameters", "named_parameters")
_OF_TEXTS = ("startswith", "endswith")
_FUNCTIONS = {f"builtins.{name}" for name in ("list", "dict", "any", "all", "filter", "map", "id")}
_PARTS = (
    cst.BaseString, cst.BaseNumber, cst.List, cst.Tuple, cst.Dict, cst.BaseElement, cst.BaseDictElement, cst.ListComp,
    cst.GeneratorExp, cst.CompFor, cst.CompIf, cst.Comparison, cst.ComparisonTarget, cst.BaseCompOp, cst.BaseUnaryOp,
    cst.BinaryOperation, cst.BaseBinaryOp, cst.BooleanOperation, cst.BaseBooleanOp, cst.UnaryOperation, cst.IfExp,
    cst.Arg, cst.Lambda, cst.Index, cst.SubscriptElement,
)  # fmt: skip

_BY_NAME = (cst.In, cst.NotIn, cst.Is, cst.IsNot)

Stays = Callable[[cst.CSTNode, cst.BaseExpression, set[Variable]], bool]
"""Whether an expression in a line gives the same at the training, some variables aside."""


def lines_for(
    outline: Outline, roles: Roles, moved: Sequence[cst.CSTNode], stays: Stays
) -> dict[Variable, cst.CSTNode]:
    """The lines that only make something for the lines in `moved`, by the variables that they bind."""
    found: dict[Variable, cst.CSTNode] = {}
    lines = list(moved)
    grown = _defines_parameters(outline.program)
    while not grown:
        grown = True
        for variable in dict.fromkeys(v for _, v in outline.uses(*lines)):
            line = None if variable in found else _line_of(outline, roles, variable, lines)
            if line is not None and stays(line, _value(line), set(found)):
                found[variable] = line
                lines.append(line)
                grown = False
    chosen = _about_parameters(outline, found)
    if not goes_through_known(outline, {variable: _value(line) for variable, line in chosen.items()}):
        return {}
    return chosen if _needs_no_more(outline, roles, moved, chosen) else {}


def _about_parameters(outline: Outline, found: dict[Variable, cst.CSTNode]) -> dict[Variable, cst.CSTNode]:
    """The lines that choose parameters, and those directly in front of them that are for these alone.

    A learning rate stays where the script says it.
    """
    choosing = {v: line for v, line in found.items() if models_asked(outline, line)}
    grown = True
    while grown:
        reading = [v for v, line in found.items() if choosing.keys() & {used for _, used in outline.uses(line)}]
        grown = not choosing.keys() >= {*reading}
        choosing |= {v: found[v] for v in reading}
    for variable, line in found.items():
        if variable not in choosing and _is_directly_for(outline, variable, line, list(choosing.values())):
            choosing[variable] = line
    return choosing


def _is_directly_for(outline: Outline, variable: Variable, line: cst.CSTNode, lines: list[cst.CSTNode]) -> bool:
    """Whether only some lines name a variable, and nothing else stands between its own line and them."""
    program = outline.program
    users = [other for other in lines if any(used is variable for _, used in outline.uses(other))]
    named = [seen.node for seen in variable.reads]
    if not users or not all(any(program.contains(user, node) for user in users) for node in named):
        return False
    block = program.parent[line]
    first = min(program.order[user] for user in users)
    between = [part for part in children(block) if program.order[line] < program.order.get(part, -1) < first]
    return all(part in lines for part in between)


def _defines_parameters(program: Program) -> bool:
    return any(node.name.value in _OF_MODELS for node in program.find(cst.FunctionDef))


def _line_of(
    outline: Outline, roles: Roles, variable: Variable, lines: list[cst.CSTNode]
) -> cst.SimpleStatementLine | None:
    """The line in front of the others that binds a variable which nothing else names."""
    program = outline.program
    if variable.owner is not outline.site.driver or variable in roles.objects or len(variable.writes) != 1:
        return None
    name = variable.writes[0].node
    line = program.statement(name) if name in program.order else None
    beside = line is not None and any(program.parent[line] is program.parent[other] for other in lines)
    if not isinstance(line, cst.SimpleStatementLine) or not beside or program.order[line] < outline.reflection:
        return None
    small = line.body[0]
    if len(line.body) > 1 or not isinstance(small, cst.Assign) or [t.target for t in small.targets] != [name]:
        return None
    last = min(program.order[other] for other in lines if any(v is variable for _, v in outline.uses(other)))
    others = [seen for seen in variable.occurrences if seen.node is not name]
    inside = all(any(program.contains(other, seen.node) for other in lines) for seen in others)
    return line if inside and program.order[line] < last and _is_known(outline, roles, line, lines) else None


def _value(line: cst.CSTNode) -> cst.BaseExpression:
    assert isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Assign)
    return line.body[0].value


def models_asked(outline: Outline, value: cst.CSTNode) -> list[Variable]:
    """The variables whose parameters an expression asks for."""
    calls = [node for node in walk(value) if isinstance(node, cst.Call)]
    return [variable for call in calls if (variable := _model_asked(outline, call)) is not None]


def _model_asked(outline: Outline, call: cst.Call) -> Variable | None:
    """The variable of a model that a call asks for its parameters, or for those of a part of it."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in _OF_MODELS or call.args:
        return None
    base: cst.BaseExpression = call.func.value
    while isinstance(base, cst.Attribute) and not computes(outline.program, base.attr.value):
        base = base.value
    return outline.variable(base)


def _is_known(outline: Outline, roles: Roles, line: cst.CSTNode, lines: list[cst.CSTNode]) -> bool:
    """Whether a line only chooses parameters and asks settings, and which are trained stays the same."""
    value = _value(line)
    if not _only_chooses(outline, value):
        return False
    asks = [node for node in walk(value) if isinstance(node, cst.Attribute) and node.attr.value == "requires_grad"]
    models = set(models_asked(outline, value))
    return not asks or not is_used_between(outline, roles, with_holders(outline, models), line, lines)


def _only_chooses(outline: Outline, node: cst.CSTNode) -> bool:
    program = outline.program
    if isinstance(node, cst.Call):
        return _is_known_call(outline, node) and all(_only_chooses(outline, arg.value) for arg in node.args)
    if isinstance(node, cst.Attribute):
        plain = not is_worked_out(program, node.attr.value) and not is_stored(program, node)
        return plain and _only_chooses(outline, node.value)
    if isinstance(node, cst.Subscript):
        number = all(
            isinstance(part.slice, cst.Index) and isinstance(part.slice.value, cst.Integer) for part in node.slice
        )
        known = number or key_of(node) is not None
        return known and looks_items_up(program) and _only_chooses(outline, node.value)
    if isinstance(node, cst.Name):
        return program.function(node) is None
    if isinstance(node, cst.Comparison) and not _compares_names(node):
        return False
    if isinstance(node, (cst.CompIf, cst.IfExp)) and isinstance(node.test, (cst.Name, cst.Subscript)):
        return False  # which may be a number in a parameter
    if isinstance(node, cst.BinaryOperation) and not operators_look_up(program):
        return False
    return isinstance(node, _PARTS) and all(_only_chooses(outline, child) for child in _evaluated(node))


def _compares_names(node: cst.Comparison) -> bool:
    """Whether a comparison is one of names or of what a parameter is, and not of the numbers in it."""
    sides = [node.left, *(target.comparator for target in node.comparisons)]
    texts = any(isinstance(side, cst.BaseString) for side in sides)
    shapes = any(isinstance(side, cst.Attribute) and side.attr.value in ("requires_grad", "ndim") for side in sides)
    return texts or shapes or all(isinstance(target.operator, _BY_NAME) for target in node.comparisons)


def _evaluated(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The parts of an expression, but for the names that it binds itself."""
    if isinstance(node, cst.CompFor):
        return [node.iter, *node.ifs, *([node.inner_for_in] if node.inner_for_in is not None else [])]
    return [part for part in children(node) if not isinstance(part, cst.Parameters)]


def _is_known_call(outline: Outline, call: cst.Call) -> bool:
    name = outline.program.qualified_name(call.func) or ""
    if name in _FUNCTIONS or name == "itertools.chain":
        return True
    if not isinstance(call.func, cst.Attribute):
        return False
    if call.func.attr.value in _OF_TEXTS:
        return all(isinstance(arg.value, (cst.SimpleString, cst.Name)) for arg in call.args)
    return _model_asked(outline, call) is not None


def _needs_no_more(
    outline: Outline, roles: Roles, moved: Sequence[cst.CSTNode], found: dict[Variable, cst.CSTNode]
) -> bool:
    """Whether the module is handed no more variables of its function than without these lines."""
    own = {variable for body in outline.hooks.values() for _, variable in outline.uses(*body)} | set(roles.models)
    before = {v for _, v in outline.uses(*moved)} | own
    after = {v for _, v in outline.uses(*moved, *found.values())} - set(found)
    new = {v for v in after - before if v.owner is not None and v.owner.kind == "function" and _is_outer(outline, v)}
    return len(new) <= len(found)


def _is_outer(outline: Outline, variable: Variable) -> bool:
    return variable.owner is outline.site.driver
