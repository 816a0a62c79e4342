"""Tensors that a step makes or casts with a type of the script's device: they follow the module.

    Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor

    Tensor(n, 1).fill_(1.0)                 becomes    torch.ones(n, 1, device=self.device)
    Tensor(len(x)).fill_(0.9)               becomes    torch.full((len(x),), 0.9, device=self.device)
    Tensor(np.random.normal(0, 1, (n, 3)))  becomes    torch.tensor(np.random.normal(0, 1, (n, 3)),
                                                                    dtype=torch.float, device=self.device)
    imgs.type(Tensor)                       becomes    imgs.float()

Sound for several sizes, and for one argument that surely is a number, an array of NumPy or a list: of one argument,
such a type makes a tensor of that size or with that content, as its value says.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from refactorer.analysis.parsed_arguments import is_number_setting
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.arrays import filled_array, is_content, is_whole_number
from refactorer.idioms.device.choice import Choice, named_by_types
from refactorer.idioms.device.conditions import condition_of
from refactorer.idioms.device.lines import bracketed, keyword, text_of
from refactorer.idioms.device.named import Target
from refactorer.idioms.device.tensors import is_wrapper, wrapped
from refactorer.idioms.known.elsewhere import comes_from_libraries
from refactorer.idioms.shapes import method_name
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline

_KINDS = {"FloatTensor": "float", "DoubleTensor": "double", "LongTensor": "long", "IntTensor": "int"}
_DEFAULTS = ("set_default_dtype", "set_default_tensor_type", "set_default_device")
_FILLED = {0.0: "zeros", 1.0: "ones"}


def follow_types(outline: Outline, choice: Choice, default_types: bool) -> None:
    """Rewrites what the hooks make or cast with the script's types for its device.

    `default_types` says that no other file sets another default type.
    """
    named = named_by_types(outline, choice)
    if named is None or any(node.value in _DEFAULTS for node in outline.program.find(cst.Name)):
        return
    plain = default_types or comes_from_libraries(outline.program)
    for hook, body in outline.hooks.items():
        typed = _Typed(outline, named.condition, hook, plain)
        edits: dict[cst.CSTNode, Edit] = {}
        for node in walk(*body):
            new = typed.rewritten(node) if isinstance(node, cst.Call) else None
            if new is not None:
                edits[node] = new
        if edits:
            outline.edit(hook, edits)


class _Typed:
    """Knows the types that name the script's device under a condition, and writes what they do without them.

    In a `plain` file nothing sets another default type.
    """

    def __init__(self, outline: Outline, condition: Target | None, hook: str, plain: bool) -> None:
        self.outline, self.program, self.condition, self.plain = outline, outline.program, condition, plain
        self.moved = self._moved_by_trainer(hook)

    def rewritten(self, call: cst.Call) -> cst.Call | None:
        """What means the same as a call, on the module's device."""
        if any(arg.keyword is not None for arg in call.args):
            return None
        if method_name(call) == "type" and len(call.args) == 1:
            return self._cast(call)
        if method_name(call) == "fill_" and len(call.args) == 1:
            return self._filled(call)
        kind = self._kind(call.func)
        if kind is None:
            return None
        if len(call.args) > 1:
            return self._new("empty", call.args, kind)
        made = call.args[0].value if call.args and not call.args[0].star else None
        if made is not None and is_whole_number(self.outline, made):
            return self._new("empty", call.args, kind)
        if made is None or not is_content(self.outline, made):
            return None
        filled = filled_array(self.outline, made)
        if filled is not None:
            return self._new(filled.name, [cst.Arg(filled.size)], kind)
        return _call("tensor", [cst.Arg(made)], keyword("dtype", f"torch.{kind}"), _PLACE)

    def _cast(self, call: cst.Call) -> cst.Call | None:
        kind = self._kind(call.args[0].value)
        if kind is None or not isinstance(call.func, cst.Attribute):
            return None
        value = call.func.value
        root = value.value if isinstance(value, cst.Subscript) else value
        if self.outline.variable(root) in self.moved:
            return cst.Call(call.func.with_changes(attr=cst.Name(kind)))
        places = [cst.Arg(cst.parse_expression(text)) for text in ("self.device", f"torch.{kind}")]
        return cst.Call(call.func.with_changes(attr=cst.Name("to"), value=bracketed(value)), places)

    def _filled(self, call: cst.Call) -> cst.Call | None:
        """`Tensor(n, m).fill_(1)`, with zeros, ones or any other number."""
        made = call.func.value if isinstance(call.func, cst.Attribute) else None
        kind = self._kind(made.func) if isinstance(made, cst.Call) else None
        if not isinstance(made, cst.Call) or kind is None or not self._are_sizes(made.args):
            return None
        number = call.args[0].value
        filled = _FILLED.get(float(number.evaluated_value)) if isinstance(number, (cst.Integer, cst.Float)) else None
        if filled is not None:
            return self._new(filled, made.args, kind)
        if any(arg.star for arg in made.args) or not self._is_number(number):
            return None
        last = cst.Comma() if len(made.args) == 1 else cst.MaybeSentinel.DEFAULT
        sizes = cst.Tuple([cst.Element(arg.value) for arg in made.args[:-1]] + [cst.Element(made.args[-1].value, last)])
        given = [cst.Arg(sizes), cst.Arg(number)]
        if isinstance(number, cst.Float):
            return self._new("full", given, kind)
        return _call("full", given, keyword("dtype", f"torch.{kind}"), _PLACE)

    def _are_sizes(self, args: Sequence[cst.Arg]) -> bool:
        alone = args[0] if len(args) == 1 else None
        return len(args) > 1 or (alone is not None and not alone.star and is_whole_number(self.outline, alone.value))

    def _is_number(self, node: cst.BaseExpression) -> bool:
        if isinstance(node, cst.UnaryOperation):
            return isinstance(node.operator, cst.Minus) and self._is_number(node.expression)
        setting = isinstance(node, cst.Attribute) and is_number_setting(self.program, node, "int", "float")
        return setting or isinstance(node, (cst.Integer, cst.Float))

    def _new(self, function: str, sizes: Sequence[cst.Arg], kind: str) -> cst.Call:
        typed = [] if kind == "float" and self.plain else [keyword("dtype", f"torch.{kind}")]
        return _call(function, sizes, *typed, _PLACE)

    # --- types --------------------------------------------------------------------------------------------------------

    def _kind(self, node: cst.BaseExpression) -> str | None:
        """What the elements of tensors of a type are; None for a type that does not name the script's device."""
        if self.condition is None:
            return self._of(node, "torch.cuda.")
        known = self.outline.variable(node)
        value = self.program.assigned_value(known) if known is not None else node
        if not isinstance(value, cst.IfExp) or condition_of(self.outline, value.test) != self.condition:
            return None
        kind = self._of(value.body, "torch.cuda.")
        other = self._of(value.orelse, "torch.")
        default = self.plain and self.program.qualified_name(value.orelse) == "torch.Tensor"
        return kind if kind is not None and (kind == other or (default and kind == "float")) else None

    def _of(self, node: cst.BaseExpression, package: str) -> str | None:
        """The elements of `torch.cuda.FloatTensor`, where the script calls torch by its name."""
        name = self.program.qualified_name(node) or ""
        written = isinstance(node, cst.Attribute) and text_of(node) == name
        return _KINDS.get(name.removeprefix(package)) if written and name.startswith(package) else None

    def _moved_by_trainer(self, hook: str) -> set[Variable | None]:
        """The variables of a step that hold parts of its batch, which the Trainer has moved."""
        sources = {STEP: self.outline.train, VALIDATION_STEP: self.outline.evaluation, TEST_STEP: self.outline.test}
        source = sources.get(hook)
        if source is None or source.target is None or self.outline.moves_batches:
            return set()
        names = list(names_in(source.target))
        found = {v for name in names if (v := self.outline.variable(name)) is not None}
        return {v for v in found if all(any(s.node is n for n in names) or self._casts(v, s.node) for s in v.writes)}

    def _casts(self, variable: Variable, name: cst.CSTNode) -> bool:
        """Whether a name is bound by `imgs = imgs.type(Tensor)`."""
        value = self.program.bound_to(name)
        if isinstance(value, cst.Call) and is_wrapper(self.outline, value):
            value = wrapped(value)
        if not isinstance(value, cst.Call) or method_name(value) != "type" or len(value.args) != 1:
            return False
        assert isinstance(value.func, cst.Attribute)
        return self.outline.variable(value.func.value) is variable and self._kind(value.args[0].value) is not None


def _call(function: str, args: Sequence[cst.Arg], *keywords: cst.Arg) -> cst.Call:
    plain = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in args]
    return cst.Call(cst.parse_expression(f"torch.{function}"), [*plain, *keywords])


_PLACE = keyword("device", "self.device")
