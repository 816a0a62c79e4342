"""Items of dictionaries that an optimizer is made of (`config["lr"]`), and what may set them before the training.

Names of items decide, as those of attributes do: whoever has another name for the dictionary sets the same item.
"""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.parsed_arguments import is_stored
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.configure.meanwhile import lines_between
from refactorer.idioms.shapes import key_of
from refactorer.outline.classes import class_of_method
from refactorer.outline.control import suspensions
from refactorer.outline.may_run import MayRun, is_called
from refactorer.outline.outline import Outline
from refactorer.outline.worked_out import only_looks_up

_LOOKING_UP = ("__getitem__", "__missing__")
_GIVING = ("__getattr__", "__getattribute__")
_LOOKING = ("get", "items", "keys", "values", "copy")
_CHANGING = ("update", "pop", "popitem", "clear", "setdefault", "__setitem__", "__delitem__", "__ior__")
_NEW = (cst.List, cst.ListComp, cst.Dict, cst.DictComp, cst.Set, cst.SetComp)
_KNOWN = ("torch.", "builtins.", "time.", "datetime.", "os.", "math.", "random.", "numpy.", "logging.", "json.")


def looks_items_up(program: Program) -> bool:
    """Whether asking for an item runs no code of the file that does more than to look something up."""
    asked = [node for node in program.find(cst.FunctionDef) if node.name.value in _LOOKING_UP]
    bound = (line for line in program.find(cst.Assign) if any(_is_look(target.target) for target in line.targets))
    if any(isinstance(line.value, cst.Lambda) or _is_changing(line.value) for line in bound):
        return False
    return all(only_looks_up(program, node) for node in asked if class_of_method(program, node) is not None)


def _is_look(target: cst.CSTNode) -> bool:
    return isinstance(target, cst.Name) and target.value in _LOOKING_UP


def _is_changing(value: cst.CSTNode) -> bool:
    """Whether a value is a method of dictionaries that changes them."""
    return isinstance(value, cst.Attribute) and value.attr.value in _CHANGING


def _gives_items(program: Program) -> bool:
    """Whether objects of the file may give items as attributes: `__getattr__ = dict.__getitem__`."""
    named = [node.name.value for node in program.find(cst.FunctionDef)]
    bound = [node.target.value for node in program.find(cst.AssignTarget) if isinstance(node.target, cst.Name)]
    return any(name in _GIVING for name in (*named, *bound))


def keys_of(*values: cst.CSTNode) -> set[str]:
    """The names of all items that some expressions read."""
    return {key for node in walk(*values) if (key := key_of(node)) is not None}


def items_may_change(outline: Outline, line: cst.CSTNode, *values: cst.CSTNode) -> bool:
    """Whether code between `line` and the training may set one of the items that `values` read."""
    program = outline.program
    dictionaries, inner = _dictionaries(outline, [node for node in walk(*values) if key_of(node) is not None])
    keys = keys_of(*values)
    if _gives_items(program):
        keys |= {node.attr.value for node in walk(*values) if isinstance(node, cst.Attribute)}
    if not keys:
        return False
    lines = list(lines_between(outline, line))
    running = MayRun(program, lines, later=(outline.site.epoch_loop, *outline.consumed))
    run = list(walk(*running.lines, *running.bodies))
    if any(_sets_item(outline, line, node, keys) for node in run):
        return True
    writes = [seen for variable in dictionaries for seen in variable.writes]
    if any(_grows(program, program.bound_to(seen.node)) for seen in writes):
        return True
    if any(seen.node in program.imports for seen in writes) and any(_is_out_of_sight(program, node) for node in run):
        return True
    return any(v in dictionaries and not _is_read(program, node, inner) for node, v in outline.uses(*lines))


def _dictionaries(outline: Outline, items: list[cst.CSTNode]) -> tuple[set[Variable], set[str]]:
    """The variables through which some items are found, and the items of these that hold the items themselves."""
    found: set[Variable] = set()
    inner: set[str] = set()
    pending: list[cst.CSTNode | None] = list(items)
    while pending:
        node = pending.pop()
        while isinstance(node, (cst.Subscript, cst.Attribute)):
            node = node.value
            inner |= {key for key in (key_of(node),) if key is not None}
        variable = outline.variable(node) if node is not None else None
        if variable is None or variable in found:
            continue
        found.add(variable)
        made = [outline.program.bound_to(seen.node) for seen in variable.writes]
        inner |= {key for value in made if value is not None and (key := key_of(value)) is not None}
        pending += made
    return found, inner


