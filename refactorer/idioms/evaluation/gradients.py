"""Whether an evaluation can run without gradients, as the Trainer's does, when the script's runs with them.

It can where nothing leaves a step that carries a graph: a sum that is added up for longer, a print that shows a
`grad_fn`, a list that keeps results. Only forms that are known to be harmless count; else the step keeps its gradients.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.idioms.device.data import comes_from_outside, data_is_plain
from refactorer.idioms.device.tensors import is_wrapper, wrapped
from refactorer.idioms.evaluation.formatting import formats_numbers, has_format, written_plainly
from refactorer.idioms.evaluation.layers import FOR_GRADIENTS, ignores_gradients
from refactorer.idioms.evaluation.parts import Evaluation, is_no_grad
from refactorer.idioms.evaluation.quiet import is_switch
from refactorer.idioms.known.plain import is_plain
from refactorer.idioms.shapes import method_calls
from refactorer.outline.control import suspensions
from refactorer.outline.objects.optimizers import Roles, assigned_class
from refactorer.outline.outline import Outline
from refactorer.outline.places.accumulators import assigned_pairs
from refactorer.outline.training.anchors import Loop

_GUARD = "enable_grad"
_CLEAN = "item detach tolist size dim numel nelement eq ne gt ge lt le argmax argmin long int bool byte"
_CLEAN_METHODS = frozenset(_CLEAN.split())
_METERS = ("update", "add", "append", "add_scalar")
_NUMBERS = ("item", "size", "numel", "dim")
_CLEAN_ATTRIBUTES = ("data", "shape", "dtype", "device", "ndim", "batch_size", "dataset")
_COMPUTING = """
view view_as reshape expand expand_as matmul mm bmm add sub mul div pow max min sum mean topk gather to cuda cpu
abs square sqrt norm clamp round std var softmax relu t type_as squeeze unsqueeze permute transpose float double
contiguous flatten sigmoid log_softmax exp log
"""
_TENSOR_METHODS = frozenset(_COMPUTING.split())
_IN_FUNCTIONS = {"append", "extend", "format", "join", "mul_", "add_", "div_", "sub_", "numpy", "nonzero", "sort"}
_CLEAN_BUILTINS = tuple(f"builtins.{name}" for name in ("len", "int", "float", "bool", "range", "isinstance", "str"))
_PASSING_ON = tuple(f"builtins.{name}" for name in ("tuple", "list", "zip", "enumerate", "reversed"))
_CLEAN_TORCH = tuple(f"torch.{name}" for name in ("eq", "ne", "gt", "ge", "lt", "le", "argmax", "argmin", "no_grad"))


def gradients_obstacle(outline: Outline, roles: Roles, found: Evaluation) -> str | None:
    """Why neither form of the step would compute as the script does."""
    program = outline.program
    for call in program.calls:
        switches = (program.qualified_name(call.func) or "").endswith(".set_grad_enabled")
        if switches and not isinstance(program.parent.get(call), cst.WithItem):
            return "the script switches gradients on and off for itself"
    if any(call for call in method_calls(outline, "backward") if program.contains(found.loop, call)):
        return "it computes gradients"
    if found.silent or not needs_gradients(outline, roles, found) or guard_with_gradients(outline) is not None:
        return None
    return "it runs with gradients"


def guard_with_gradients(outline: Outline) -> tuple[str, str | None] | None:
    """The call that switches gradients on, by a name of the file for torch, or with an import of its own."""
    program = outline.program
    first = min(program.order[n] for n in program.module.body if not isinstance(n, cst.SimpleStatementLine))
    names = [
        node.value for node, full in program.imports.items()
        if full == "torch" and isinstance(node, cst.Name) and program.order[node] < first
    ]  # fmt: skip
    taken = {v.name for v in program.variables.values() if v.owner is not program.scope[program.module]}
    found = next((name for name in names if name not in taken), None)
    if found is not None:
        return f"{found}.enable_grad()", None
    if any(variable.name == _GUARD for variable in program.variables.values()):
        return None
    return f"{_GUARD}()", f"from torch import {_GUARD}"


def needs_gradients(outline: Outline, roles: Roles, found: Evaluation) -> bool:
    """Whether a step of an evaluation with gradients may leave something that shows them."""
    if found.silent:
        return False
    escapes = _Escapes(outline, roles, found)
    if not escapes.none():
        return True
    return not all(ignores_gradients(outline, model) for model in escapes.run)


class _Escapes:
    """Follows what carries a graph through one step; `run` are the models that it runs with gradients."""

    def __init__(self, outline: Outline, roles: Roles, found: Evaluation) -> None:
        self.outline, self.program, self.roles, self.found = outline, outline.program, roles, found
        self.run: set[Variable] = set()
        self.early = self._early(found.loop)
        self.own = {v for n, v in outline.uses(found.loop) if outline.is_write(n)}
        self.graph: set[Variable] = set() if self._has_plain_data() else self._targets()

    def _targets(self) -> set[Variable]:
        """What the loop binds to a batch."""
        names = names_in(self.found.loop.target)
        return {variable for name in names if (variable := self.outline.variable(name)) is not None}

    def _has_plain_data(self) -> bool:
        """Whether the batches surely need no gradients."""
        iterable = self.found.source(self.outline).iterable
        known = iterable is not None and comes_from_outside(self.outline, iterable)
        return known and data_is_plain(self.outline)

    def _early(self, loop: Loop) -> set[Variable]:
        """What a round of a loop may read that is left from before it."""
        targets = names_in(loop.target) if isinstance(loop, cst.For) else []
        bound = {self.outline.variable(name) for name in targets}
        flow = flow_of(self.program, loop.body.body)
        return {self.outline.bindings.canonical(v) for v in flow.early} - bound

    def none(self) -> bool:
        """Whether nothing that carries a graph leaves the step."""
        before = -1
        while len(self.graph) != before:
            before = len(self.graph)
            if not all(self._line(line, False) for line in self.found.loop.body.body):
                return False
        return all(self._stays(variable) for variable in self.graph)

    def _stays(self, variable: Variable) -> bool:
        """Whether a variable with a graph is read in its own step only."""
        if variable in self.early:
            return False
        step = self.outline.site.batch_loop
        trains = self._early(step)
        for raw in {v for v in self.program.variables.values() if self.outline.bindings.canonical(v) is variable}:
            for seen in raw.reads:
                inside = seen.order >= 0 and self.program.contains(self.found.loop, seen.node)
                trained = (
                    not self.found.midway
                    and seen.order >= 0
                    and self.program.contains(step, seen.node)
                    and variable not in trains
                )
                if not inside and not trained:
                    return False
        return True

    def _line(self, line: cst.CSTNode, silent: bool) -> bool:
        """Whether a statement lets nothing out; notes which variables it gives a graph."""
        if is_switch(self.outline, line):
            return True
        if isinstance(line, cst.SimpleStatementLine):
            return all(self._small(small, silent) for small in line.body)
        if isinstance(line, cst.If):
            rest = [line.orelse] if line.orelse is not None else []
            return self._calls(line.test) and all(self._line(x, silent) for x in (*line.body.body, *rest))
        if isinstance(line, cst.Else):
            return all(self._line(part, silent) for part in line.body.body)
        if isinstance(line, cst.For) and line.orelse is None:
            self._note_targets(line)
            return self._calls(line.iter) and all(self._line(part, silent) for part in line.body.body)
        if isinstance(line, cst.With) and len(line.items) == 1 and is_no_grad(self.program, line.items[0].item):
            return all(self._line(part, True) for part in line.body.body)
        return False

    def _note_targets(self, loop: cst.For | cst.CompFor) -> None:
        """What a loop within the step takes out of something with a graph has one."""
        if not self._clean(loop.iter):
            names = names_in(loop.target)
            self.graph |= {v for name in names if (v := self.outline.variable(name)) is not None}

    def _small(self, small: cst.CSTNode, silent: bool) -> bool:
        if isinstance(small, (cst.Pass, cst.Break, cst.Continue)):
            return True
        if isinstance(small, cst.Assert):
            return self._calls(small.test) and (small.msg is None or self._clean(small.msg))
        if isinstance(small, cst.Expr):
            return silent or self._calls(small.value)
        if not isinstance(small, (cst.Assign, cst.AugAssign)):
            return False
        targets = [t.target for t in small.targets] if isinstance(small, cst.Assign) else [small.target]
        names = [name for target in targets for name in names_in(target)]
        made = silent and isinstance(small.value, (cst.Call, cst.BinaryOperation)) and isinstance(small, cst.Assign)
        clean = made or self._clean(small.value)
        if isinstance(small, cst.AugAssign):
            clean = clean and self._clean(small.target)
        if not clean:
            if not names or any(not isinstance(t, (cst.Name, cst.Tuple)) for t in targets):
                return False
            self.graph |= {v for name in names if (v := self.outline.variable(name)) is not None}
        return silent or self._calls(small.value)

    def _clean(self, node: cst.CSTNode) -> bool:
        """Whether the value of an expression carries no graph, for certain."""
        if isinstance(node, cst.Name):
            return self._clean_name(node)
        if isinstance(node, (cst.BaseNumber, cst.SimpleString, cst.ConcatenatedString, cst.Comparison)):
            return True
        if isinstance(node, cst.FormattedString):
            parts = [part for part in node.parts if isinstance(part, cst.FormattedStringExpression)]
            return all(self._clean(part.expression) or has_format(part) for part in parts)
        if isinstance(node, cst.Attribute):
            return node.attr.value in _CLEAN_ATTRIBUTES or self._clean(node.value)
        if isinstance(node, cst.Call):
            return self._clean_call(node)
        if isinstance(node, (cst.BinaryOperation, cst.BooleanOperation)):
            return formats_numbers(node) or (self._clean(node.left) and self._clean(node.right))
        if isinstance(node, cst.UnaryOperation):
            return self._clean(node.expression)
        if isinstance(node, cst.Subscript):
            return self._clean(node.value)
        if isinstance(node, (cst.Tuple, cst.List)):
            return all(isinstance(e, cst.Element) and self._clean(e.value) for e in node.elements)
        return False

    def _clean_name(self, node: cst.Name) -> bool:
        variable = self.outline.variable(node)
        if variable is None or variable.owner is None:
            return True
        if variable in self.graph:
            return False
        if variable not in self.own:
            return is_plain(self.outline, variable) or self._counts(variable)
        return variable not in self.early or self._counts(variable)

    def _counts(self, variable: Variable) -> bool:
        """Whether everything outside the loop that a variable is set to is a number."""
        for seen in variable.writes:
            if seen.order >= 0 and self.program.contains(self.found.loop, seen.node):
                continue
            target = self.program.parent.get(seen.node)
            small = self._assignment(seen.node)
            if isinstance(target, cst.AugAssign):
                around = [*self.found.before, *self.found.after, *self.found.later]
                if self._is_number(target.value) or any(self.program.contains(line, seen.node) for line in around):
                    continue
            values = [value for name, value in assigned_pairs(small) if name is seen.node] if small is not None else []
            if not values or not all(isinstance(value, cst.BaseNumber) for value in values):
                return False
        return True

    def _is_number(self, node: cst.CSTNode) -> bool:
        """Whether an expression carries no graph, whatever its names stand for: `loss.item() * x.size(0)`."""
        if isinstance(node, cst.BinaryOperation):
            return self._is_number(node.left) and self._is_number(node.right)
        if isinstance(node, cst.Call):
            if self.program.qualified_name(node.func) in ("torch.sum", "builtins.sum"):
                return all(self._is_number(arg.value) for arg in node.args)
            method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
            return method in _NUMBERS or self.program.qualified_name(node.func) in ("builtins.len", "time.time")
        if isinstance(node, cst.Name):
            variable = self.outline.variable(node)
            values = [self.program.bound_to(seen.node) for seen in variable.writes] if variable is not None else []
            return bool(values) and all(isinstance(v, cst.Call) and self._is_number(v) for v in values)
        return isinstance(node, (cst.BaseNumber, cst.Comparison))

    def _assignment(self, node: cst.CSTNode) -> cst.Assign | None:
        """The assignment that a name is a target of."""
        while isinstance(node, (cst.Name, cst.Element, cst.Tuple, cst.AssignTarget)) and node in self.program.parent:
            node = self.program.parent[node]
        return node if isinstance(node, cst.Assign) else None

    def _clean_call(self, call: cst.Call) -> bool:
        full = self.program.qualified_name(call.func)
        arguments = all(self._clean(arg.value) for arg in call.args)
        plainly = written_plainly(call)
        if plainly is not None:
            return all(self._clean(value) for value in plainly)
        if is_wrapper(self.outline, call):
            return wrapped(call) is not None  # which has no graph, whatever it wraps
        if full is not None:
            if full in _CLEAN_BUILTINS or full in _CLEAN_TORCH:
                return True
            known = full.startswith(("torch.", "builtins.", "math.", "time.")) and not full.startswith(FOR_GRADIENTS)
            return arguments and known
        if not isinstance(call.func, cst.Attribute):
            function = self.program.function(call.func)
            return arguments and function is not None and self._only_computes(function)
        if call.func.attr.value in _CLEAN_METHODS:
            return True
        return arguments and self._clean(call.func.value)

    def _calls(self, node: cst.CSTNode) -> bool:
        """Whether no call in an expression hands a graph to something that may keep or show it."""
        for call in walk(node):
            if isinstance(call, (cst.Lambda, cst.NamedExpr)) or self._runs_later(call):
                return False
            if isinstance(call, cst.CompFor):
                self._note_targets(call)
            if isinstance(call, cst.Call) and not self._harmless(call):
                return False
        return True

    def _runs_later(self, node: cst.CSTNode) -> bool:
        """Whether a node is a generator that the code around it does not run through at once."""
        if not isinstance(node, cst.GeneratorExp):
            return False
        arg = self.program.parent.get(node)
        call = self.program.parent.get(arg) if isinstance(arg, cst.Arg) else None
        return not isinstance(call, cst.Call) or self.program.qualified_name(call.func) not in _PASSING_ON[:2]

    def _harmless(self, call: cst.Call) -> bool:
        full = self.program.qualified_name(call.func)
        arguments = all(self._clean(arg.value) for arg in call.args)
        if self._is_network(call.func) or full in _PASSING_ON or is_wrapper(self.outline, call):
            return True
        if written_plainly(call) is not None:
            return self._clean_call(call)
        if full is not None:
            computes = full.startswith("torch.") and not full.startswith(FOR_GRADIENTS)
            return arguments or computes or full in _CLEAN_BUILTINS
        if isinstance(call.func, cst.Attribute):
            if call.func.attr.value in _TENSOR_METHODS | _CLEAN_METHODS:
                return True
            familiar = all(self._is_known(variable) for _, variable in self.outline.uses(call.func))
            counts = call.func.attr.value in _METERS and all(self._is_number(arg.value) for arg in call.args)
            return counts or (arguments and familiar)
        known = self.program.function(call.func)
        if known is None or not arguments or any(self.outline.mentions(m, known) for m in self.roles.models):
            return False
        inner = [node for node in walk(known.body) if isinstance(node, cst.Call)]
        plain = all((self.program.qualified_name(part.func) or "").startswith("builtins.") for part in inner)
        return plain or self._only_computes(known)

    def _only_computes(self, known: cst.FunctionDef) -> bool:
        """Whether a function of the file can have no graph but those of its arguments."""
        if known.decorators or known.asynchronous is not None or suspensions([known.body]):
            return False
        for _, variable in self.program.used([known]):
            outside = variable.owner is not None and variable.owner.node is not known
            imported = any(seen.node in self.program.imports for seen in variable.writes)
            if outside and not imported and not is_plain(self.outline, variable):
                return False
        return all(self._may_stand_inside(node) for node in walk(known.body))

    def _may_stand_inside(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Lambda, cst.Global, cst.Nonlocal, cst.NamedExpr)):
            return False
        if not isinstance(node, cst.Call):
            return True
        full = self.program.qualified_name(node.func)
        if any(arg.keyword is not None and arg.keyword.value == "requires_grad" for arg in node.args):
            return False
        if full is not None:
            return full.startswith(("builtins.", "torch.", "math.")) and not full.startswith(FOR_GRADIENTS)
        known = _TENSOR_METHODS | _CLEAN_METHODS | _IN_FUNCTIONS
        return isinstance(node.func, cst.Attribute) and node.func.attr.value in known

    def _is_known(self, variable: Variable) -> bool:
        return variable.owner is None or variable in self.own or is_plain(self.outline, variable)

    def _is_network(self, func: cst.CSTNode) -> bool:
        variable = self.outline.variable(func)
        if variable is None:
            return False
        if variable in self.roles.models:
            self.run.add(variable)
            return True
        made = assigned_class(self.program, variable) or ""
        return made.startswith("torch.nn.") and made.endswith("Loss")
