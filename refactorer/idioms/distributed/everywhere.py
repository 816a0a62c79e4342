"""Whether code runs in all processes or in none, and with the same values: a checkpoint that each of them loads.

Processes differ by their number and their device, and by what follows from these. What they read from a file by a name
that all of them have, or from their arguments, is the same for all.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.analysis.targets import names_in
from refactorer.idioms.distributed.values import is_parsed_arguments, source_of
from refactorer.outline.objects.torch_names import MOVES
from refactorer.outline.outline import Outline

_OWN = frozenset({
    "rank", "ranks", "gpu", "gpus", "npu", "device", "devices", "id", "node", "local", "process", "main", "master",
    "worker", "host",
})  # fmt: skip
_CALLS = tuple(f"builtins.{name}" for name in ("dict", "list", "len", "str", "int", "bool", "isinstance")) + (
    "collections.OrderedDict", "torch.load", "torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url",
    "os.path.join", "os.path.isfile", "os.path.exists",
)  # fmt: skip
_METHODS = ("items", "keys", "values", "get", "pop", "replace", "startswith", "endswith", "split", "copy", "update")
_LEAVING = (*_METHODS, "load_state_dict", "format", "info", "debug", "warning")
_PLACES = ("map_location", "weights_only")
_TARGETS = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Del, cst.Element, cst.For, cst.AsName)
_BLOCKS = (cst.While, cst.Try, cst.TryStar, cst.With)


class Everywhere:
    """Follows conditions and values through the file to where they come from."""

    def __init__(self, outline: Outline) -> None:
        self.outline, self.program = outline, outline.program
        self.asked: set[Variable] = set()
        self.followed: set[Variable] = set()

    def is_reached(self, node: cst.CSTNode) -> bool:
        """Whether a place of a function is reached in all processes or in none, however often."""
        inner = node
        for outer in self.program.ancestors(node):
            if isinstance(outer, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
                break
            asked = outer.test if isinstance(outer, cst.If) else outer.iter if isinstance(outer, cst.For) else None
            if isinstance(outer, _BLOCKS) or (asked not in (None, inner) and not self.is_same(asked)):
                return False
            inner = outer
        return True

    def is_same(self, value: cst.CSTNode | None) -> bool:
        """Whether an expression has the same value in all processes."""
        if isinstance(value, (cst.BaseNumber, cst.SimpleString)):
            return True
        if isinstance(value, cst.Name):
            return value.value in ("None", "True", "False") or self._is_known(self.outline.variable(value))
        if isinstance(value, cst.Attribute):
            return self._is_setting(value)
        if isinstance(value, cst.Call):
            return self._is_called(value)
        if isinstance(value, cst.UnaryOperation):
            return self.is_same(value.expression)
        if isinstance(value, (cst.BooleanOperation, cst.BinaryOperation)):
            return self.is_same(value.left) and self.is_same(value.right)
        if isinstance(value, cst.Comparison):
            return all(map(self.is_same, (value.left, *(target.comparator for target in value.comparisons))))
        if isinstance(value, cst.Subscript):
            places = [part.slice.value for part in value.slice if isinstance(part.slice, cst.Index)]
            return len(places) == len(value.slice) and all(map(self.is_same, (value.value, *places)))
        if isinstance(value, cst.DictComp) and value.for_in.inner_for_in is None:
            asked = [part.test for part in value.for_in.ifs]
            return all(map(self.is_same, (value.key, value.value, value.for_in.iter, *asked)))
        return isinstance(value, cst.Dict) and not value.elements

    def _is_called(self, call: cst.Call) -> bool:
        args = [arg.value for arg in call.args if arg.keyword is None or arg.keyword.value not in _PLACES]
        func = call.func
        if self.program.qualified_name(func) in _CALLS:
            return all(map(self.is_same, args))
        if not isinstance(func, cst.Attribute) or func.attr.value not in _METHODS:
            return False
        return all(map(self.is_same, (func.value, *args)))

    def _is_setting(self, attribute: cst.Attribute) -> bool:
        """Whether an attribute is that of parsed arguments, and all that set it give it the same everywhere."""
        name = attribute.attr.value
        if _OWN & set(name.lower().split("_")):
            return False
        if not is_parsed_arguments(self.outline, self.outline.variable(attribute.value)):
            return False
        named = (node for node in self.program.find(cst.Attribute) if node.attr.value == name)
        stores = [node for node in named if isinstance(self.program.parent.get(node), _TARGETS)]
        return all(self.is_same(source_of(self.program, node)) and self.is_reached(node) for node in stores)

    def _is_known(self, variable: Variable | None) -> bool:
        if variable is None or not variable.writes:
            return False
        if variable in self.asked:
            return True  # the first question answers for it
        self.asked.add(variable)
        written, read = filter(self._is_early, variable.writes), filter(self._is_early, variable.reads)
        return all(map(self._is_written, written)) and all(map(self._is_only_read, read))

    def _is_early(self, seen: Occurrence) -> bool:
        """Whether a name is met in front of the training, or may be: in a function."""
        known = seen.node in self.program.order
        return not known or not self.program.contains(self.outline.site.epoch_loop, seen.node)

    def _is_written(self, seen: Occurrence) -> bool:
        """Whether a place that binds a name binds it in all processes, and to the same."""
        if isinstance(self.program.parent.get(seen.node), (cst.AugAssign, cst.Param, cst.Del)):
            return False
        if not self.is_same(source_of(self.program, seen.node)):
            return False
        return self.is_reached(seen.node) or self._is_bound_alike(seen.node)

    def _is_bound_alike(self, name: cst.CSTNode) -> bool:
        """Whether the other branch of an `if` binds a name to the same, but for the device that a tensor is put on."""
        program, line = self.program, self.program.statement(name)
        branch = program.parent[program.parent[line]]
        branch = program.parent[branch] if isinstance(branch, cst.Else) else branch
        if not isinstance(branch, cst.If) or not isinstance(branch.orelse, cst.Else) or not self.is_reached(branch):
            return False
        blocks = [block.body for block in (branch.body, branch.orelse.body) if line not in block.body]
        bound = program.bound_to(name)
        others = [
            value for seen in program.variables[name].writes if (value := program.bound_to(seen.node)) is not None
            and any(program.statement(seen.node) in block for block in blocks)
        ]  # fmt: skip
        return bound is not None and any(_loads_alike(bound, value) for value in others)

    def _is_only_read(self, seen: Occurrence) -> bool:
        """Whether a mention of a variable leaves what it holds as it is, or changes it in all processes alike."""
        node, outer = seen.node, self.program.parent.get(seen.node)
        while outer is not None and _is_part_or_moved(node, outer):
            node, outer = outer, self.program.parent.get(outer)
        if isinstance(outer, _TARGETS):
            return self.is_same(source_of(self.program, node)) and self.is_reached(node)
        if isinstance(outer, cst.Assign):
            return self._are_known(*(target.target for target in outer.targets))
        if isinstance(outer, cst.Arg):
            return self._leaves(self.program.parent.get(outer))
        if not isinstance(outer, cst.Call) or outer.func is not node:
            return True
        around = self.program.parent.get(outer)
        if isinstance(around, (cst.For, cst.CompFor)) and not self._are_known(around.target):
            return False
        return node.attr.value in _METHODS and self._is_called(outer) and self.is_reached(node)  # type: ignore

    def _are_known(self, *targets: cst.BaseExpression) -> bool:
        """Whether other names for a value, or for its parts, leave it as it is too."""
        names = [self.outline.variable(name) for target in targets for name in names_in(target)]
        new = {variable for variable in names if variable is not None} - self.followed
        self.followed |= new
        return all(self._is_only_read(seen) for variable in new for seen in variable.reads if self._is_early(seen))

    def _leaves(self, call: cst.CSTNode | None) -> bool:
        """Whether a call leaves what it is given as it is."""
        if not isinstance(call, cst.Call):
            return False
        full = self.program.qualified_name(call.func)
        if full is not None:
            return full in _CALLS or full.startswith("builtins.")
        return isinstance(call.func, cst.Attribute) and call.func.attr.value in _LEAVING


def _is_part_or_moved(node: cst.CSTNode, outer: cst.CSTNode) -> bool:
    """Whether an expression is a part of what another one gives, or the same on another device."""
    if isinstance(outer, (cst.Subscript, cst.Attribute)):
        return outer.value is node
    return isinstance(outer, cst.Call) and outer.func is node and isinstance(node, cst.Attribute) and (
        node.attr.value in MOVES
    )  # fmt: skip


def _loads_alike(one: cst.BaseExpression, other: cst.BaseExpression) -> bool:
    """Whether two calls differ by the device alone that they put tensors on."""
    if not isinstance(one, cst.Call) or not isinstance(other, cst.Call) or not one.func.deep_equals(other.func):
        return False
    args = [
        [arg for arg in call.args if arg.keyword is None or arg.keyword.value not in _PLACES] for call in (one, other)
    ]
    pairs = list(zip(*args))
    return len(args[0]) == len(args[1]) and all(
        first.value.deep_equals(second.value) and not (first.star or second.star or first.keyword or second.keyword)
        for first, second in pairs
    )
