"""Expressions whose tensors need no gradient: new tensors, the data of a loader, and what is made of them."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.analysis.scopes import Occurrence, Variable
from refactorer.idioms.device.data import comes_from_outside, data_is_plain
from refactorer.idioms.shapes import is_false
from refactorer.outline.outline import Outline

RESHAPING = {
    "view", "reshape", "unsqueeze", "squeeze", "flatten", "permute", "transpose", "t", "contiguous", "expand",
    "float", "long", "double", "int", "half", "bool", "type", "view_as", "expand_as", "repeat",
}  # fmt: skip
MOVING = {"cuda", "to", "cpu"}
_DRAWING = {"zero_", "normal_", "uniform_", "random_", "exponential_"}  # given numbers alone
_STORING = {"copy_", "add_", "sub_", "mul_", "div_", "scatter_", "masked_fill_", "fill_", "bernoulli_"}
FACTORIES = {
    "zeros", "ones", "full", "empty", "eye", "arange", "linspace", "rand", "randn", "randint", "randperm", "tensor",
    "zeros_like", "ones_like", "rand_like", "randn_like", "full_like", "empty_like", "from_numpy",
}  # fmt: skip
_PASSING = {"cat", "stack", "unsqueeze", "squeeze", "transpose", "reshape", "flatten", "normal", "sort"}
_KINDS = {"Float", "Double", "Half", "Byte", "Char", "Short", "Int", "Long", "Bool", ""}
_TELLING = {
    "requires_grad", "grad", "grad_fn", "is_leaf", "retain_grad", "register_hook", "volatile", "creator", "data",
}  # fmt: skip
_SETTING = ("builtins.setattr", "builtins.delattr", "builtins.hasattr")


class Gradients:
    """Knows which expressions of the hooks are surely free of gradients, and which nothing else holds."""

    def __init__(self, outline: Outline) -> None:
        self.outline, self.program = outline, outline.program
        self.known: dict[Variable, bool] = {}
        self.data_is_plain = data_is_plain(outline)
        self.uses: dict[Variable, list[cst.CSTNode]] = {}
        for body in outline.hooks.values():
            for node, variable in outline.uses(*body):
                self.uses.setdefault(variable, []).append(node)

    def free(self, node: cst.BaseExpression) -> bool:
        """Whether no tensor that an expression gives, or holds, requires a gradient."""
        if isinstance(node, cst.Name):
            variable = self.outline.variable(node)
            return variable is not None and self._is_free_variable(variable)
        if isinstance(node, (cst.BaseNumber, cst.BaseString)):
            return True
        if isinstance(node, cst.Subscript):
            return self.free(node.value)
        if isinstance(node, cst.Attribute):
            return node.attr.value == "data" or (node.attr.value not in _TELLING and self.free(node.value))
        if isinstance(node, (cst.Tuple, cst.List)):
            return all(self.free(element.value) for element in node.elements)
        if isinstance(node, cst.BinaryOperation):
            return self.free(node.left) and self.free(node.right)
        if isinstance(node, cst.IfExp):
            return self.free(node.body) and self.free(node.orelse)
        return isinstance(node, cst.Call) and self._is_free_call(node)

    # --- calls ----------------------------------------------------------------------------------------------------

    def _is_free_call(self, call: cst.Call) -> bool:
        if any(arg.keyword is not None and arg.keyword.value in ("requires_grad", "out") for arg in call.args):
            return self._is_wrapper(call) and wrapped(call) is not None
        if self._is_wrapper(call):
            return True
        name = self.program.qualified_name(call.func) or ""
        if name.startswith("torch.") and name[len("torch.") :] in FACTORIES:
            return True
        if name.startswith("torch.") and name[len("torch.") :] in _PASSING:
            return all(self.free(arg.value) or self._is_number(arg.value) for arg in call.args)
        if self.makes_typed_tensor(call.func):
            return len(call.args) != 1 or self._is_no_tensor(call.args[0])
        if not isinstance(call.func, cst.Attribute) or name:
            return False
        method = call.func.attr.value
        if method == "detach":
            return True
        if method in _DRAWING | _STORING:
            return self.free(call.func.value) and self._stores_no_gradient(call)
        return method in RESHAPING | MOVING and self.free(call.func.value)

    def is_new(self, node: cst.BaseExpression) -> bool:
        """Whether nothing else has the tensor that an expression gives: its alias is as good as the tensor."""
        if isinstance(node, (cst.BinaryOperation, cst.UnaryOperation)):
            return True
        if isinstance(node, cst.Attribute):
            return node.attr.value == "data"
        if not isinstance(node, cst.Call):
            return False
        name = self.program.qualified_name(node.func) or ""
        if name.startswith("torch.") and name[len("torch.") :] in FACTORIES - {"from_numpy"}:
            return True
        if self.makes_typed_tensor(node.func):
            return len(node.args) != 1 or not self.free(node.args[0].value)
        if not isinstance(node.func, cst.Attribute) or name:
            return name == "torch.from_numpy"
        return node.func.attr.value in ("detach", "clone") or self.is_new(node.func.value)

    def _is_wrapper(self, call: cst.Call) -> bool:
        return is_wrapper(self.outline, call)

    def makes_typed_tensor(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is `torch.FloatTensor`, `torch.cuda.LongTensor` or a variable that holds such types."""
        if isinstance(node, cst.IfExp):
            return self.makes_typed_tensor(node.body) and self.makes_typed_tensor(node.orelse)
        name = self.program.qualified_name(node) or ""
        kind = name.rsplit(".", 1)[-1]
        if name.startswith("torch.") and kind.endswith("Tensor"):
            return kind.removesuffix("Tensor") in _KINDS
        value = self.program.assigned_value(self.outline.variable(node)) if isinstance(node, cst.Name) else None
        return isinstance(value, (cst.IfExp, cst.Attribute)) and self.makes_typed_tensor(value)

    def _is_no_tensor(self, arg: cst.Arg) -> bool:
        """Whether the only argument of a typed tensor is a size or an array: of a tensor it would be an alias."""
        node = arg.value
        return arg.star == "*" or self._is_number(node) or self._is_array(node) or self.free(node)

    def _is_number(self, node: cst.BaseExpression) -> bool:
        """Whether an expression is a number or several, such as a size."""
        if isinstance(node, (cst.BaseNumber, cst.UnaryOperation)):
            return not isinstance(node, cst.UnaryOperation) or self._is_number(node.expression)
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            return node.func.attr.value == "size"
        if isinstance(node, cst.Subscript):
            return isinstance(node.value, cst.Attribute) and node.value.attr.value == "shape"
        if isinstance(node, cst.Attribute):
            return node.attr.value == "shape" or is_setting(self.program, node)
        value = self.program.assigned_value(self.outline.variable(node)) if isinstance(node, cst.Name) else None
        return value is not None and self._is_number(value)

    def _is_array(self, node: cst.BaseExpression) -> bool:
        if isinstance(node, (cst.List, cst.ListComp)):
            return True
        if isinstance(node, cst.Call):
            name = self.program.qualified_name(node.func) or ""
            return name.startswith("numpy.")
        if isinstance(node, cst.BinaryOperation):
            return self._is_array(node.left) or self._is_array(node.right)
        value = self.program.assigned_value(self.outline.variable(node)) if isinstance(node, cst.Name) else None
        return isinstance(value, cst.Call) and self._is_array(value)

    # --- variables ------------------------------------------------------------------------------------------------

    def _is_free_variable(self, variable: Variable) -> bool:
        if variable not in self.known:
            self.known[variable] = True  # while its own writes are looked at: a chain begins somewhere else
            before = dict(self.known)
            self.known[variable] = self._has_free_writes(variable)
            if not self.known[variable]:
                self.known = {**{v: found for v, found in before.items() if not found}, variable: False}
        return self.known[variable]

    def _has_free_writes(self, variable: Variable) -> bool:
        if variable.owner is None or not variable.writes:
            return False
        if any(self.tells(node) for node in self.uses.get(variable, [])):
            return False
        return all(self._is_free_write(seen) for seen in variable.writes)

    def tells(self, node: cst.CSTNode) -> bool:
        """Whether a use can tell a tensor from its alias, or may give it a gradient: `x.requires_grad_()`, `x += y`."""
        parent = self.program.parent.get(node)
        while isinstance(parent, cst.Subscript) and parent.value is node:
            node, parent = parent, self.program.parent.get(parent)
        if isinstance(parent, cst.AugAssign):
            return not self._has_no_gradient(parent.value)
        if isinstance(parent, cst.AssignTarget):
            assign = self.program.parent.get(parent)
            stored = isinstance(assign, cst.Assign) and self._has_no_gradient(assign.value)
            return isinstance(node, cst.Subscript) and not stored
        if isinstance(parent, cst.Arg):
            call = self.program.parent.get(parent)
            return isinstance(call, cst.Call) and self.program.qualified_name(call.func) in _SETTING
        if not isinstance(parent, cst.Attribute) or parent.value is not node:
            return isinstance(parent, cst.Del)
        return self._attribute_tells(parent)

    def _attribute_tells(self, node: cst.Attribute) -> bool:
        parent, name = self.program.parent.get(node), node.attr.value
        if isinstance(parent, (cst.AssignTarget, cst.AugAssign)) or (name in _TELLING and name != "data"):
            return True
        called = isinstance(parent, cst.Call) and parent.func is node
        return name.endswith("_") and not (called and self._stores_no_gradient(parent))  # type: ignore[arg-type]

    def _stores_no_gradient(self, call: cst.Call) -> bool:
        """Whether a method that changes a tensor in place cannot give it a gradient."""
        method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
        stores = method in _STORING and all(self._has_no_gradient(arg.value) for arg in call.args)
        return stores or method in _DRAWING

    def _has_no_gradient(self, node: cst.BaseExpression) -> bool:
        return self.free(node) or self._is_number(node)

    def _is_free_write(self, seen: Occurrence) -> bool:
        if seen.access not in ("write", "delete"):
            return False
        path: list[int] = []
        node: cst.CSTNode = seen.node
        parent = self.program.parent.get(node)
        while isinstance(parent, (cst.Element, cst.Tuple, cst.List)):
            if isinstance(parent, (cst.Tuple, cst.List)):
                path.insert(0, next(i for i, element in enumerate(parent.elements) if element is node))
            node, parent = parent, self.program.parent.get(parent)
        if isinstance(parent, cst.For) and parent.target is node:
            return self.data_is_plain and comes_from_outside(self.outline, parent.iter)
        assign = self.program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else None
        if not isinstance(assign, cst.Assign):
            return False
        value: cst.BaseExpression = assign.value
        for index in path:
            if not isinstance(value, (cst.Tuple, cst.List)) or index >= len(value.elements):
                break
            value = value.elements[index].value
        return self.free(value)


