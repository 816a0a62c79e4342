"""Lines in front of the training that its constructor takes over: losses of torch, plain values (`history = []`), and
objects that are made of nothing else directly in front of it (`losses = AverageMeter()`).

`criterion = nn.CrossEntropyLoss()` needs no argument where nobody but the training has the name. Such a loss holds no
parameters and no state and draws no random numbers, so it cannot be seen when it is made, and to move it does nothing.
A list is made anew for each training, as before, since its line and the training run together. A class out of sight may
print or draw when it makes an object; it does so where it did, since nothing but the Trainer is made in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_bound_by
from refactorer.analysis.walk import walk
from refactorer.emit.contained import is_contained
from refactorer.emit.edits import Edit, takes_away
from refactorer.emit.read_back import may_ask_module, reads_of
from refactorer.idioms.configure.beside import runs_beside
from refactorer.outline.classes import methods_of
from refactorer.outline.epochs import Epochs
from refactorer.outline.objects.optimizers import Roles, is_module_class
from refactorer.outline.objects.torch_names import names_module_class, names_stateless_class, unmoved
from refactorer.outline.outline import Outline
from refactorer.outline.places.accumulators import assigned_pairs
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.liveness import Liveness
from refactorer.outline.places.plain_starts import gives_plain_values, is_plain

_BY_NAME = ("builtins.setattr", "builtins.vars")
_LIBRARY = (
    "time.time", "time.perf_counter", "time.monotonic", "time.process_time", "datetime.datetime.now",
    "collections.defaultdict", "collections.deque",
)  # fmt: skip
_ASKING = ("range", "torch.cuda.is_available", "torch.device", "next")
_SIMPLE = (cst.Name, cst.Attribute, cst.SimpleString, cst.Integer)


def take_over(
    outline: Outline, roles: Roles, homes: Homes, epochs: Epochs, moved: Sequence[cst.CSTNode],
    edits: Mapping[cst.CSTNode, Edit],
) -> None:  # fmt: skip
    """Makes attributes that the constructor sets of such arguments; `edits` are those of the driver so far."""
    lines = _lines(outline, homes, Liveness(outline, moved), edits)
    taken = {variable: line for variable, line in lines.items() if _is_quiet(outline, homes, _value(line))}
    gone = {*moved, *taken.values()}
    if _asks_quietly(outline, epochs):
        for variable, line in sorted(lines.items(), key=lambda item: -outline.program.order[item[1]]):
            is_made = variable not in roles.objects and _is_made(outline, homes, _value(line))
            if is_made and _is_directly_in_front(outline, line, gone, edits):
                taken[variable] = line
                gone.add(line)
    homes.arguments = [variable for variable in homes.arguments if variable not in taken]
    homes.read_after += [variable for variable in taken if reads_of(outline, variable)]
    made = {**taken, **homes.initial}
    homes.initial = dict(sorted(made.items(), key=lambda item: outline.program.order[item[1]]))


def _asked_outside(outline: Outline, homes: Homes) -> set[Variable | None]:
    """What the driver's new lines mention: the Trainer's arguments, what `fit` is given, owners of networks."""
    sources = [source for source in (outline.train, outline.evaluation, outline.test) if source is not None]
    parts = [*(source.iterable for source in sources), *outline.settings.values(), outline.strategy, outline.device]
    mentioned = {variable for _, variable in outline.uses(*(part for part in parts if part is not None))}
    return {*mentioned, *(held.base for held in (*homes.networks, *homes.optimizers))}


def _lines(
    outline: Outline, homes: Homes, within: Liveness, edits: Mapping[cst.CSTNode, Edit]
) -> dict[Variable, cst.SimpleStatementLine]:
    """The lines that make arguments which the driver does not need; of `a, b = [], []` it needs neither."""
    kept_back = {*homes.read_after, *homes.unsure, *_asked_outside(outline, homes)}
    found: dict[Variable, cst.SimpleStatementLine] = {}
    for variable in homes.arguments:
        line = None if variable in kept_back else _line_of(outline, homes, variable, within, edits)
        if line is not None:
            found[variable] = line
    bound = {line: {outline.variable(name) for name in names_bound_by(line.body[0])} for line in found.values()}
    return {variable: line for variable, line in found.items() if bound[line] <= found.keys()}


def _line_of(
    outline: Outline, homes: Homes, variable: Variable, within: Liveness, edits: Mapping[cst.CSTNode, Edit]
) -> cst.SimpleStatementLine | None:
    """The line that makes the value of a variable, if only the training uses it, or what it filled is read behind."""
    program = outline.program
    outside = [
        seen for seen in variable.occurrences
        if seen.order >= 0 and not within.is_inside(seen.node) and not _goes(outline, seen.node, edits)
    ]  # fmt: skip
    if variable.owner is not outline.site.driver or not outside or outside[0].access != "write":
        return None
    line = program.statement(outside[0].node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) != 1:
        return None
    if not isinstance(small.targets[0].target, cst.Name) and not gives_plain_values(small):
        return None
    behind = reads_of(outline, variable)
    keeps_name = homes.attribute[variable] == variable.name
    if len(outside) != 1 + len(behind) or (behind and not _is_filled(outline, variable, small)):
        return None
    if behind and not (keeps_name and may_ask_module(outline, variable, line, edits)):
        return None
    if program.order[line] < outline.reflection or not runs_beside(outline, line):
        return None
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def _is_filled(outline: Outline, variable: Variable, small: cst.Assign) -> bool:
    """Whether a variable begins as an empty list or dictionary."""
    values = [value for name, value in assigned_pairs(small) if outline.variable(name) is variable]
    return all(isinstance(value, (cst.List, cst.Dict)) and not value.elements for value in values)


def _value(line: cst.SimpleStatementLine) -> cst.BaseExpression:
    assert isinstance(line.body[0], cst.Assign)
    return line.body[0].value


def _is_quiet(outline: Outline, homes: Homes, value: cst.BaseExpression) -> bool:
    return is_plain(value) or _is_stateless(outline, homes, value)


def _is_made(outline: Outline, homes: Homes, value: cst.BaseExpression) -> bool:
    """Whether a value is an object that a class makes of plain values, or the time."""
    program = outline.program
    if not isinstance(value, cst.Call) or any(arg.star or not _is_known(program, arg.value) for arg in value.args):
        return False
    name = cst.Module([]).code_for_node(value.func).rpartition(".")[2]
    is_class = name[:1].isupper() and not name.isupper()
    if not is_class and program.qualified_name(value.func) not in _LIBRARY:
        return False
    made = program.definition(program.variables.get(value.func))
    if names_module_class(program.qualified_name(value.func)) or (
        isinstance(made, cst.ClassDef) and is_module_class(program, made)
    ):
        return False
    return is_contained(program, value.func) and _can_be_named(outline, homes, value.func)


def _is_known(program: Program, node: cst.BaseExpression) -> bool:
    return is_plain(node) or (program.qualified_name(node) or "").startswith("builtins.")


def _is_directly_in_front(
    outline: Outline, line: cst.CSTNode, gone: set[cst.CSTNode], edits: Mapping[cst.CSTNode, Edit]
) -> bool:  # fmt: skip
    """Whether nothing that stays in the driver stands between a line and the loop."""
    program, loop = outline.program, outline.site.epoch_loop
    block = program.parent[line]
    if program.parent[loop] is not block or not isinstance(block, (cst.Module, cst.IndentedBlock)):
        return False
    between = [part for part in block.body if program.order[line] < program.order[part] < program.order[loop]]
    return all(part in gone or takes_away(edits.get(part, part)) for part in between)


def _asks_quietly(outline: Outline, epochs: Epochs) -> bool:
    """Whether the Trainer's arguments are names, attributes and plain values: they are looked up first now."""
    given = [epochs.value, outline.strategy, outline.device, *outline.settings.values()]
    calls = [node for part in given if part is not None for node in walk(part) if isinstance(node, cst.Call)]
    names = (cst.Module([]).code_for_node(call.func) for call in calls)
    asked = (node for part in given if part is not None for node in walk(part) if isinstance(node, cst.Attribute))
    properties = {method.name.value for kind in outline.program.find(cst.ClassDef) for method in methods_of(kind)}
    if any(node.attr.value in properties for node in asked):
        return False
    return all(name in _ASKING or name.endswith(".parameters") for name in names)