def _grows(program: Program, value: cst.CSTNode | None) -> bool:
    """Whether a dictionary takes an item in that it is asked for."""
    return isinstance(value, cst.Call) and program.qualified_name(value.func) == "collections.defaultdict"


def _sets_item(outline: Outline, line: cst.CSTNode, node: cst.CSTNode, keys: set[str]) -> bool:
    """Whether a node sets an item of one of some names, or may set any."""
    program = outline.program
    if isinstance(node, cst.Subscript):
        return is_stored(program, node) and _may_mean(node, keys) and not _is_other(outline, line, node.value)
    if isinstance(node, cst.AugAssign):
        return isinstance(node.operator, cst.BitOrAssign)
    if isinstance(node, cst.Attribute) and node.attr.value in _CHANGING:
        return not _is_other(outline, line, node.value) and not _changes_other(program, node, keys)
    name = program.qualified_name(node) if isinstance(node, (cst.Name, cst.Attribute)) else None
    return name in ("operator.setitem", "operator.delitem", "operator.ior")


def _may_mean(node: cst.Subscript, keys: set[str]) -> bool:
    key = key_of(node)
    if key is not None:
        return key in keys
    place = node.slice[0].slice
    number = isinstance(place, cst.Index) and isinstance(place.value, cst.BaseNumber)
    return len(node.slice) == 1 and isinstance(place, cst.Index) and not number


def _changes_other(program: Program, method: cst.Attribute, keys: set[str]) -> bool:
    """Whether a method surely changes no item of those names: `pop("other")`, `pop()` of a list, `bar.update(1)`."""
    call = program.parent.get(method)
    if not isinstance(call, cst.Call) or call.func is not method:
        return False
    given = call.args[0] if call.args else None
    first = given.value if given is not None and not given.star and given.keyword is None else None
    if method.attr.value in ("pop", "setdefault") and isinstance(first, cst.SimpleString):
        return first.evaluated_value not in keys
    if isinstance(first, cst.BaseNumber):
        return True
    return method.attr.value == "pop" and not call.args


def _is_other(outline: Outline, line: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether a name means an object of a class of the file, or a container that is made behind `line`.

    Of a function that runs then, a container that it makes itself is one, unless the function is a generator.
    """
    program = outline.program
    variable, function = program.variables.get(node), program.enclosing_function(node)
    if variable is None or not variable.writes:
        return False
    made = [program.bound_to(seen.node) for seen in variable.writes]
    if all(isinstance(value, cst.Call) and _is_own_kind(program, value) for value in made):
        return True
    driver = program.enclosing_function(outline.site.epoch_loop)
    again = function is not driver and function is not None and not suspensions(function.body.body)
    return all(isinstance(value, _NEW) or _computes(program, value) for value in made) and all(
        program.enclosing_function(seen.node) is function
        and (again or (function is driver and program.order[seen.node] > program.last[line]))
        for seen in variable.writes
    )


def _is_own_kind(program: Program, call: cst.Call) -> bool:
    kind = program.definition(program.variables.get(call.func))
    return isinstance(kind, cst.ClassDef) and not kind.bases


def _computes(program: Program, value: cst.CSTNode | None) -> bool:
    name = program.qualified_name(value.func) if isinstance(value, cst.Call) else None
    return name is not None and name.startswith(("torch.", "numpy.")) and not name.endswith(".load")


def _is_out_of_sight(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node calls code that the file does not show, and that may be the project's own."""
    if not isinstance(node, cst.Call) or program.function(node.func) is not None:
        return False
    return not (program.qualified_name(node.func) or "").startswith(_KNOWN)


def _is_read(program: Program, node: cst.CSTNode, inner: set[str]) -> bool:
    """Whether a use of a dictionary only reads an item or an attribute of it, and none of those in `inner`."""
    parent = program.parent.get(node)
    if isinstance(parent, cst.Subscript) and parent.value is node:
        key = key_of(parent)
        return not inner or (key is not None and key not in inner)
    if not isinstance(parent, cst.Attribute):
        return False
    return not is_called(program, parent) or (parent.attr.value in _LOOKING and not inner)
