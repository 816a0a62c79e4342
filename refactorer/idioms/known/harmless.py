"""Code that may run before the optimizer's step instead of behind it: only forms that are known to be harmless.

Harmless code changes nothing that backward or the step needs, draws no random numbers, cannot see the parameters, and
does not leave the loop by itself. Whatever is not on the lists here is taken to be harmful.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import children, walk
from refactorer.idioms.known.elsewhere import base_of, module_of
from refactorer.idioms.known.plain import is_plain
from refactorer.outline.objects.optimizers import is_module_class
from refactorer.outline.outline import Outline

_BUILTINS = """
print len int float str round bool min max sum abs format range isinstance repr list tuple zip sorted
"""
_TORCH = "max min argmax argmin sum mean eq sigmoid softmax exp log sqrt abs round topk numel is_tensor isnan"
_NUMPY = "mean sum exp log sqrt array argmax round"
_OF_TENSORS = """
item detach cpu numpy tolist size dim numel float long int double argmax argmin max min eq ne ge gt le lt sum mean std
view view_as reshape squeeze unsqueeze t clone topk exp log sqrt abs pow round sigmoid softmax norm type_as expand_as
byte bool all any equal to
"""
_OF_OTHERS = """
format join strip append extend set_description set_postfix set_description_str set_postfix_str add_scalar add_scalars
write flush strftime isoformat total_seconds timestamp
"""
_FUNCTIONS = {
    f"{module}.{name}"
    for module, names in (("builtins", _BUILTINS), ("torch", _TORCH), ("numpy", _NUMPY))
    for name in names.split()
}
_MODULES = ("math.", "time.", "datetime.", "os.path.", "sys.stdout.", "logging.")
_TENSOR_METHODS = frozenset(_OF_TENSORS.split())
READING = _TENSOR_METHODS | frozenset(_OF_OTHERS.split())
"""Methods that only read values, or show them, whatever object has them."""
_EXPRESSIONS = (
    cst.Name, cst.BaseNumber, cst.BaseString, cst.FormattedStringExpression, cst.BaseFormattedStringContent,
    cst.Attribute, cst.BinaryOperation, cst.BaseBinaryOp, cst.BooleanOperation, cst.BaseBooleanOp, cst.UnaryOperation,
    cst.BaseUnaryOp, cst.Comparison, cst.ComparisonTarget, cst.BaseCompOp, cst.Subscript, cst.SubscriptElement,
    cst.Index, cst.Slice, cst.Tuple, cst.List, cst.Dict, cst.Element, cst.DictElement, cst.IfExp, cst.Arg, cst.Call,
)  # fmt: skip
_STATEMENTS = (
    cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.IndentedBlock, cst.If, cst.Else, cst.Expr, cst.Assign,
    cst.AssignTarget, cst.AugAssign, cst.BaseAugOp, cst.Break, cst.Continue, cst.Pass, cst.Return,
    cst.SimpleWhitespace,
)  # fmt: skip


def harm_in(outline: Outline, lines: list[cst.CSTNode], tainted: set[Variable]) -> cst.CSTNode | None:
    """The first part of some lines that is not known to be harmless."""
    return next((found for line in lines if (found := _harm(outline, line, tainted, False)) is not None), None)


def _harm(outline: Outline, node: cst.CSTNode, tainted: set[Variable], method: bool) -> cst.CSTNode | None:
    if not isinstance(node, (*_EXPRESSIONS, *_STATEMENTS)):
        return node
    variable = outline.variable(node) if isinstance(node, cst.Name) else None
    if variable is not None and (variable in tainted or not is_plain(outline, variable)):
        return node
    if isinstance(node, cst.AssignTarget) and not _binds_names(node.target, method):
        return node
    if isinstance(node, cst.AugAssign) and not _binds_names(node.target, method):
        return node
    if isinstance(node, cst.Call):
        harm = _call(outline, node, tainted)
        if harm is not None:
            return harm
    for child in children(node):
        if (isinstance(node, cst.Attribute) and child is node.attr) or (
            isinstance(node, cst.Arg) and child is node.keyword
        ):
            continue
        found = _harm(outline, child, tainted, method)
        if found is not None:
            return found
    return None


def _binds_names(target: cst.CSTNode, method: bool) -> bool:
    own = isinstance(target, cst.Attribute) and isinstance(target.value, cst.Name) and target.value.value == "self"
    return bool(names_in(target)) or (method and own)


def _call(outline: Outline, node: cst.Call, tainted: set[Variable]) -> cst.CSTNode | None:
    if any(arg.keyword is not None and arg.keyword.value in ("out", "inplace") for arg in node.args):
        return node
    name = outline.program.qualified_name(node.func) or ""
    if name in _FUNCTIONS or name.startswith(_MODULES):
        return None
    function = outline.program.function(node.func)
    if function is not None:
        return None if _is_harmless_function(outline, function, tainted, False) else node
    if _reads_tensor_elsewhere(outline, node.func):
        return node
    if isinstance(node.func, cst.Attribute) and not name:
        method = _own_method(outline, node.func)
        if method is not None:
            return None if _is_harmless_function(outline, method, tainted, True) else node
        return None if node.func.attr.value in READING else node
    imported = bool(name) and not name.startswith(("torch.", "numpy.", "random.", "builtins.", "sys.", "os."))
    return None if imported and _takes_plain_values(outline, node) else node


def _reads_tensor_elsewhere(outline: Outline, func: cst.BaseExpression) -> bool:
    """Whether a method of tensors is called on what another file gives, which may be a part of the model."""
    if not isinstance(func, cst.Attribute) or func.attr.value not in _TENSOR_METHODS:
        return False
    return module_of(outline.program, outline.program.variables.get(base_of(func))) is not None


def calls_elsewhere(outline: Outline, lines: Sequence[cst.CSTNode], seen: tuple[cst.CSTNode, ...] = ()) -> bool:
    """Whether lines call functions of other files, which may do anything with the gradients that they find."""
    for node in walk(*lines):
        if not isinstance(node, cst.Call):
            continue
        method = _own_method(outline, node.func) if isinstance(node.func, cst.Attribute) else None
        own = outline.program.function(node.func) or method
        name = outline.program.qualified_name(node.func)
        if own is None and name and name not in _FUNCTIONS and not name.startswith(_MODULES):
            return True
        if own is not None and own not in seen and calls_elsewhere(outline, own.body.body, (*seen, own)):
            return True
    return False


def _is_harmless_function(outline: Outline, function: cst.FunctionDef, tainted: set[Variable], method: bool) -> bool:
    lines = function.body.body
    return all(not _is_inner_harm(outline, line, tainted, method) for line in lines)


def _is_inner_harm(outline: Outline, line: cst.CSTNode, tainted: set[Variable], method: bool) -> bool:
    if any(isinstance(part, cst.Call) and outline.program.function(part.func) is not None for part in walk(line)):
        return True
    return _harm(outline, line, tainted, method) is not None


def _own_method(outline: Outline, func: cst.Attribute) -> cst.FunctionDef | None:
    """The method of a class of the file, when the receiver can only be an object of that class."""
    program, variable = outline.program, outline.variable(func.value)
    for seen in variable.writes if variable is not None else []:
        value = program.bound_to(seen.node)
        made = program.definition(program.variables.get(value.func)) if isinstance(value, cst.Call) else None
        if not isinstance(made, cst.ClassDef) or is_module_class(program, made):
            continue
        for part in made.body.body:
            if isinstance(part, cst.FunctionDef) and part.name.value == func.attr.value:
                return part
    return None


def _takes_plain_values(outline: Outline, node: cst.Call) -> bool:
    """Whether an imported function is given no result of the step as it is."""
    for arg in node.args:
        if arg.star or (isinstance(arg.value, (cst.Name, cst.Attribute)) and _is_result(outline, arg.value)):
            return False
    return True


def _is_result(outline: Outline, node: cst.CSTNode) -> bool:
    while isinstance(node, cst.Attribute):
        node = node.value
    variable = outline.variable(node)
    loop = outline.site.batch_loop
    plain = variable is None or (variable is outline.variable(outline.train.index or node) and node is not None)
    if outline.train.index is not None and variable is outline.variable(outline.train.index):
        return False
    return not plain or (variable is not None and any(outline.program.contains(loop, s.node) for s in variable.writes))
