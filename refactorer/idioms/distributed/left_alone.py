"""Objects of the hooks that no optimizer trains: the Trainer's wrapper leaves them alone, as the script's did.

So they may be networks, or criteria with weights. The Trainer knows them by what its optimizers hold
(`runtime/beside.py`): they may hold nothing of the model, and the optimizers nothing of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Set

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.idioms.distributed.handed import values_handed
from refactorer.idioms.distributed.leaving import blocks_that_leave, stands_in
from refactorer.idioms.distributed.wrapper import Wrapper
from refactorer.outline.classes import class_of_self
from refactorer.outline.objects.optimizers import Roles, makes_module
from refactorer.outline.objects.torch_names import names_optimizer, unmoved
from refactorer.outline.outline import Outline

_IMPORTS = (cst.Import, cst.ImportFrom)
_STORES = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)
_ADDING = ("add_param_group", "param_groups")
_KNOWN = ("torch.", "numpy.", "builtins.")
_SETTERS = ("builtins.setattr", "builtins.map", "builtins.exec", "builtins.eval")


class LeftAlone:
    """Which objects have nothing in common with what is trained, by where they come from."""

    def __init__(self, outline: Outline, roles: Roles, found: Wrapper) -> None:
        self.outline, self.program, self.roles = outline, outline.program, roles
        wrapped = [outline.variable(made.wrapped) for made in found.wrappings]
        known = {found.model, found.entry.model, *found.others, *roles.models, *wrapped}
        self.models = self._by_all_names({variable for variable in known if variable is not None})
        self._leaving = blocks_that_leave(outline, found)
        self._trained: Set[Variable] | None = None
        self._in_sight = outline.reflection < 0

    def holds(self, variable: Variable) -> bool:
        """Whether the Trainer leaves an object alone, whatever it is."""
        if not self.roles.optimizers or self.roles.held is not None or self.roles.renewed is not None:
            return False
        if self._trained is None:
            self._trained = self._sources(self.roles.optimizers, self.models)
        if variable in self._trained or class_of_self(self.program, variable) is not None:
            return False
        if any(self._is_trained_at(seen.node) and makes_module(self.program, seen) for seen in variable.writes):
            return False
        sources = self._sources([variable])
        if sources & self.models or not self._in_sight:
            return False
        return not (any(map(self._is_handed_in, sources)) and any(map(self._is_handed_in, self.models)))

    def _is_handed_in(self, variable: Variable) -> bool:
        """Whether a variable is a parameter whose values are out of sight."""
        parents = (self.program.parent.get(seen.node) for seen in variable.writes)
        return any(isinstance(p, cst.Param) and values_handed(self.program, p) is None for p in parents)

    def _by_all_names(self, models: set[Variable]) -> set[Variable]:
        """Some variables, and those that they only give another name to."""
        waiting, found = list(models), set(models)
        while waiting:
            for seen in waiting.pop().writes:
                value = self.program.bound_to(seen.node)
                inner = self.outline.variable(unmoved(value)) if value is not None else None
                if inner is not None and inner not in found:
                    found.add(inner)
                    waiting.append(inner)
        return found

    # --- where an object may have got something from --------------------------------------------------------------

    def _sources(self, first: Iterable[Variable], until: Set[Variable] = frozenset()) -> Set[Variable]:
        """Some variables, and all that their values may have been made of, or were given in front of the training."""
        found: set[Variable] = set()
        waiting = list(first)
        while waiting:
            variable = waiting.pop()
            if variable in found or variable in until or variable.owner is None:
                continue
            found.add(variable)
            early = [seen for seen in variable.writes if not self._is_trained_at(seen.node)]
            parts = [part for seen in early for part in self._made_of(variable, seen)]
            given = self.outline.uses(*(part for seen in variable.reads for part in self._given(variable, seen)))
            self._in_sight &= not any(self._is_any_object(node) for node, other in given if other is not variable)
            waiting += [other for _, other in [*self.outline.uses(*parts), *given]]
        return found

    def _is_any_object(self, node: cst.CSTNode) -> bool:
        """Whether a name is the `self` of a method, as a whole: an object that puts itself somewhere."""
        parent = self.program.parent.get(node)
        if isinstance(parent, cst.Attribute) and parent.value is node:
            return False
        variable = self.program.variables.get(node)
        return class_of_self(self.program, variable) is not None

    def _made_of(self, variable: Variable, seen: Occurrence) -> list[cst.CSTNode]:
        parent, line = self.program.parent.get(seen.node), self.program.statement(seen.node)
        if isinstance(parent, cst.Param):
            return list(values_handed(self.program, parent) or [])
        if isinstance(parent, (cst.FunctionDef, cst.ClassDef)):
            return [parent.body]
        if isinstance(line, cst.SimpleStatementLine):
            if _is_imported(line):
                return []
            made = self.program.bound_to(seen.node) if variable in self.roles.optimizers else None
            return _parameters_of(self.program, made) or [line]
        if isinstance(line, cst.For):
            return [line.target, line.iter]
        return list(line.items) if isinstance(line, cst.With) else [line]

    def _given(self, variable: Variable, seen: Occurrence) -> list[cst.CSTNode]:
        """What a mention of an object may put into it."""
        program, node = self.program, seen.node
        if node not in program.order or self._is_trained_at(node) or _is_defined(program, variable):
            return []
        if stands_in(program, node, self._leaving):
            return []
        names = []
        while isinstance(outer := program.parent.get(node), (cst.Attribute, cst.Subscript)) and outer.value is node:
            names += [outer.attr.value] if isinstance(outer, cst.Attribute) else []
            node = outer
        if variable in self.roles.optimizers and names[:1] and names[0] not in _ADDING:
            return []
        if isinstance(outer, _STORES) and node is not seen.node:
            return [program.statement(node)]
        if isinstance(outer, cst.Call) and outer.func is node and names:
            return list(outer.args)
        call = program.parent.get(outer) if isinstance(outer, cst.Arg) and not names else None
        if not isinstance(call, cst.Call) or _keeps_nothing(program.qualified_name(call.func) or ""):
            return []
        training = (*self.outline.consumed, self.outline.site.driver.node)
        return [] if program.function(call.func) in training else list(call.args)

    def _is_trained_at(self, node: cst.CSTNode) -> bool:
        """Whether a node stands in the training, where the model is wrapped already."""
        parts = (self.outline.site.epoch_loop, *self.outline.consumed)
        return node in self.program.order and any(self.program.contains(part, node) for part in parts)


def _keeps_nothing(name: str) -> bool:
    """Whether a function is known to put nothing into what it is given: methods, called by their classes, may."""
    of_class = name.rpartition(".")[0].rpartition(".")[2]
    is_method = of_class[:1].isupper() or hasattr(builtins, of_class)
    return name.startswith(_KNOWN) and name not in _SETTERS and not is_method


def _is_defined(program: Program, variable: Variable) -> bool:
    """Whether a variable is a function, a class or something imported, which is given nothing but arguments."""
    parents = [program.parent.get(seen.node) for seen in variable.writes]
    named = (isinstance(parent, (cst.FunctionDef, cst.ClassDef)) for parent in parents)
    return all(named) or all(map(_is_imported, (program.statement(seen.node) for seen in variable.writes)))


def _is_imported(line: cst.CSTNode) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], _IMPORTS)


def _parameters_of(program: Program, made: cst.BaseExpression | None) -> list[cst.CSTNode] | None:
    """What an optimizer of torch is given to train; None for one of another kind."""
    if not isinstance(made, cst.Call) or not names_optimizer(program.qualified_name(made.func)):
        return None
    named = [arg.value for arg in made.args if arg.keyword is not None and arg.keyword.value == "params"]
    return [*named, *(arg.value for arg in made.args[:1] if arg.keyword is None and not arg.star)] or None
