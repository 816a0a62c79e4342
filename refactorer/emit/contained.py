"""Classes whose objects, when they are made, change nothing but themselves: it cannot be seen when they are made.

They may print, draw random numbers and ask for the time: what they may not is to change what the Trainer is told, or
what an optimizer is made of. A class out of sight knows nothing of these.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.idioms.known.elsewhere import base_of
from refactorer.outline.classes import methods_of

_BUILTINS = """
print len int float str bool min max sum abs round range repr list tuple dict set zip enumerate sorted super isinstance
"""
_CALLS = {f"builtins.{name}" for name in _BUILTINS.split()}
_METHODS = frozenset(
    ["append", "extend", "add", "format", "join", "split", "items", "keys", "values", "item", "strftime"]
)
_BY_ITSELF = ("__new__", "__setattr__", "__getattr__", "__getattribute__")
_BINDING = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.For, cst.CompFor, cst.NamedExpr, cst.AsName)
_LEAVING = (cst.Global, cst.Nonlocal, cst.Del, cst.Yield, cst.Await)


def is_contained(program: Program, func: cst.BaseExpression) -> bool:
    """Whether a call of a class changes nothing but the new object; what other files give counts as such a class."""
    made = program.definition(program.variables.get(func))
    if isinstance(made, cst.ClassDef):
        return _Making(program).of_class(made)
    variable = program.variables.get(base_of(func))
    return variable is not None and all(seen.node in program.imports for seen in variable.writes)


class _Making:
    """Looks through all that runs when an object is made."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.seen: set[cst.CSTNode] = set()

    def of_class(self, kind: cst.ClassDef) -> bool:
        if kind in self.seen:
            return True
        self.seen.add(kind)
        if kind.decorators or kind.keywords or any(method.name.value in _BY_ITSELF for method in methods_of(kind)):
            return False
        inherited = all(self._of_base(base.value) for base in kind.bases)
        return inherited and all(self._of_function(m) for m in methods_of(kind) if m.name.value == "__init__")

    def _of_base(self, base: cst.BaseExpression) -> bool:
        made = self.program.definition(self.program.variables.get(base))
        return self.of_class(made) if isinstance(made, cst.ClassDef) else self.program.qualified_name(base) is not None

    def _of_function(self, function: cst.FunctionDef) -> bool:
        if function in self.seen:
            return True
        self.seen.add(function)
        first = function.params.params[0].name.value if function.params.params else ""
        return all(self._is_own(node, first) for node in walk(function.body))

    def _is_own(self, node: cst.CSTNode, first: str) -> bool:
        if isinstance(node, _BINDING):
            return self._keeps(node.name if isinstance(node, cst.AsName) else node.target, first)
        return not isinstance(node, _LEAVING) and (not isinstance(node, cst.Call) or self._call(node, first))

    def _keeps(self, target: cst.CSTNode, first: str) -> bool:
        """Whether what is assigned is a local name, or an attribute of the new object or its class."""
        if isinstance(target, (cst.Tuple, cst.List)):
            return all(self._keeps(element.value, first) for element in target.elements)
        if isinstance(target, cst.Attribute):
            own = isinstance(target.value, cst.Name) and target.value.value == first
            counts = self.program.definition(self.program.variables.get(target.value)) in self.seen
            return (own or counts) and self._of_methods(target.attr.value)
        return isinstance(target, cst.Name)

    def _of_methods(self, name: str) -> bool:
        """Looks through the methods of this name of all classes of the file, also those that set an attribute."""
        found = (method for kind in self.program.find(cst.ClassDef) for method in methods_of(kind))
        return all(self._of_function(method) for method in found if method.name.value == name)

    def _call(self, call: cst.Call, first: str) -> bool:
        made = self.program.definition(self.program.variables.get(call.func))
        if isinstance(made, cst.ClassDef):
            return self.of_class(made)
        function = self.program.function(call.func)
        name = self.program.qualified_name(call.func)
        if function is not None:
            return self._of_function(function)
        if name is not None:
            return name in _CALLS or name.endswith("Error") or not name.startswith("builtins.")
        if not isinstance(call.func, cst.Attribute):
            return False
        method, owner = call.func.attr.value, call.func.value
        if method == "__init__" and isinstance(owner, cst.Call):  # super().__init__(): bases are looked at
            return True
        own = isinstance(owner, cst.Name) and owner.value == first
        return (own or method in _METHODS) and self._of_methods(method)
