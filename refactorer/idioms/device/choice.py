"""The device that a script chose: a variable, a setting, or CUDA, perhaps under one condition."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.idioms.device.lines import bracketed, text_of
from refactorer.outline.outline import Outline

_WRITING = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)
_TYPES = {
    "float",
    "float16",
    "float32",
    "float64",
    "double",
    "half",
    "bfloat16",
    "long",
    "int",
    "int32",
    "int64",
    "bool",
}
Target = tuple[object, ...]
"""What a move names: ("variable", v), ("setting", v, name), ("cuda",) or, for any other device, its text."""


OTHER: Target = ("other",)
"""A condition that does not ask for CUDA."""


@dataclass(frozen=True)
class Choice:
    """The one device that the script moves its training to.

    `expression` is what the Trainer is given. `condition` says when CUDA is used at all; None if there is no condition.
    """

    target: Target
    expression: cst.BaseExpression
    condition: Target | None = None

    @property
    def variable(self) -> Variable | None:
        """The device, where it is one variable."""
        found = self.target[1] if self.target[0] == "variable" else None
        return found if isinstance(found, Variable) else None


def find_choice(outline: Outline) -> Choice | None:
    """The device that the moves of the driver, of module level and of the hooks name, if it is only one."""
    moves = _moves(outline)
    targets = {target for _, target in moves}
    variables = {target for target in targets if target[0] == "variable"}
    if len(variables) == 1:  # the other moves stay as they are
        target = variables.pop()
        name = next(_given(call) for call, found in moves if found == target)
        return Choice(target, _visible(outline, target) or name) if _is_sure(outline, moves, target) else None
    if len(targets) != 1:
        return None
    target = targets.pop()
    if target[0] == "setting":
        if not _is_sure(outline, moves, target):
            return None
        expression = _visible(outline, target)
        return Choice(target, expression) if expression is not None else None
    if target != ("cuda",):
        return None
    conditions = {condition_around(outline, call) for call, _ in moves}
    if None in conditions:
        conditions.discard(OTHER)  # CUDA is needed in any case
    condition = conditions.pop()
    if conditions or condition == OTHER:
        return None
    if condition is None:
        return Choice(target, cst.SimpleString("'cuda'"))
    test = _visible(outline, condition)
    if test is None:
        return None
    return Choice(target, cst.IfExp(test, cst.SimpleString("'cuda'"), cst.SimpleString("'cpu'")), condition)


def _is_sure(outline: Outline, moves: list[tuple[cst.Call, Target]], target: Target) -> bool:
    """Whether something is moved to a device in any case, or the device is one that is there in any case."""
    made = outline.program.assigned_value(target[1]) if isinstance(target[1], Variable) else None
    if target[0] == "variable" and made is not None and "is_available" in text_of(made):
        return True
    return any(condition_around(outline, call) is None for call, found in moves if found == target)


def _moves(outline: Outline) -> list[tuple[cst.Call, Target]]:
    """The moves of the training and of the code that surrounds it, other functions aside."""
    program = outline.program
    own = {None, outline.site.driver.node, *outline.consumed, *outline.methods.values()}
    found = []
    for call in program.calls:
        if program.enclosing_function(call) in own:
            target = target_of(outline, call)
            if target is not None:
                found.append((call, target))
    return found


def target_of(outline: Outline, node: cst.CSTNode) -> Target | None:
    """The device that a call moves its receiver to; None for what is no move to an accelerator: `x.to(dtype)`."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    method = node.func.attr.value
    if method not in ("to", "cuda") or outline.program.qualified_name(node.func) is not None:
        return None
    places = [arg for arg in node.args if not _is_aside(outline, arg)]
    if method == "cuda" and not places:
        return ("cuda",)
    if len(places) != 1 or places[0].star or (places[0].keyword and places[0].keyword.value != "device"):
        return ("other", text_of(node)) if method == "cuda" else None
    place = places[0].value
    found = _place(outline, place)
    return found if found is not None or method == "to" else ("other", text_of(place))


