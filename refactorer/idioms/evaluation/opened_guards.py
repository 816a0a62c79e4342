"""Evaluations that are called in a `no_grad` block: the block is taken apart, for the conversion only.

    with torch.no_grad():                       becomes    @torch.no_grad()
        accuracy = test(net.eval(), loader)                def test(net, loader):
        print(accuracy)                                        ...

                                                           net.eval()
                                                           accuracy = test(net, loader)
                                                           with torch.no_grad():
                                                               print(accuracy)

All that has to stay in the block is what computes something: names that are handed over do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

import libcst as cst

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.analysis.program import Program
from refactorer.emit.edits import Edit
from refactorer.emit.layout import without_gap
from refactorer.idioms.evaluation.copies import evaluated_in, places, renewed
from refactorer.idioms.evaluation.own_methods import called_function
from refactorer.idioms.evaluation.parts import is_no_grad, likeness
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_of_method
from refactorer.outline.comments import comments_of, footer_of, with_comments
from refactorer.outline.objects.optimizers import calls_module_class, is_asked_for_parameters
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.training.site import Site

_METHODS = ("eval", "train")


def with_opened_guards(program: Program, site: Site) -> Iterator[tuple[cst.Module, dict[str, cst.FunctionDef]]]:
    """Files in which the likeliest evaluation of an epoch has its call outside of a `no_grad` block."""
    if not site.moves_evaluations:
        return
    found = [
        (guard, line, call)
        for block in (block for some in places(program, site) for block in some)
        for guard in block
        if isinstance(guard, cst.With) and _is_guard(program, guard)
        for line in block_lines(guard.body)
        if not footer_of(guard) or line is not block_lines(guard.body)[-1]
        for call in evaluated_in(program, site, line, True)
        if _only_hands_over(program, line, call)
    ]
    for guard, line, call in sorted(found, key=lambda one: likeness(*one[2].args))[:1]:
        function = called_function(program, call)
        assert function is not None
        own = [cst.Decorator(guard.items[0].item), *function.decorators]
        edits: dict[cst.CSTNode, Edit] = {guard: _opened(program, guard, line, call)}
        edits |= {arg.value: given for arg in call.args if (given := _switched(program, arg.value)) is not None}
        yield renewed(program, [call], {function: function.with_changes(decorators=own)}, edits)


def _is_guard(program: Program, block: cst.With) -> bool:
    item = block.items[0]
    return len(block.items) == 1 and item.asname is None and is_no_grad(program, item.item)


def _only_hands_over(program: Program, line: cst.CSTNode, call: cst.Call) -> bool:
    """Whether a statement calls a function with values that are there, and does no more with what it returns."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, (cst.Assign, cst.Expr)) or small.value is not call:
        return False
    return all(
        _switched(program, arg.value) is not None or (not arg.star and _is_there(program, arg.value))
        for arg in call.args
    )


def _is_there(program: Program, value: cst.BaseExpression) -> bool:
    """Whether a value is there already: other attributes may be computed, and parts of a parameter are views."""
    if isinstance(value, cst.Attribute):
        return is_setting(program, value)
    return isinstance(value, (cst.Name, cst.SimpleString, cst.BaseNumber))


def _switched(program: Program, value: cst.BaseExpression) -> cst.Name | None:
    """The network in `net.eval()`, which is the same object, if `eval` and the `train` that it calls are of torch."""
    func = value.func if isinstance(value, cst.Call) and not value.args else None
    if not isinstance(func, cst.Attribute) or func.attr.value != "eval" or not isinstance(func.value, cst.Name):
        return None
    own = (n for n in program.find(cst.FunctionDef) if n.name.value in _METHODS and class_of_method(program, n))
    variable = program.variables.get(func.value)
    if variable is None or any(own):
        return None
    made = [program.bound_to(seen.node) for seen in variable.writes]
    known = all(one is not None and calls_module_class(program, unmoved(one)) for one in made)
    return func.value if known or is_asked_for_parameters(program, variable) else None


def _opened(program: Program, guard: cst.With, line: cst.CSTNode, call: cst.Call) -> list[cst.CSTNode]:
    """The lines of a block, the call outside of it, behind lines that switch the networks that it is given."""
    lines = block_lines(guard.body)
    at = lines.index(line)
    switches: list[cst.CSTNode] = [
        cst.SimpleStatementLine([cst.Expr(arg.value.deep_clone())])  # the argument itself is edited
        for arg in call.args
        if _switched(program, arg.value) is not None
    ]
    first, last = lines[:at], lines[at + 1 :]
    middle = [*switches, line]
    if not first:
        middle = [with_comments(middle[0], comments_of(guard)), *middle[1:]]
    before = [guard.with_changes(body=guard.body.with_changes(body=first, footer=()))] if first else []
    return [*before, *middle, *([_guarded(guard, last)] if last else [])]


def _guarded(guard: cst.With, lines: list[cst.CSTNode]) -> cst.With:
    """The last lines of a block in one of their own, behind the blank lines that were above them."""
    first, *others = lines
    above = takewhile(lambda line: line.comment is None, getattr(first, "leading_lines", ()))
    body = cst.IndentedBlock([without_gap(first), *others], footer=guard.body.footer)  # type: ignore[attr-defined, list-item]
    return cst.With(guard.items, body, leading_lines=list(above))
