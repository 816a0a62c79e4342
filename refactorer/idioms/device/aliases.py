"""Whether anything can tell a tensor of the data from an alias of it that needs no gradient."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in, paired
from refactorer.analysis.walk import walk
from refactorer.idioms.device.data import asks_for_identity, is_fresh, is_safe_code
from refactorer.idioms.device.tensors import is_wrapper
from refactorer.outline.outline import Outline

_SIZES = {"size", "shape", "dim", "numel", "nelement", "ndimension", "ndim", "dtype"}


def root_of(outline: Outline, node: cst.CSTNode | None) -> cst.CSTNode | None:
    """What a chain of attributes, items, methods and wrappers begins with: the `x` of `Variable(x[0]).view(-1)`."""
    while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call)):
        if is_wrapper(outline, node):
            node = node.args[0].value if isinstance(node, cst.Call) and node.args else None
        else:
            node = node.func if isinstance(node, cst.Call) else node.value
    return node


class Aliases:
    """The other names of tensors in the hooks; `tells` says which uses of a name can see what it names."""

    def __init__(self, outline: Outline, tells: Callable[[cst.CSTNode], bool]) -> None:
        self.outline, self.program = outline, outline.program
        self.code_is_safe, self.data_is_fresh = is_safe_code(outline), is_fresh(outline)
        self.identity_counts = asks_for_identity(outline)
        self.names: dict[Variable, set[Variable]] = {}
        self.uses: dict[Variable, list[cst.CSTNode]] = {}
        for body in outline.hooks.values():
            for node, variable in outline.uses(*body):
                self.uses.setdefault(variable, []).append(node)
            for assign in walk(*body):
                if isinstance(assign, cst.Assign):
                    self._note(assign)
        self.told = {v for v, nodes in self.uses.items() if any(tells(node) for node in nodes)}

    def _note(self, assign: cst.Assign) -> None:
        for target in assign.targets:
            for place, value in paired(target.target, assign.value):
                root = self.outline.variable(root_of(self.outline, value))
                names = {v for name in names_in(place) if (v := self.outline.variable(name)) is not None}
                if root is not None:
                    self.names.setdefault(root, set()).update(names)

    def may_be_one(self, call: cst.Call, given: cst.BaseExpression) -> bool:
        """Whether `Variable(given)` may be the tensor itself."""
        root = self.outline.variable(root_of(self.outline, given))
        if root is None or self.identity_counts or not self.told.isdisjoint(self._all_names(root)):
            return False
        if self.code_is_safe:
            return True
        return self.data_is_fresh and (self._is_bound_again(call, root) or self._is_only_use(given, root))

    def _all_names(self, root: Variable) -> set[Variable]:
        found, todo = {root}, [root]
        while todo:
            new = self.names.get(todo.pop(), set()) - found
            found |= new
            todo += new
        return found

    def _is_bound_again(self, call: cst.Call, root: Variable) -> bool:
        """`x = Variable(x)`: nothing has the tensor under its old identity any more."""
        assign: cst.CSTNode | None = call
        while assign is not None and not isinstance(assign, cst.Assign):
            assign = None if isinstance(assign, cst.BaseSmallStatement) else self.program.parent.get(assign)
        if assign is None or len(assign.targets) != 1:
            return False
        pairs = paired(assign.targets[0].target, assign.value)
        return any(
            self.program.contains(value, call) and isinstance(place, cst.Name) and self.outline.variable(place) is root
            for place, value in pairs
        )

    def _is_only_use(self, given: cst.BaseExpression, root: Variable) -> bool:
        """Whether the data is looked at in this place only, sizes aside; items of a batch are looked at one by one."""
        key = self._key(given)
        here = next((node for node in walk(given) if self.outline.variable(node) is root), None)
        for node in self.uses.get(root, []):
            if node is here or self.outline.is_write(node) or self._asks_for_size(node):
                continue
            parent = self.program.parent.get(node)
            other = self._key(parent) if isinstance(parent, cst.Subscript) and parent.value is node else None
            if key is None or other is None or key == other:
                return False
        return True

    def _key(self, node: cst.CSTNode | None) -> str | None:
        """The constant that a batch is subscripted with, at the beginning of a chain."""
        while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call)):
            if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name) and len(node.slice) == 1:
                index = node.slice[0].slice
                constant = index.value if isinstance(index, cst.Index) else None
                return str(constant.evaluated_value) if isinstance(constant, (cst.Integer, cst.SimpleString)) else None
            node = node.func if isinstance(node, cst.Call) else node.value
        return None

    def _asks_for_size(self, node: cst.CSTNode) -> bool:
        parent = self.program.parent.get(node)
        return isinstance(parent, cst.Attribute) and parent.value is node and parent.attr.value in _SIZES
