"""What is done with the parameters of a module in front of the training, and is the same wherever they are.

A move keeps parameters the objects that they are, so optimizers and lists may hold them; copies of them, and numbers
that are made of their values, are those of one device.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.device.waiting import Waiting
from refactorer.idioms.known.looking import is_own_method
from refactorer.outline.classes import methods_of
from refactorer.outline.functions.arguments import matched
from refactorer.outline.outline import Outline

_COUNTED = ("numel", "nelement", "size", "shape", "ndim", "dim", "dtype", "requires_grad", "is_leaf")
_HOLDING = {
    *(f"builtins.{name}" for name in ("list", "tuple", "set", "filter", "iter", "enumerate", "zip", "dict")),
    "itertools.chain",
}  # fmt: skip
_KEEPING = ("append", "extend", "add")
_OF_TEXTS = ("startswith", "endswith")
_ALIKE = ("list", "tuple", "iter", "reversed", "sorted")
_COMPARING = ("builtins.len", "builtins.id", "builtins.type", "builtins.isinstance")
_COPYING = ("clone", "zeros_like", "empty_like", "ones_like", "data", "detach", "device", "new", "copy", "deepcopy")
_DISPLAYS = (cst.Element, cst.StarredElement, cst.DictElement, cst.StarredDictElement, cst.List, cst.Tuple, cst.Set,
             cst.Dict, cst.BinaryOperation)  # fmt: skip
_COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)


@dataclass
class Held:
    """Expressions that give the parameters of a module, or what holds them; `seen` are the variables looked through."""

    outline: Outline
    waiting: Waiting
    seen: set[Variable]

    def are_only_held(self, node: cst.CSTNode) -> bool:
        """Whether nothing looks at the values that an expression holds, while their module waits for its move."""
        parent = self.outline.program.parent[node]
        if isinstance(parent, cst.Expr):
            return True
        if isinstance(parent, cst.Arg):
            return self._are_only_taken(parent)
        if isinstance(parent, cst.CompFor):
            return parent.iter is node and self._are_only_gone_through(parent)
        if isinstance(parent, cst.For):
            return parent.iter is node and self._are_only_looked_at(parent)
        if isinstance(parent, cst.AugAssign):
            return isinstance(parent.target, cst.Name) and self._is_only_read(parent.target)
        if isinstance(parent, cst.Assign):
            targets = [target.target for target in parent.targets]
            return all(isinstance(target, cst.Name) and self._is_only_read(target) for target in targets)
        if isinstance(parent, cst.Attribute):
            return parent.attr.value in _KEEPING
        return isinstance(parent, _DISPLAYS) and self.are_only_held(parent)

    def _are_only_taken(self, arg: cst.Arg) -> bool:
        """Whether a call that is handed parameters makes an optimizer of them, holds them, or counts them."""
        program = self.outline.program
        call = program.parent[arg]
        if not isinstance(call, cst.Call):
            return False
        name = program.qualified_name(call.func) or ""
        if name.startswith("torch.optim.") or name in _COMPARING:
            return True
        if name == "builtins.map":
            return program.qualified_name(call.args[0].value) == "builtins.id"
        if name in _HOLDING:
            functions = [node for other in call.args for node in walk(other) if isinstance(node, cst.Lambda)]
            return all(self._only_asks(function) for function in functions) and self.are_only_held(call)
        if name == "builtins.next":
            asked = program.parent[call]
            return isinstance(asked, cst.Attribute) and asked.attr.value in _COUNTED
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in _KEEPING:
            return isinstance(call.func.value, cst.Name) and self._is_only_read(call.func.value)
        function = program.function(call.func)
        if function is not None:
            return self._are_only_held_by(function, call, arg)
        return self._steps(call) and not self._copies(program.definition(program.variables.get(call.func)))

    def _are_only_held_by(self, function: cst.FunctionDef, call: cst.Call, arg: cst.Arg) -> bool:
        """Whether a function of the file only makes optimizers of the parameters that it is handed."""
        given = matched(function.params, call.args) or {}
        parameter = next((parameter for parameter, value in given.items() if value is arg.value), None)
        return parameter is not None and not function.decorators and self._is_only_read(parameter.name)

    def _copies(self, kind: cst.CSTNode | None) -> bool:
        """Whether the constructor of a class of the file may make tensors that are like the parameters."""
        if not isinstance(kind, cst.ClassDef):
            return False
        made = [method for method in methods_of(kind) if method.name.value == "__init__"]
        return any(isinstance(node, cst.Name) and node.value in _COPYING for node in walk(*made))

    def _steps(self, call: cst.Call) -> bool:
        """Whether a call makes something that is asked to step: an optimizer of another library."""
        program = self.outline.program
        made = program.parent[call]
        targets = [target.target for target in made.targets] if isinstance(made, cst.Assign) else []
        variables = {self.outline.variable(target) for target in targets}
        return any(
            self.outline.variable(node.func.value) in variables
            for node in program.calls
            if isinstance(node.func, cst.Attribute) and node.func.attr.value == "step"
        )

    def _are_only_gone_through(self, part: cst.CompFor) -> bool:
        program = self.outline.program
        whole = program.parent[part]
        names = self._parameters_in(part.target, part.iter)
        variables = {program.variables.get(name) for name in names}
        if not isinstance(whole, _COMPREHENSIONS) or not names:
            return False
        uses = [node for node in walk(whole) if program.variables.get(node) in variables and node not in names]
        handed = [node for node in uses if not self._is_asked(node)]
        return not handed or (all(map(self._is_result, handed)) and self.are_only_held(whole))

    def _are_only_looked_at(self, loop: cst.For) -> bool:
        """Whether a loop over parameters asks for what they have anywhere, freezes, copies or collects them."""
        program = self.outline.program
        names = self._parameters_in(loop.target, loop.iter)
        variables = {variable for name in names if (variable := program.variables.get(name)) is not None}
        if len(variables) != len(names) or not names:
            return False
        return all(self._is_only_looked_at(variable, loop) for variable in variables)

    def _is_only_looked_at(self, variable: Variable, loop: cst.For) -> bool:
        """Whether no use of a variable of a loop looks at values; other loops give it values of their own."""
        program = self.outline.program
        if any(seen.scope.function is not variable.owner for seen in variable.occurrences):
            return False
        loops = [
            outer for seen in variable.writes for outer in program.ancestors(seen.node)
            if isinstance(outer, cst.For) and program.contains(outer.target, seen.node)
            and not program.contains(outer, loop)
        ]  # fmt: skip
        reads = (
            seen.node for seen in variable.occurrences
            if seen.access != "write" and not any(program.contains(other.body, seen.node) for other in loops)
        )  # fmt: skip
        return all(self._is_asked(node) or self._is_copied(node) or self.are_only_held(node) for node in reads)

    def _parameters_in(self, target: cst.BaseExpression, source: cst.BaseExpression) -> list[cst.Name]:
        """The names in the target of a loop that are no names of parameters, and no numbers of theirs."""
        if not isinstance(source, cst.Call) or not isinstance(target, (cst.Tuple, cst.List)):
            return names_in(target)
        called = self.outline.program.qualified_name(source.func)
        named = isinstance(source.func, cst.Attribute) and source.func.attr.value == "named_parameters"
        if called in {f"builtins.{name}" for name in _ALIKE} and source.args:
            return self._parameters_in(target, source.args[0].value)
        if len(target.elements) != 2 or not (named or called == "builtins.enumerate"):
            return names_in(target)
        second = target.elements[1].value
        return names_in(second) if named else self._parameters_in(second, source.args[0].value)

    def _is_copied(self, node: cst.CSTNode) -> bool:
        """Whether a parameter takes the values of another one, or gives them: `target.data.copy_(param.data)`."""
        program = self.outline.program
        parent = program.parent[node]
        whole = parent if isinstance(parent, cst.Attribute) and parent.attr.value == "data" else node
        around = program.parent[whole]
        call = program.parent[around]
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute) or len(call.args) != 1:
            return False
        alone = isinstance(program.parent[call], cst.Expr)
        return alone and call.func.attr.value == "copy_" and not is_own_method(self.outline, "copy_")

    def _is_asked(self, node: cst.CSTNode) -> bool:
        """Whether a parameter is asked for nothing but its shape, its type, or whether it is trained.

        What looks for something in it, or how it begins, takes it for its name.
        """
        parent = self.outline.program.parent[node]
        if isinstance(parent, cst.ComparisonTarget):
            return isinstance(parent.operator, (cst.In, cst.NotIn))
        if isinstance(parent, cst.Arg):
            call = self.outline.program.parent[parent]
            return isinstance(call, cst.Call) and self.outline.program.qualified_name(call.func) in _COMPARING
        if isinstance(parent, cst.Attribute) and parent.attr.value == "data":
            return self._is_asked(parent)
        return isinstance(parent, cst.Attribute) and parent.attr.value in (*_COUNTED, *_OF_TEXTS)

    def _is_result(self, node: cst.CSTNode) -> bool:
        """Whether a parameter itself is what a comprehension gives."""
        parent = self.outline.program.parent[node]
        while isinstance(parent, _DISPLAYS):
            parent = self.outline.program.parent[parent]
        return isinstance(parent, _COMPREHENSIONS)

    def _only_asks(self, function: cst.Lambda) -> bool:
        parameters = [self.outline.program.variables.get(one.name) for one in function.params.params]
        uses = [node for node in walk(function.body) if self.outline.program.variables.get(node) in parameters]
        return all(map(self._is_asked, uses))

    def _is_only_read(self, name: cst.CSTNode) -> bool:
        """Whether what holds parameters under a name is only held by others while the module waits."""
        variable = self.outline.program.variables.get(name)
        if variable is None or variable in self.seen:
            return variable is not None
        self.seen.add(variable)
        program = self.outline.program
        training = [self.outline.site.epoch_loop, *self.outline.consumed]
        others = [seen for seen in variable.occurrences if not any(program.contains(p, seen.node) for p in training)]
        if any(seen.scope.function is not variable.owner for seen in others):
            return False
        own = variable.owner is self.outline.site.driver
        reads = [seen.node for seen in others if seen.access == "read" and seen.node in program.order]
        return all(self.are_only_held(node) for node in reads if not own or self.waiting.covers(node))
