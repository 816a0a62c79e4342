"""Whether a model is in training mode when the training begins, so that its first `train()` changes nothing.

torch's modules are made in training mode, and so are those of a class of the file. What another library hands out may
be in evaluation mode, as pretrained models often are, also inside a module that the script makes around it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.evaluation.shared import is_shared
from refactorer.idioms.known.parts import WRAPPERS, made_of
from refactorer.outline.functions.inline import values_given
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_FRESH = ("torch.", "torchvision.", "builtins.", "numpy.")
_STORED = ("torch.hub.", "torch.load", "torch.jit.", "torch.package.", "torch.export.", "pickle.", "shelve.")


def starts_in_training_mode(outline: Outline, model: Variable) -> bool:
    """Whether everything that a model is made of was surely made in training mode."""
    return _Fresh(outline).variable(model)


class _Fresh:
    """Looks through what a model is made of, each variable, class and function once."""

    def __init__(self, outline: Outline) -> None:
        self.outline, self.program = outline, outline.program
        self.seen: set[object] = set()

    def variable(self, variable: Variable) -> bool:
        if variable in self.seen:
            return True
        self.seen.add(variable)
        values = [value for seen in variable.writes for value in self._given(variable, seen.node)]
        return bool(values) and all(value is not None and self._made(value) for value in values)

    def _given(self, variable: Variable, node: cst.CSTNode) -> Sequence[cst.BaseExpression | None]:
        """What a variable is bound to: if it is a parameter, what the callers give it, who do no more with that."""
        parameter = self.program.parent.get(node)
        if not isinstance(parameter, cst.Param):
            return [value_of(self.program, node)]
        given = None if is_shared(self.program, variable) else values_given(self.program, parameter)
        return given if given is not None else [None]

    def _made(self, value: cst.BaseExpression) -> bool:
        """Whether an expression makes a module, or is another name for one that was made so."""
        made = unmoved(value)
        variable = self.outline.variable(made)
        if variable is not None:
            return self.variable(variable)
        if not isinstance(made, cst.Call) or not _makes_module(self.program, made):
            return False
        if self.program.qualified_name(made.func) in WRAPPERS:
            return all(self._code(arg.value) for arg in made_of(self.outline, made))
        return self._code(made)

    def _code(self, code: cst.CSTNode) -> bool:
        """Whether all that code calls or mentions hands out nothing but fresh modules and plain values."""
        return all(
            self._call(node) if isinstance(node, cst.Call) else self._name(node)
            for node in walk(code)
            if isinstance(node, (cst.Call, cst.Name))
        )

    def _call(self, call: cst.Call) -> bool:
        name = self.program.qualified_name(call.func)
        if name is None:
            return isinstance(call.func, (cst.Name, cst.Attribute))  # a name or a method of what is looked at anyway
        return not name.startswith(_STORED) and (
            name.startswith(_FRESH) or name.split(".")[0] in sys.stdlib_module_names
        )

    def _name(self, node: cst.Name) -> bool:
        variable = self.program.variables.get(node)
        own = self.program.definition(variable)
        if isinstance(own, (cst.ClassDef, cst.FunctionDef)):
            return self._definition(own)
        places = (self.outline.site.driver, self.program.scope[self.program.module])
        if variable is None or variable.owner not in places or variable in self.seen:
            return True
        self.seen.add(variable)
        return all(self._may_stand(seen.node) for seen in variable.writes)

    def _may_stand(self, node: cst.CSTNode) -> bool:
        if node in self.program.imports:
            return True
        parent = self.program.parent.get(node)
        if isinstance(parent, (cst.CompFor, cst.For)):
            return self._code(parent.iter)
        value = value_of(self.program, node)
        return value is not None and self._code(value)

    def _definition(self, own: cst.ClassDef | cst.FunctionDef) -> bool:
        if own in self.seen:
            return True
        self.seen.add(own)
        bases = own.bases if isinstance(own, cst.ClassDef) else ()
        return all(self._base(base.value) for base in bases) and self._code(own.body)

    def _base(self, base: cst.BaseExpression) -> bool:
        made = self.program.definition(self.program.variables.get(base))
        return isinstance(made, cst.ClassDef) or (self.program.qualified_name(base) or "").startswith(_FRESH)


def _makes_module(program: Program, call: cst.Call) -> bool:
    """Whether a call names a class of the file or of `torch.nn`."""
    own = isinstance(call.func, cst.Name) and isinstance(
        program.definition(program.variables.get(call.func)), cst.ClassDef
    )
    return own or (program.qualified_name(call.func) or "").startswith("torch.nn.")