def is_wrapper(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node is a call of `torch.autograd.Variable`."""
    name = outline.program.qualified_name(node.func) if isinstance(node, cst.Call) else None
    return name in ("torch.autograd.Variable", "torch.autograd.variable.Variable")


def _is_volatile(arg: cst.Arg) -> bool:
    """Whether an argument is `volatile=True` or another word, which has had no effect since PyTorch 0.4."""
    return arg.keyword is not None and arg.keyword.value == "volatile" and isinstance(arg.value, cst.Name)


def wrapped(call: cst.Call) -> cst.BaseExpression | None:
    """The argument of a `Variable(x)` that does nothing else: not for one that shall require a gradient."""
    return _given(call, needs=False)


def needing(call: cst.Call) -> cst.BaseExpression | None:
    """The argument of a `Variable(x, requires_grad=True)`."""
    return _given(call, needs=True)


def _given(call: cst.Call, *, needs: bool) -> cst.BaseExpression | None:
    given: cst.BaseExpression | None = None
    needed = False
    for index, arg in enumerate(call.args):
        keyword = arg.keyword.value if arg.keyword is not None else ""
        if arg.star:
            return None
        if (index == 0 and not keyword) or keyword == "data":
            given = arg.value
        elif keyword == "requires_grad" and isinstance(arg.value, cst.Name) and arg.value.value == "True":
            needed = True
        elif not (keyword == "requires_grad" and is_false(arg.value)) and not _is_volatile(arg):
            return None
    return given if needed == needs else None