def _goes(outline: Outline, node: cst.CSTNode, edits: Mapping[cst.CSTNode, Edit]) -> bool:
    """Whether an edit takes the statement of a node away."""
    found = [edits.get(outer, outer) for outer in outline.program.ancestors(node)]
    return any(takes_away(edit) for edit in found)


def _is_stateless(outline: Outline, homes: Homes, value: cst.BaseExpression) -> bool:
    """Whether a value is a loss of torch with plain arguments, moved or not, whose class the constructor can name."""
    program, made = outline.program, unmoved(value)
    name = program.qualified_name(made.func) if isinstance(made, cst.Call) else None
    if not isinstance(made, cst.Call) or not names_stateless_class(name) or _is_replaced(outline, str(name)):
        return False
    if any(arg.star or not is_plain(arg.value) for arg in made.args):
        return False
    if made is not value and not all(_is_simple_move(call) for call in walk(value) if call is not made):
        return False
    return _can_be_named(outline, homes, made.func)


def _can_be_named(outline: Outline, homes: Homes, node: cst.CSTNode) -> bool:
    """Whether a class means the same in the constructor."""
    hidden = {homes.parameter(variable) for variable in homes.arguments}
    top = outline.program.scope[outline.program.module]
    return all(used.owner is top and used.name not in hidden for _, used in outline.uses(node))


def _is_replaced(outline: Outline, name: str) -> bool:
    """Whether the file may put another class in the place of one of torch."""
    program, own = outline.program, name.rsplit(".", 1)[1]
    setting = [call for call in program.calls if program.qualified_name(call.func) in _BY_NAME]
    if any((program.qualified_name(call.args[0].value) or "").startswith("torch") for call in setting if call.args):
        return True
    if any(string.raw_value == own for call in setting for string in program.find(cst.SimpleString, call)):
        return True
    named = [node for node in program.find(cst.Attribute) if node.attr.value == own]
    around = [parent for node in named for parent in (program.parent.get(node), *_attribute_around(program, node))]
    return any(isinstance(parent, (cst.AssignTarget, cst.AnnAssign, cst.Element)) for parent in around)


def _attribute_around(program: Program, node: cst.Attribute) -> list[cst.CSTNode | None]:
    """What the attribute of an attribute stands in: `nn.MSELoss.forward = scaled`."""
    parent = program.parent.get(node)
    return [program.parent.get(parent)] if isinstance(parent, cst.Attribute) else []


def _is_simple_move(node: cst.CSTNode) -> bool:
    """Whether the arguments of a move are names and numbers: nothing happens where they are left out."""
    return not isinstance(node, cst.Call) or all(not arg.star and isinstance(arg.value, _SIMPLE) for arg in node.args)
