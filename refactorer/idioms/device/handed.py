"""What functions of the file do with a batch that they are handed: whether they move it, and use it before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.targets import names_in, paired
from refactorer.analysis.walk import walk
from refactorer.idioms.device.aliases import root_of
from refactorer.idioms.device.moves import only_retypes
from refactorer.idioms.device.parts import Parts
from refactorer.idioms.shapes import method_name
from refactorer.outline.blocks import block_lines
from refactorer.outline.functions.arguments import matched
from refactorer.outline.outline import Outline

_MAKING = ("torch.tensor", "torch.as_tensor", "torch.asarray")
_NETWORKS = ("forward", "__call__")
_DEPTH = 3


def makes_there(program: Program, call: cst.Call) -> bool:
    """Whether a call is `torch.tensor(x, device=device)`."""
    named = any(arg.keyword is not None and arg.keyword.value == "device" for arg in call.args)
    return named and program.qualified_name(call.func) in _MAKING


@dataclass
class Handed:
    """Looks at functions of the file by their names, and at those that these call."""

    outline: Outline

    def may_move(self, call: cst.Call, parts: Parts) -> bool:
        """Whether a call that is handed a part of the batch may move it later than at once."""
        return self._reaches_move(self._called(call), _DEPTH) and not self.moves_first(call, parts)

    def moves_first(self, call: cst.Call, parts: Parts) -> bool:
        """Whether a function moves all parts of the batch that it is handed before it uses them."""
        function = self.outline.program.function(call.func)
        given = matched(function.params, call.args) if function is not None and not function.decorators else None
        if function is None or given is None:
            return False
        raw = {parameter.name.value for parameter, value in given.items() if value and parts.needs_batch(value)}
        for line in block_lines(function.body):
            small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else line
            pairs = paired(small.targets[0].target, small.value) if _is_plain(small) else ()  # type: ignore[attr-defined]
            if pairs and all(self._is_move(value) or text_names(value).isdisjoint(raw) for _, value in pairs):
                raw -= {name.value for target, _ in pairs for name in names_in(target)}
            elif pairs and all(isinstance(value, cst.Name) for _, value in pairs):
                raw |= {name.value for target, _ in pairs for name in names_in(target)}
            elif not self._only_moves(line, raw):
                return False
        return True

    def _only_moves(self, line: cst.CSTNode, raw: set[str]) -> bool:
        """Whether a line takes nothing of some variables but what `x.to(device)` makes of them."""
        parent = self.outline.program.parent
        uses = [node for node in walk(line) if isinstance(node, cst.Name) and node.value in raw]
        return all(
            isinstance(method := parent.get(use), cst.Attribute)
            and method.value is use
            and self._is_move(parent[method])
            for use in uses
        )

    def _is_move(self, node: cst.CSTNode) -> bool:
        moves = (
            isinstance(node, cst.Call) and method_name(node) in ("to", "cuda") and not only_retypes(self.outline, node)
        )
        return moves and isinstance(node.func.value, cst.Name)  # type: ignore[attr-defined]

    # --- whether something is moved at all ------------------------------------------------------------------------

    def _called(self, call: cst.Call) -> set[str]:
        """The names of functions that a call may run; an object that is called may be a network."""
        program = self.outline.program
        if program.qualified_name(call.func) is not None:
            return set()
        if isinstance(call.func, cst.Attribute):
            plain = isinstance(call.func.value, (cst.Name, cst.Attribute, cst.Subscript))
            return {call.func.attr.value, *_NETWORKS} if plain else {call.func.attr.value}
        if not isinstance(call.func, cst.Name):
            return set(_NETWORKS)
        return {call.func.value} if program.function(call.func) is not None else {call.func.value, *_NETWORKS}

    def _reaches_move(self, names: set[str], depth: int) -> bool:
        """Whether a function of the file with one of these names moves what it is given, or code that it calls."""
        functions = [one for one in self.outline.program.find(cst.FunctionDef) if one.name.value in names]
        functions = [one for one in functions if one is not self.outline.site.driver.node]
        if any(map(self._moves_its_own, functions)):
            return True
        inner = {name for one in functions for call in _calls(one) for name in self._called(call)} - names
        return depth > 1 and bool(inner) and self._reaches_move(inner, depth - 1)

    def _moves_its_own(self, function: cst.FunctionDef) -> bool:
        """Whether a function moves, or makes an array of, what it is handed or takes out of that."""
        own = _handed_to(function)
        for call in _calls(function):
            if makes_there(self.outline.program, call) and not own.isdisjoint(text_names(*call.args)):
                return True
            root = root_of(self.outline, call)
            if isinstance(root, cst.Name) and root.value in own and self._moves_or_shows(call):
                return True
        return False

    def _moves_or_shows(self, call: cst.Call) -> bool:
        """Whether a call is a move, or makes an array of what may be on a device: not `x.cpu().numpy()`."""
        if method_name(call) == "numpy":
            return not any(isinstance(node, cst.Attribute) and node.attr.value == "cpu" for node in walk(call.func))
        return method_name(call) in ("to", "cuda") and not only_retypes(self.outline, call)


def text_names(*nodes: cst.CSTNode) -> set[str]:
    """The names in some code, those of attributes and keywords too."""
    return {node.value for node in walk(*nodes) if isinstance(node, cst.Name)}


def _is_plain(small: cst.CSTNode) -> bool:
    return isinstance(small, cst.Assign) and len(small.targets) == 1


def _handed_to(function: cst.FunctionDef) -> set[str]:
    """The names of what a function is handed, and of what comes from that."""
    params = function.params
    named = [*params.posonly_params, *params.params, *params.kwonly_params]
    stars = [star for star in (params.star_arg, params.star_kwarg) if isinstance(star, cst.Param)]
    own = {parameter.name.value for parameter in (*named, *stars)} - {"self"}
    for _ in range(2):
        for target, value in _bindings(function):
            if not own.isdisjoint(text_names(value)):
                own |= {name.value for name in names_in(target)}
    return own


def _bindings(function: cst.FunctionDef) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    for node in walk(function.body):
        if isinstance(node, cst.Assign):
            yield from ((target.target, node.value) for target in node.targets)
        elif isinstance(node, (cst.For, cst.CompFor)):
            yield node.target, node.iter


def _calls(function: cst.FunctionDef) -> Iterator[cst.Call]:
    return (node for node in walk(function.body) if isinstance(node, cst.Call))
