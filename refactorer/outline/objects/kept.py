"""Attributes that mean one object while the training runs, wherever else the file sets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.outline.blocks import block_lines
from refactorer.outline.classes import class_around, class_of_method, class_of_object
from refactorer.outline.functions.out_of_sight import is_shown
from refactorer.outline.objects.constructed import in_constructor, is_beside_training, is_left_alone
from refactorer.outline.objects.held import keeps_object, places_of, reflections
from refactorer.outline.objects.optimizers import Held
from refactorer.outline.outline import Outline

_SHOWING = ("__repr__", "__str__")
_BY_NAME = ("builtins.getattr", "operator.methodcaller", "operator.attrgetter", "builtins.globals", "builtins.eval")


def keeps_meanwhile(outline: Outline, held: Held) -> bool:
    """Whether an attribute is surely set when the training begins, and to one object until it ends.

    What sets it may stand in any function that the training cannot run, as far as names tell.
    """
    if keeps_object(outline, held):
        return True
    program = outline.program
    places = places_of(program, held)
    if not places or any(scope.kind == "class" and held.attribute in scope.variables for scope in program.scopes):
        return False
    if not (_is_in_sight(outline) and is_left_alone(outline, held.base)):
        return False
    if not any(_is_surely_set(outline, place) for place in places):
        return False
    reached = _Reached(outline)
    return not any(reached.holds(place) for place in (*places, *reflections(program)))


def may_be_set(outline: Outline, places: Iterable[cst.CSTNode]) -> bool:
    """Whether the training may run one of some places that set an attribute, as far as names tell."""
    if not _is_in_sight(outline):
        return True
    reached = _Reached(outline)
    return any(reached.holds(place) for place in places)


def _is_in_sight(outline: Outline) -> bool:
    """Whether the training is a method of a class whose methods nobody out of sight calls."""
    program = outline.program
    kind = class_around(program, outline.site.epoch_loop)
    if kind is None or is_shown(program, kind, _SHOWING):
        return False
    known = (program.definition(program.variables.get(base.value)) for base in kind.bases)
    names = (program.qualified_name(base.value) for base in kind.bases)
    return all(
        isinstance(base, cst.ClassDef) or name in ("builtins.object", "torch.nn.Module")
        for base, name in zip(known, names)
    )


def _is_surely_set(outline: Outline, place: cst.CSTNode) -> bool:
    """Whether a place sets an attribute in every constructor of its class, or in a method that one surely calls."""
    program = outline.program
    method = program.enclosing_function(place)
    if in_constructor(program, place):
        return True
    if method is None or class_of_method(program, method) is None:
        return False
    assert isinstance(place, cst.Attribute)
    calls = [call for call in program.calls if _is_own_call(program, call, method) and in_constructor(program, call)]
    return bool(calls) and _surely_sets(block_lines(method.body), place.attr.value)


def _is_own_call(program: Program, call: cst.Call, method: cst.FunctionDef) -> bool:
    """Whether a call is `self.method()`, in another method of the same class."""
    caller, func = program.enclosing_function(call), call.func
    if caller is None or not isinstance(func, cst.Attribute) or func.attr.value != method.name.value:
        return False
    first = caller.params.params[0].name if caller.params.params else None
    own = first is not None and program.variables.get(func.value) is program.variables[first]
    return own and class_of_method(program, caller) is class_of_method(program, method)


def _surely_sets(lines: list[cst.CSTNode], attribute: str) -> bool:
    """Whether some lines set an attribute of `self` on every way to their end."""
    return any(_line_sets(line, attribute) for line in lines)


def _line_sets(line: cst.CSTNode, attribute: str) -> bool:
    if isinstance(line, cst.If):
        other = line.orelse
        if other is None or not _block_sets(line.body, attribute):
            return False
        return _line_sets(other, attribute) if isinstance(other, cst.If) else _block_sets(other.body, attribute)
    if not isinstance(line, cst.SimpleStatementLine):
        return False
    targets = [target.target for small in line.body if isinstance(small, cst.Assign) for target in small.targets]
    return any(isinstance(target, cst.Attribute) and target.attr.value == attribute for target in targets)


def _block_sets(block: cst.BaseSuite, attribute: str) -> bool:
    lines = block_lines(block)
    raises = isinstance(lines[-1], cst.SimpleStatementLine) and isinstance(lines[-1].body[-1], cst.Raise)
    return raises or _surely_sets(lines, attribute)


class _Reached:
    """The code that the training may run: by the names that it mentions, or without that anyone mentions it."""

    def __init__(self, outline: Outline) -> None:
        self.outline, self.program = outline, outline.program
        self.by_name: dict[str, list[cst.CSTNode]] = {}
        own = class_around(self.program, outline.site.epoch_loop)
        for function in self.program.find(cst.FunctionDef):
            kind = class_of_method(self.program, function)
            makes = kind is not None and function.name.value == "__init__"
            if function is outline.site.driver.node or (makes and kind is own):
                continue  # which begins another training, or makes another object
            name = kind.name.value if kind is not None and makes else function.name.value
            self.by_name.setdefault(name, []).append(function)
        self.parts = self._closed([outline.site.epoch_loop, *outline.consumed, *self._run_by_others()])
        self.anything = any(self._finds_anything(call) for call in self.program.calls)

    def holds(self, place: cst.CSTNode) -> bool:
        """Whether a place is in code that the training may run, and concerns more than an object that it makes."""
        if is_beside_training(self.outline, place) or self._is_of_new_object(place):
            return False
        around = (place, *self.program.ancestors(place))
        return self.anything or any(part in around for part in self.parts)

    def _is_of_new_object(self, place: cst.CSTNode) -> bool:
        """Whether a constructor sets something of its own object there."""
        function = self.program.enclosing_function(place)
        if function is None or function.name.value != "__init__" or not function.params.params:
            return False
        owner = place.args[0].value if isinstance(place, cst.Call) and place.args else getattr(place, "value", place)
        return self.program.variables.get(owner) is self.program.variables[function.params.params[0].name]

    def _closed(self, pending: list[cst.CSTNode]) -> list[cst.CSTNode]:
        """Some parts of the file with all functions that they mention, that these mention, and so on."""
        found = list(pending)
        while pending:
            for name in self.program.find(cst.Name, pending.pop()):
                named = self.by_name.pop(name.value, [])
                found += named
                pending += named
        return found

    def _run_by_others(self) -> Iterator[cst.CSTNode]:
        """Code that may run without its name: by a protocol, as a value of something, by a text, or later."""
        program = self.program
        called = {call.func for call in program.calls}
        texts = {text.raw_value for text in program.find(cst.SimpleString)}
        values = {node.attr.value for node in program.find(cst.Attribute) if node not in called}
        names = (node for node in program.find(cst.Name) if node not in called)
        values |= {node.value for node in names if not self._is_part_of_name(node)}
        for name, functions in self.by_name.items():
            asked = name.startswith("__") or name == "forward" or name in texts or name in values
            yield from (function for function in functions if asked or self._runs_later(function))
        yield from program.find((cst.Lambda, cst.GeneratorExp))

    def _runs_later(self, function: cst.CSTNode) -> bool:
        """Whether a call may not run a function at once, or something around it: generators, decorators."""
        wrapped = bool(getattr(function, "decorators", ()) or getattr(function, "asynchronous", None))
        return wrapped or bool(self.program.find(cst.Yield, function))

    def _is_part_of_name(self, node: cst.CSTNode) -> bool:
        """Whether a name is the end of an attribute, or what a function is called where it is defined."""
        parent = self.program.parent.get(node)
        return parent is None or (isinstance(parent, cst.FunctionDef) and parent.name is node)

    def _finds_anything(self, call: cst.Call) -> bool:
        """Whether a call may find a method by a text that is not written out: in the training, or of `self`."""
        program = self.program
        if program.qualified_name(call.func) not in _BY_NAME or not call.args:
            return False
        owner, text = call.args[0].value, call.args[min(1, len(call.args) - 1)].value
        if isinstance(text, cst.SimpleString) or program.qualified_name(owner) is not None:
            return False
        parameter = program.definition(program.variables.get(owner))
        own = isinstance(parameter, cst.Param) and class_of_object(self.program, parameter) is not None
        return own or any(part in (call, *program.ancestors(call)) for part in self.parts)
