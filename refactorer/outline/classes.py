"""Names that depend on the class in which they stand."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable


def is_private(name: str) -> bool:
    """Whether Python puts the name of the class in front of a name inside a class."""
    return name.startswith("__") and not name.endswith("__")


def spellings(program: Program, method: cst.FunctionDef) -> tuple[str, ...]:
    """The names by which code may ask for a method: for a private one, that with the class in front as well."""
    owner, name = class_of_method(program, method), method.name.value
    if owner is None or not is_private(name):
        return (name,)
    return name, f"_{owner.name.value.lstrip('_')}{name}"


def class_around(program: Program, node: cst.CSTNode) -> cst.ClassDef | None:
    """The innermost class that a node stands in."""
    return next((outer for outer in program.ancestors(node) if isinstance(outer, cst.ClassDef)), None)


def class_of_method(program: Program, function: cst.FunctionDef) -> cst.ClassDef | None:
    """The class in whose body a function stands directly; None for a function that is no method."""
    owner = program.parent.get(program.parent[function])
    return owner if isinstance(owner, cst.ClassDef) else None


def class_of_object(program: Program, parameter: cst.Param) -> cst.ClassDef | None:
    """The class whose method has a parameter as its `self`; None for any other parameter."""
    function = program.enclosing_function(parameter)
    first = function.params.params[:1] if function is not None else ()
    return class_of_method(program, function) if function is not None and parameter in first else None


def class_of_self(program: Program, variable: Variable | None) -> cst.ClassDef | None:
    """The class whose method has a variable as its `self`; None for any other variable."""
    parameter = program.definition(variable)
    return class_of_object(program, parameter) if isinstance(parameter, cst.Param) else None


def methods_of(kind: cst.ClassDef) -> list[cst.FunctionDef]:
    """The methods that a class defines in its body."""
    return [node for node in kind.body.body if isinstance(node, cst.FunctionDef)]
