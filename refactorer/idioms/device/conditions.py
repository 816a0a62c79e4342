"""The conditions under which a script uses CUDA: `use_cuda`, `args.cuda`, `not args.cpu`, or whether there is any."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.idioms.device.given import given_to
from refactorer.idioms.device.items import item_of
from refactorer.idioms.device.lines import text_of
from refactorer.idioms.device.named import AVAILABLE, Target, asks_for_cuda, setting_of, test_of
from refactorer.outline.outline import Outline

_HOLDING = ("cuda", "gpu", "cpu")
_FAILING = ("cpu", "is None")  # what a comparison says that does not ask for CUDA

OTHER: Target = ("other",)
"""A condition that does not ask for CUDA."""
ELSEWHERE: Target = ("elsewhere",)
"""CUDA is another device there."""
MAIN: Target = ("main",)
"""The file is run, and not imported."""


def condition_of(outline: Outline, test: cst.BaseExpression, fails: bool = False) -> Target | None:
    """What a test such as `use_cuda`, `args.cuda` or `torch.cuda.is_available()` asks; None for any other test.

    `fails` asks for what is known where the test fails.
    """
    if fails:
        return opposite(_asked(outline, test, ("cuda", "gpu", "cpu")))
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return condition_of(outline, test.expression, fails=True)
    return _asked(outline, test, ("cuda", "gpu"))


def opposite(condition: Target | None) -> Target | None:
    """The condition of the other branch."""
    if condition is None:
        return None
    inner = condition[1] if condition[0] == "not" else ("not", condition)
    return inner if isinstance(inner, tuple) else None


def _asked(outline: Outline, test: cst.BaseExpression, words: tuple[str, ...]) -> Target | None:
    if isinstance(test, cst.UnaryOperation):
        return condition_of(outline, test)
    if isinstance(test, cst.Call):
        return AVAILABLE if asks_for_cuda(outline, test) else None
    if isinstance(test, cst.Attribute):
        return setting_of(outline, test) if _speaks_of(test.attr.value, words) else None
    if isinstance(test, cst.Subscript):
        return item_of(outline, test, words)
    if isinstance(test, (cst.Comparison, cst.BooleanOperation)):
        return test_of(outline, test) if _speaks_of(text_of(test), _FAILING if "cpu" in words else _HOLDING) else None
    variable = outline.variable(test)
    if variable is None:
        return None
    raw = outline.program.variables[test]
    if raw in outline.bindings.expression:
        return _asked(outline, outline.bindings.expression[raw], words)
    value = outline.program.assigned_value(variable)
    if is_availability(outline, value):
        return AVAILABLE
    if isinstance(value, cst.Attribute) and is_setting(outline.program, value):
        return _asked(outline, value, words)
    given = {_asked(outline, one, words) for one in given_to(outline, variable)}
    if len(given) == 1 and None not in given:
        return given.pop()
    asks = _speaks_of(variable.name, words) or (value is not None and "is_available" in text_of(value))
    return ("variable", variable) if asks else None


def _speaks_of(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.lower() for word in words)


def is_availability(outline: Outline, value: cst.CSTNode | None) -> bool:
    """Whether a value is `torch.cuda.is_available()`, perhaps as `True if ... else False`."""
    if isinstance(value, cst.IfExp):
        answers = [text_of(value.body), text_of(value.orelse)]
        return answers == ["True", "False"] and is_availability(outline, value.test)
    return isinstance(value, cst.Call) and condition_of(outline, value) == AVAILABLE


def conditions_around(outline: Outline, call: cst.CSTNode) -> set[Target]:
    """The conditions under which a move is made in its function: those that ask for CUDA, and `OTHER` for any other."""
    program, inner = outline.program, call
    found: set[Target] = set()
    for outer in program.ancestors(call):
        if isinstance(outer, cst.FunctionDef) or program.contains(outer, outline.site.epoch_loop):
            break
        if isinstance(outer, (cst.If, cst.IfExp)) and outer.test is not inner:
            found.add(MAIN if is_main_guard(outer) else _condition_in(outline, outer, inner) or OTHER)
        elif isinstance(outer, (cst.Try, cst.TryStar, cst.Match, cst.BooleanOperation)):
            found.add(OTHER)
        elif _chooses(outline, outer):
            found.add(ELSEWHERE)
        inner = outer
    return found


def _chooses(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node is `with torch.cuda.device(1):`, in which CUDA is another device."""
    items = node.items if isinstance(node, cst.With) else ()
    names = (outline.program.qualified_name(item.item.func) for item in items if isinstance(item.item, cst.Call))
    return any((name or "").startswith("torch.cuda.device") for name in names)


def condition_around(outline: Outline, call: cst.CSTNode) -> Target | None:
    """The one condition under which a move is made, `OTHER` for several; None if it is made when the file is run."""
    found = conditions_around(outline, call) - {MAIN}
    return found.pop() if len(found) == 1 else OTHER if found else None


def _condition_in(outline: Outline, outer: cst.If | cst.IfExp, inner: cst.CSTNode) -> Target | None:
    """What is known in one branch of a condition."""
    return condition_of(outline, outer.test, fails=outer.body is not inner)


def is_main_guard(node: cst.CSTNode) -> bool:
    """Whether a line is `if __name__ == '__main__':`."""
    test = node.test if isinstance(node, cst.If) else None
    return isinstance(test, cst.Comparison) and text_of(test.left) == "__name__"
