"""Whether code that cannot be seen may get hold of an object of a class, or of the class itself."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.outline.classes import class_of_object, methods_of
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.other_objects import is_other

_HARMLESS = ("builtins.", "torch.", "numpy.", "copy.", "pickle.", "json.", "logging.")
_ASKING = ("builtins.isinstance", "builtins.issubclass", "builtins.super")
_MAKING = ("__new__", "__init_subclass__")
_NAMES = ("__name__", "__qualname__", "__module__", "__doc__")


def stays_in_sight(program: Program, kind: cst.ClassDef) -> bool:
    """Whether all that is done with a class and its objects is done in the file, and by calls that are seen there."""
    family = _family(program, kind)
    methods = (method.name.value for one in family for method in methods_of(one))
    if any(name in _MAKING for name in methods) or _asks_for_classes(program, kind):
        return False
    if not all(_only_makes(program, seen.node) for one in family for seen in program.variables[one.name].reads):
        return False
    return not is_shown(program, kind)


def is_shown(program: Program, kind: cst.ClassDef, aside: tuple[str, ...] = ()) -> bool:
    """Whether an object of a class, or of its family, is given to code out of sight; some functions aside."""
    family = _family(program, kind)
    for call in program.calls:
        function = program.enclosing_function(call) if aside else None
        if (function is None or function.name.value not in aside) and _is_handed_out(program, call, family):
            return True
    return False


def _family(program: Program, kind: cst.ClassDef) -> list[cst.ClassDef]:
    """A class with the classes of the file that it inherits from, and those that inherit from one of them."""
    family = [kind]
    for one in family:
        for other in program.find(cst.ClassDef):
            related = one in _bases(program, other) or other in _bases(program, one)
            if related and other not in family:
                family.append(other)
    return family


def _bases(program: Program, kind: cst.ClassDef) -> list[cst.CSTNode | None]:
    return [program.definition(program.variables.get(base.value)) for base in kind.bases]


def _asks_for_classes(program: Program, kind: cst.ClassDef) -> bool:
    """Whether the file asks objects for their class, for more than to say its name, or `vars()` of what may be one."""
    for node in program.find(cst.Attribute):
        parent = program.parent.get(node)
        if node.attr.value == "__class__" and not (isinstance(parent, cst.Attribute) and parent.attr.value in _NAMES):
            return True
    asked = [call for call in program.calls if program.qualified_name(call.func) == "builtins.vars"]
    named = [arg.value for call in asked for arg in call.args if not isinstance(arg.value, cst.Name)]
    return not all(is_other(program, value, kind) for value in named)


def _only_makes(program: Program, node: cst.CSTNode) -> bool:
    """Whether a class is called, inherited from, asked for an attribute, or named in an annotation or a question."""
    parent = program.parent.get(node)
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.ClassDef):
        return True
    if isinstance(call, cst.Call):
        return program.qualified_name(call.func) in _ASKING
    if isinstance(parent, (cst.Call, cst.Attribute)):
        return True
    return any(isinstance(outer, cst.Annotation) for outer in program.ancestors(node))


def _is_handed_out(program: Program, call: cst.Call, family: list[cst.ClassDef]) -> bool:
    """Whether a call gives an object to a function out of sight that may call its methods."""
    if (program.qualified_name(call.func) or "").startswith(_HARMLESS) or _is_of_file(program, call.func):
        return False
    return any(_holds(program, arg.value, family, frozenset()) for arg in call.args)


def _is_of_file(program: Program, func: cst.BaseExpression) -> bool:
    """Whether what is called is a function or class of the file, or has the name of one of its methods."""
    if isinstance(func, cst.Attribute) and program.qualified_name(func) is None:
        return any(function.name.value == func.attr.value for function in program.find(cst.FunctionDef))
    called = program.definition(program.variables.get(func))
    return isinstance(called, (cst.FunctionDef, cst.ClassDef))


def _holds(
    program: Program, node: cst.CSTNode, family: list[cst.ClassDef], seen: frozenset[Variable | str]
) -> bool:  # fmt: skip
    """Whether a value may be an object of a class, or a container of such objects."""
    if isinstance(node, (cst.List, cst.Tuple, cst.Set, cst.Dict)):
        return any(_holds(program, element.value, family, seen) for element in node.elements)
    known = node.attr.value if isinstance(node, cst.Attribute) else program.variables.get(node)
    if known is None or known in seen:
        return _makes(program, node, family)
    parameter = program.definition(known) if isinstance(known, Variable) else None
    if isinstance(parameter, cst.Param) and class_of_object(program, parameter) in family:
        return True
    return any(_holds(program, value, family, seen | {known}) for value in _values(program, known))


def _values(program: Program, known: Variable | str) -> Iterator[cst.BaseExpression]:
    """What the file gives to a variable, or to attributes of a name."""
    if isinstance(known, Variable):
        parameter = program.definition(known)
        bound = (program.bound_to(write.node) for write in known.writes)
        given = values_given(program, parameter) if isinstance(parameter, cst.Param) else None
        yield from given or (value for value in bound if value is not None)
        return
    for assign in program.find(cst.Assign):
        targets = (target.target for target in assign.targets)
        if any(isinstance(target, cst.Attribute) and target.attr.value == known for target in targets):
            yield assign.value


def _makes(program: Program, value: cst.CSTNode, family: list[cst.ClassDef]) -> bool:
    made = (program.definition(program.variables.get(p.func)) for p in walk(value) if isinstance(p, cst.Call))
    return any(kind in family for kind in made)