def _is_aside(outline: Outline, arg: cst.Arg) -> bool:
    """Whether an argument of a move says something else than the device: how to copy, or the type."""
    if arg.keyword is not None:
        return arg.keyword.value in ("non_blocking", "dtype")
    name = outline.program.qualified_name(arg.value) or ""
    return name.startswith("torch.") and name[len("torch.") :] in _TYPES


def types_in(call: cst.Call) -> list[cst.Arg]:
    """The arguments of a move that convert to another type as well."""
    later = [arg for arg in call.args[1:] if arg.keyword is None]
    return [*later, *(arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "dtype")]


def without_device(call: cst.Call) -> cst.BaseExpression:
    """What is left of a move: its receiver, converted where the move did that too."""
    assert isinstance(call.func, cst.Attribute)
    kept = types_in(call)
    if not kept:
        return bracketed(call.func.value)
    return call.with_changes(args=[*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)])


def _given(call: cst.Call) -> cst.BaseExpression:
    return next(arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == "device")


def _place(outline: Outline, place: cst.BaseExpression) -> Target | None:
    program = outline.program
    if isinstance(place, cst.Call) and program.qualified_name(place.func) == "torch.device" and len(place.args) == 1:
        place = place.args[0].value
    if isinstance(place, cst.SimpleString):
        text = place.evaluated_value
        if text in ("cuda", "cpu"):
            return ("cuda",) if text == "cuda" else None
        return ("other", text)
    if isinstance(place, cst.Attribute):
        owner = outline.variable(place.value)
        named = "device" in place.attr.value.lower() and isinstance(place.value, cst.Name)
        return ("setting", owner, place.attr.value) if owner is not None and named else None
    variable = outline.variable(place)
    if variable is None:
        return None
    raw = program.variables[place]
    if raw in outline.bindings.expression:
        return _place(outline, outline.bindings.expression[raw])
    made = program.assigned_value(variable)
    is_device = isinstance(made, cst.Call) and program.qualified_name(made.func) == "torch.device"
    if "device" not in variable.name.lower() and not is_device:
        return None
    seen_by_driver = variable.owner in (outline.site.driver, program.scope[program.module])
    return ("variable", variable) if seen_by_driver else None


# --- conditions ---------------------------------------------------------------------------------------------------


def condition_of(outline: Outline, test: cst.BaseExpression) -> Target | None:
    """What a test such as `use_cuda`, `args.cuda` or `torch.cuda.is_available()` asks; None for any other test."""
    if isinstance(test, cst.Call):
        name = outline.program.qualified_name(test.func)
        return ("available",) if name == "torch.cuda.is_available" and not test.args else None
    if isinstance(test, cst.Attribute) and isinstance(test.value, cst.Name):
        owner = outline.variable(test.value)
        asks = _speaks_of_gpu(test.attr.value)
        return ("setting", owner, test.attr.value) if owner is not None and asks else None
    variable = outline.variable(test)
    if variable is None:
        return None
    raw = outline.program.variables[test]
    if raw in outline.bindings.expression:
        return condition_of(outline, outline.bindings.expression[raw])
    value = outline.program.assigned_value(variable)
    if _is_available(outline, value):
        return ("available",)
    asks = _speaks_of_gpu(variable.name) or (value is not None and "is_available" in text_of(value))
    return ("variable", variable) if asks else None


def _speaks_of_gpu(name: str) -> bool:
    return any(word in name.lower() for word in ("cuda", "gpu"))


def _is_available(outline: Outline, value: cst.CSTNode | None) -> bool:
    if isinstance(value, cst.IfExp):
        answers = [text_of(value.body), text_of(value.orelse)]
        return answers == ["True", "False"] and _is_available(outline, value.test)
    return isinstance(value, cst.Call) and condition_of(outline, value) == ("available",)


