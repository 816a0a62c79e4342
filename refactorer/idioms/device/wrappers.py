"""`Variable(x)`: since PyTorch 0.4 a tensor is its own variable, and the wrapper only makes an alias without gradient.

Sound when the tensor needs no gradient anyway and nothing can tell it from its alias.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit
from refactorer.idioms.device.aliases import Aliases
from refactorer.idioms.device.lines import bracketed, drop_idle, idle_lines, text_of
from refactorer.idioms.device.tensors import Gradients, is_wrapper, wrapped
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
            given = wrapped(call)
            if given is None or not gradients.free(given):
                continue
            aliases = aliases or Aliases(outline, gradients.tells)
            if gradients.is_new(given) or aliases.may_be_one(call, given):
                edits[call] = given
        if edits:
            before = idle_lines(body)
            outline.edit(hook, {call: _innermost(outline, call, given, edits) for call, given in edits.items()})
            drop_idle(outline, hook, before)


def _innermost(outline: Outline, call: cst.CSTNode, given: Edit, edits: dict[cst.CSTNode, Edit]) -> Edit:
    while isinstance(given, cst.CSTNode) and given in edits:
        given = edits[given]
    if not isinstance(given, cst.BaseExpression):
        return given
    alone = isinstance(outline.program.parent.get(call), (cst.Assign, cst.Arg)) and "\n" not in text_of(given)
    return given if alone else bracketed(given)
