"""What runs between the making of an optimizer and the training, and may change what it is made of."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.configure.between import between
from refactorer.idioms.configure.items import items_may_change, keys_of
from refactorer.idioms.configure.meanwhile import sets_meanwhile
from refactorer.idioms.configure.settings import same_settings
from refactorer.idioms.known.elsewhere import given_with, known_before
from refactorer.idioms.known.looking import is_known_method, leaves_function
from refactorer.idioms.known.parts import parts_of_models
from refactorer.idioms.known.shared_settings import sets_by_name, sets_for_all
from refactorer.idioms.known.taint import tainted_by_training
from refactorer.outline.classes import class_of_method
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.objects.torch_names import names_scheduler
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import attributes_behind

_LIBRARIES = (
    "torch.", "builtins.", "time.", "datetime.", "os.", "math.", "random.", "numpy.", "tqdm.", "logging.", "json.",
    "argparse.", "collections.", "torchvision.", "sys.", "copy.",
)  # fmt: skip
_REPLACING = ("torch.nn.utils.", "torch.ao.", "torch.quantization.", "torch.fx.")
_BY_NAME = ("builtins.vars", "builtins.setattr", "builtins.exec", "builtins.eval")
_READING = {"info", "write", "format", "join"}


def disturbed_between(outline: Outline, roles: Roles, line: cst.CSTNode, *values: cst.CSTNode) -> bool:
    """Whether the lines between `line` and the training may change the models or the settings that `values` read."""
    program, around = outline.program, between(outline, line)
    whole = {*roles.models, *parts_of_models(outline, roles)} | tainted_by_training(outline, roles)
    elsewhere = given_with(outline, *roles.models) | known_before(outline, whole)
    read = {v for _, v in outline.uses(*values) if v.owner is not None}
    watched = {v for v in whole | read if all(seen.node not in program.imports for seen in v.writes)}
    stored = {node.attr.value for node in walk(*values) if isinstance(node, cst.Attribute)} | keys_of(*values)
    stored = attributes_behind(program, stored)
    settings = read - whole
    watched |= same_settings(outline, settings, stored)
    if items_may_change(outline, line, *values):
        return True
    if sets_for_all(program, stored, around.holds) or sets_meanwhile(outline, line, whole | elsewhere, stored):
        return True
    for node in program.find((cst.Call, cst.AssignTarget, cst.AugAssign)):
        if not around.runs(node) or leaves_function(outline, node):
            continue
        if not isinstance(node, cst.Call):
            disturbed = _stores_into(outline, node.target, watched, settings, stored)  # type: ignore[attr-defined]
        else:
            told = any(variable in elsewhere for _, variable in outline.uses(node.func))
            disturbed = told or _disturbs(outline, node, watched, settings, stored)
        if disturbed:
            return True
    return False


def _stores_into(
    outline: Outline, target: cst.CSTNode, watched: set[Variable], settings: set[Variable], stored: set[str]
) -> bool:
    """Whether an assignment changes an attribute or an element of something that can be seen through a variable."""
    inner, name = isinstance(target, (cst.Attribute, cst.Subscript)), None
    while isinstance(target, (cst.Attribute, cst.Subscript, cst.Call)):
        name = target.attr.value if isinstance(target, cst.Attribute) else name
        target = target.func if isinstance(target, cst.Call) else target.value
    variable = outline.variable(target)
    other = variable in settings and name is not None and name not in stored
    return inner and variable in watched and not other


def _disturbs(
    outline: Outline, call: cst.Call, watched: set[Variable], settings: set[Variable], stored: set[str]
) -> bool:
    program = outline.program
    name = program.qualified_name(call.func) or ""
    given = any(
        variable in watched and not _is_other_setting(program, node, variable, settings, stored)
        for arg in call.args if name in _BY_NAME or not _is_text(arg.value) for node, variable in outline.uses(arg)
    )  # fmt: skip
    if name in _BY_NAME:
        return given or sets_by_name(program, call, stored)
    if name.startswith(_REPLACING):
        return given
    if name.startswith(_LIBRARIES) or names_scheduler(name):
        return False
    if isinstance(call.func, cst.Attribute) and not name:
        receiver = {variable for _, variable in outline.uses(call.func.value)}
        harmless = call.func.attr.value in _READING or is_known_method(outline, call.func)
        hidden = any(_names_any(outline, kind, watched - settings) for kind in _classes_with(program, call.func))
        return hidden or (bool(receiver & watched or given) and not harmless)
    function = program.function(call.func)
    if function is None:
        made = program.definition(program.variables.get(call.func))
        if not isinstance(made, cst.ClassDef):
            return given
        changing = given and any(_sets_others(node, stored) for node in walk(made.body))
        changing = changing or _names_any(outline, made, watched - settings)
    else:
        changing = _function_disturbs(outline, function, watched, stored, frozenset((function,)))
    return changing or any(v in watched - settings for arg in call.args for _, v in outline.uses(arg))


def _is_text(node: cst.BaseExpression) -> bool:
    """Whether an expression gives a text, which nobody can change anything by."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, (cst.Add, cst.Modulo)):
        return _is_text(node.left) or (isinstance(node.operator, cst.Add) and _is_text(node.right))
    return isinstance(node, cst.BaseString)


def _classes_with(program: Program, method: cst.Attribute) -> list[cst.ClassDef]:
    """The classes of the file that have a method of some name."""
    named = (node for node in program.find(cst.FunctionDef) if node.name.value == method.attr.value)
    return [kind for node in named if (kind := class_of_method(program, node)) is not None]


def _names_any(outline: Outline, kind: cst.ClassDef, watched: set[Variable]) -> bool:
    """Whether the methods of a class name something watched, which they need not be given then."""
    return any(variable in watched for _, variable in outline.uses(kind.body))


def _sets_others(node: cst.CSTNode, stored: set[str]) -> bool:
    """Whether a line of a class sets one of some attributes of another object than its own."""
    target = node.target if isinstance(node, (cst.AssignTarget, cst.AugAssign)) else None
    own = isinstance(target, cst.Attribute) and isinstance(target.value, cst.Name) and target.value.value == "self"
    return isinstance(target, cst.Attribute) and not own and target.attr.value in stored


def _is_other_setting(
    program: Program, node: cst.CSTNode, variable: Variable, settings: set[Variable], stored: set[str]
) -> bool:
    """Whether a use of a variable only reads one of its settings, and none that the optimizer is made from."""
    around = program.parent.get(node)
    if variable not in settings or not isinstance(around, cst.Attribute) or around.attr.value in stored:
        return False
    user = program.parent[around]
    return not isinstance(user, cst.Call) or user.func is not around


def _function_disturbs(
    outline: Outline, function: cst.FunctionDef, watched: set[Variable], stored: set[str], seen: frozenset[cst.CSTNode]
) -> bool:
    """Whether a function names something watched, stores an attribute or element of such a name, or calls the like."""
    program = outline.program
    if any(variable in watched for _, variable in outline.uses(*function.body.body)):
        return True
    for node in walk(function.body):
        target = node.target if isinstance(node, (cst.AssignTarget, cst.AugAssign)) else None
        if isinstance(target, cst.Attribute) and target.attr.value in stored:
            return True
        if isinstance(node, cst.Call):
            name = program.qualified_name(node.func) or ""
            if name in ("builtins.vars", "builtins.setattr"):
                return True
            inner = program.function(node.func)
            known = inner is None or inner in seen
            if not known and _function_disturbs(outline, inner, watched, stored, seen | {inner}):  # type: ignore[arg-type]
                return True
    return False
