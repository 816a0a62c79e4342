"""Which expressions of a step are parts of the batch that nobody has moved yet, and which only ask for their shapes."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import children
from refactorer.idioms.device.moves import only_retypes
from refactorer.idioms.device.tensors import RESHAPING, is_wrapper, wrapped
from refactorer.idioms.shapes import is_none, is_none_test
from refactorer.outline.outline import Outline

_SIZES = {"size", "dim", "numel", "nelement", "ndimension"}
_SHAPES = {"shape", "ndim", "dtype"}
_KEEPING = RESHAPING | {"detach", "requires_grad_"}
_TO_HOST = {"cpu", "tolist", "item"}
_JOINING = {"torch.cat", "torch.stack", "torch.concat", "torch.hstack", "torch.vstack"}
_RESHAPING = {f"torch.{name}" for name in ("squeeze", "unsqueeze", "reshape", "flatten", "permute", "transpose", "t")}
_MADE_ALIKE = {f"torch.{name}_like" for name in ("zeros", "ones", "full")} | {"torch.nn.functional.one_hot"}
_KINDS = {"list", "tuple", "dict", "set", "str", "int", "float"}
_CPU_TYPES = {
    "Float": "float", "Double": "double", "Half": "half", "Short": "short", "Int": "int", "Long": "long",
    "Bool": "bool",
}  # fmt: skip


@dataclass
class Parts:
    """The parts of a batch; `raw` are the variables that hold them unmoved."""

    outline: Outline
    raw: set[Variable]

    def is_size(self, node: cst.CSTNode) -> bool:
        """Whether an expression only asks for a shape or a kind, which is the same on every device."""
        if isinstance(node, cst.Attribute):
            return node.attr.value in _SHAPES and self.is_part(node.value)
        if is_none_test(node):
            assert isinstance(node, cst.Comparison)
            return self.is_part(node.left)
        if not isinstance(node, cst.Call):
            return False
        name = self.outline.program.qualified_name(node.func)
        if name in ("builtins.len", "builtins.type", "torch.is_tensor"):
            return len(node.args) == 1 and self.is_part(node.args[0].value)
        if name == "builtins.isinstance":
            return len(node.args) == 2 and self.is_part(node.args[0].value) and self._is_kind(node.args[1].value)
        method = node.func if isinstance(node.func, cst.Attribute) else None
        return method is not None and method.attr.value in _SIZES and self.is_part(method.value)

    def is_on_host(self, node: cst.CSTNode) -> bool:
        """Whether an expression is what `labels.detach().cpu()` or `lengths.tolist()` gives wherever the part is."""
        method = node.func if isinstance(node, cst.Call) and not node.args else None
        return isinstance(method, cst.Attribute) and method.attr.value in _TO_HOST and self.is_part(method.value)

    def is_part(self, node: cst.CSTNode) -> bool:
        """Whether an expression is an unmoved part of the batch, at most in another shape or type, joined or alike."""
        if isinstance(node, cst.Name):
            return self.outline.variable(node) in self.raw
        if isinstance(node, cst.Subscript):
            return self.is_part(node.value) and not self.needs_batch(*node.slice)
        if isinstance(node, cst.Attribute):
            return node.attr.value not in _SHAPES and self.is_part(node.value)
        if isinstance(node, (cst.Tuple, cst.List)):
            return bool(node.elements) and all(self.is_part(element.value) for element in node.elements)
        if isinstance(node, cst.IfExp):
            answers = [part for part in (node.body, node.orelse) if not is_none(part)]
            return bool(answers) and all(map(self.is_part, answers)) and not self.needs_batch(node.test)
        return isinstance(node, cst.Call) and self._is_call_of_part(node)

    def _is_call_of_part(self, node: cst.Call) -> bool:
        if is_wrapper(self.outline, node):
            given = wrapped(node)
            return given is not None and self.is_part(given)
        name = self.outline.program.qualified_name(node.func)
        if name in _JOINING | _RESHAPING or (name in _MADE_ALIKE and not names_device(node)):
            return bool(node.args) and self.is_part(node.args[0].value) and not self.needs_batch(*node.args[1:])
        method = node.func if isinstance(node.func, cst.Attribute) else None
        if method is None or not (method.attr.value in _KEEPING or only_retypes(self.outline, node)):
            return False
        if method.attr.value == "type" and self._may_name_device(node) and self.on_any_device(node) is None:
            return False
        return self.is_part(method.value) and not self.needs_batch(*node.args)

    def needs_batch(self, *nodes: cst.CSTNode) -> bool:
        """Whether code looks at more of the batch than its shapes."""
        for node in nodes:
            if self.is_size(node):
                continue
            if isinstance(node, cst.Name) and self.outline.variable(node) in self.raw:
                return True
            if self.needs_batch(*children(node)):
                return True
        return False

    # --- types that name a device ---------------------------------------------------------------------------------

    def on_any_device(self, call: cst.Call) -> cst.Call | None:
        """`x.long()` for `x.type(torch.LongTensor)`, which would bring a tensor back to the CPU."""
        name = self.outline.program.qualified_name(call.args[0].value) if len(call.args) == 1 else None
        kind = (name or "").removeprefix("torch.").removesuffix("Tensor")
        if not isinstance(call.func, cst.Attribute) or name != f"torch.{kind}Tensor" or kind not in _CPU_TYPES:
            return None
        return cst.Call(call.func.with_changes(attr=cst.Name(_CPU_TYPES[kind])))

    def _may_name_device(self, call: cst.Call) -> bool:
        """Whether an argument of `x.type()` may be other than `torch.float` and its like."""
        name = self.outline.program.qualified_name(call.args[0].value) if len(call.args) == 1 else None
        return name is None or not name.startswith("torch.") or name.endswith("Tensor")

    def _is_kind(self, node: cst.BaseExpression) -> bool:
        if isinstance(node, cst.Tuple):
            return all(self._is_kind(element.value) for element in node.elements)
        name = self.outline.program.qualified_name(node) or ""
        return name == "torch.Tensor" or (name.startswith("builtins.") and name[len("builtins.") :] in _KINDS)


def names_device(call: cst.Call) -> bool:
    """Whether a call that makes a tensor may say where, or may be given one to fill."""
    return any(arg.star or (arg.keyword is not None and arg.keyword.value in ("device", "out")) for arg in call.args)


def none_checked(outline: Outline, test: cst.CSTNode) -> tuple[Variable, bool] | None:
    """The variable of `x is not None`, and whether the test holds where it is something."""
    if not is_none_test(test) or not isinstance(test, cst.Comparison) or not isinstance(test.left, cst.Name):
        return None
    variable = outline.variable(test.left)
    return (variable, isinstance(test.comparisons[0].operator, cst.IsNot)) if variable is not None else None
