"""`Variable(x)`: since PyTorch 0.4 a tensor is its own variable, and the wrapper only makes an alias without gradient.

It is `x` where the tensor needs no gradient anyway and nothing can tell it from its alias, and `x.detach()` elsewhere.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.brackets import bracketed_in
from refactorer.emit.edits import Edit
from refactorer.idioms.device.aliases import Aliases
from refactorer.idioms.device.lines import bracketed, drop_idle, idle_lines, text_of
from refactorer.idioms.device.tensors import Gradients, is_wrapper, needing, wrapped
from refactorer.outline.outline import Outline


def unwrap(outline: Outline) -> None:
    """Takes the wrappers out of the hooks, and the lines that only wrapped a variable."""
    gradients: Gradients | None = None
    aliases: Aliases | None = None
    for hook, body in outline.hooks.items():
        edits: dict[cst.CSTNode, Edit] = {}
        for call in walk(*body):
            if not isinstance(call, cst.Call) or not is_wrapper(outline, call) or "#" in text_of(call):
                continue
            gradients = gradients or Gradients(outline)
            aliases = aliases or Aliases(outline, gradients.tells)
            given, leaf = wrapped(call), needing(call)
            if given is not None:
                same = gradients.free(given) and (gradients.is_new(given) or aliases.may_be_one(call, given))
                edits[call] = given if same else _with_call(given, "detach")
            elif leaf is not None:
                alone = gradients.free(leaf) and gradients.is_new(leaf)
                edits[call] = _with_call(leaf if alone else _with_call(leaf, "detach"), "requires_grad_")
        if edits:
            before = idle_lines(body)
            outline.edit(hook, {call: _innermost(outline, call, given, edits) for call, given in edits.items()})
            drop_idle(outline, hook, before)


def _with_call(node: cst.BaseExpression, method: str) -> cst.Call:
    place = cst.Attribute(cst.Name("x"), cst.Name(method))
    return cst.Call(place.with_changes(value=bracketed_in(place, "value", node)))


def _innermost(outline: Outline, call: cst.CSTNode, given: Edit, edits: dict[cst.CSTNode, Edit]) -> Edit:
    while isinstance(given, cst.CSTNode) and given in edits:
        given = edits[given]
    if not isinstance(given, cst.BaseExpression):
        return given
    alone = isinstance(outline.program.parent.get(call), (cst.Assign, cst.Arg)) and "\n" not in text_of(given)
    return given if alone else bracketed(given)