def condition_around(outline: Outline, call: cst.CSTNode) -> Target | None:
    """The condition under which a move is made in its function: one that asks for CUDA, or `OTHER`; None if always."""
    program, inner = outline.program, call
    found: set[Target] = set()
    for outer in program.ancestors(call):
        if isinstance(outer, cst.FunctionDef):
            break
        if program.contains(outer, outline.site.epoch_loop):
            break
        if isinstance(outer, (cst.If, cst.IfExp)) and outer.test is not inner:
            asked = condition_of(outline, outer.test) if outer.body is inner else None
            found.add(asked or OTHER)
        elif isinstance(outer, (cst.Try, cst.TryStar, cst.Match, cst.BooleanOperation)):
            found.add(OTHER)
        inner = outer
    return found.pop() if len(found) == 1 else OTHER if found else None


# --- in front of the training -------------------------------------------------------------------------------------


def _visible(outline: Outline, target: Target) -> cst.BaseExpression | None:
    """An expression for a device or a condition that the driver can evaluate in front of the training."""
    program, site = outline.program, outline.site
    if target == ("available",):
        return _availability(outline)
    variable = target[1]
    if not isinstance(variable, Variable) or site.driver.lookup(variable.name) is not variable:
        return None
    if target[0] == "variable":
        return cst.Name(variable.name) if _is_settled(outline, variable) else None
    name = str(target[2])
    if _is_made_with_its_object(outline, variable, name):
        return cst.Attribute(cst.Name(variable.name), cst.Name(name))
    for node in program.find(cst.Attribute):
        written = isinstance(program.parent.get(node), _WRITING)
        early = program.order.get(node, 0) < program.order[site.epoch_loop]
        straight = program.enclosing_function(node) in (None, site.driver.node)
        if node.attr.value == name and written and not (early and straight):
            return None
    settled = _is_settled(outline, variable) or _is_parameter(outline, variable)
    return cst.Attribute(cst.Name(variable.name), cst.Name(name)) if settled else None


def _is_made_with_its_object(outline: Outline, variable: Variable, name: str) -> bool:
    """Whether a setting is an attribute of the `self` of the driver that only its constructor assigns."""
    program = outline.program
    writes = [
        node for node in program.find(cst.Attribute)
        if node.attr.value == name and isinstance(program.parent.get(node), _WRITING)
    ]  # fmt: skip
    maker = program.enclosing_function(writes[0]) if len(writes) == 1 else None
    own = maker is not None and program.parent[maker] is program.parent.get(outline.site.driver.node)
    return own and maker is not None and maker.name.value == "__init__" and _is_self(outline, variable)


def _is_self(outline: Outline, variable: Variable) -> bool:
    driver = outline.site.driver.node
    first = driver.params.params[:1] if isinstance(driver, cst.FunctionDef) else []
    return bool(first) and variable.name == "self" and outline.program.variables.get(first[0].name) is variable


def _availability(outline: Outline) -> cst.BaseExpression | None:
    """The variable that the script asked into, or the question itself."""
    program, site = outline.program, outline.site
    for variable in (*site.driver.variables.values(), *program.scope[program.module].variables.values()):
        value = program.assigned_value(variable)
        seen = site.driver.lookup(variable.name) is variable
        if seen and _is_available(outline, value) and _is_settled(outline, variable):
            return cst.Name(variable.name)
    torch = site.driver.lookup("torch")
    plain = torch is not None and program.imports.get(torch.writes[0].node if torch.writes else None) == "torch"  # type: ignore[arg-type]
    return cst.parse_expression("torch.cuda.is_available()") if plain else None


def _is_parameter(outline: Outline, variable: Variable) -> bool:
    alone = len(variable.writes) == 1 and variable.owner is outline.site.driver
    return alone and isinstance(outline.program.parent.get(variable.writes[0].node), cst.Param)


def _is_settled(outline: Outline, variable: Variable) -> bool:
    """Whether a variable surely has its only value when the training begins."""
    program, site = outline.program, outline.site
    if _is_parameter(outline, variable):
        return True
    if variable.owner is None or len(variable.writes) != 1:
        return False
    seen = variable.writes[0]
    line = program.statement(seen.node)
    straight = seen.scope is variable.owner and program.parent[line] in (
        program.module, getattr(variable.owner.node, "body", None), program.parent[site.epoch_loop],
    )  # fmt: skip
    return straight and seen.order < program.order[site.epoch_loop]
