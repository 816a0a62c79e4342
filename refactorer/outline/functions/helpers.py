"""Helper functions that compute gradients: their bodies take the place of their calls in the step.

A helper that is called once, in a statement of its own, is entered. Every other helper stays the function it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from refactorer.analysis.walk import children
from refactorer.outline.blocks import is_docstring
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.functions.inline import enter
from refactorer.outline.functions.known_methods import is_known_method
from refactorer.outline.functions.result_of_call import returned_statement
from refactorer.outline.objects.held import reflects
from refactorer.outline.outline import STEP, Outline
from refactorer.outline.refusal import Refusal
from refactorer.outline.training.anchors import only_call_of
from refactorer.outline.training.contents import check_helper


def enter_helpers(outline: Outline) -> None:
    """Puts the bodies of helpers into the step, and those of the helpers that they call, until none is left."""
    left_alone: set[cst.FunctionDef] = set()
    while True:
        found = next(_entrances(outline, left_alone), None)
        if found is None:
            return
        line, call, function = found
        kept = outline.bindings.alias.copy(), outline.bindings.expression.copy()
        try:
            body = _body(outline, line, call, function)
        except Refusal:
            outline.bindings.alias, outline.bindings.expression = kept
            left_alone.add(function)
            continue
        outline.edit(STEP, {line: body})
        outline.consumed.append(function)


def _entrances(
    outline: Outline, left_alone: set[cst.FunctionDef]
) -> Iterator[tuple[cst.CSTNode, cst.Call, cst.FunctionDef]]:
    """Statements of the step with a call that can be entered."""
    for line in _own_lines(outline.hooks[STEP]):
        for function in outline.site.helpers:
            if function in left_alone or function in outline.consumed or function.asynchronous is not None:
                continue
            call = only_call_of(outline.program, function)
            if call is None or (isinstance(call.func, cst.Attribute) and not _is_known(outline, call, function)):
                continue
            if line in outline.program.order and outline.program.contains(line, call):
                yield line, call, function


def _is_known(outline: Outline, call: cst.Call, function: cst.FunctionDef) -> bool:
    return is_known_method(outline.program, call, function) and not reflects(outline.program)


def _own_lines(nodes: list[cst.CSTNode]) -> Iterator[cst.SimpleStatementLine]:
    """The simple statements in the bodies of a step, those of nested functions aside."""
    for node in nodes:
        if isinstance(node, cst.SimpleStatementLine):
            yield node
        elif not isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.BaseExpression)):
            yield from _own_lines(list(children(node)))


def _body(outline: Outline, line: cst.CSTNode, call: cst.Call, function: cst.FunctionDef) -> list[cst.CSTNode]:
    check_helper(outline, function)
    entered = enter(outline.program, function, call, outline.bindings, outline.site.epoch_loop, at_once=True)
    result = returned_statement(outline.program, line, call, entered.value)
    if result and entered.closing:
        result = [with_comments(result[0], entered.closing), *result[1:]]
    docstrings = [node for node in entered.statements if is_docstring(node)]
    body = [node for node in entered.statements if node not in docstrings]
    if docstrings:
        outline.docstrings.setdefault(STEP, docstrings[0])
    above = [*([] if result else comments_of(line)), *comments_of(function)]
    outline.footers.setdefault(STEP, []).extend(footer_of(function))
    if body and above:
        body[0] = with_comments(body[0], above)
    return [*body, *result]
