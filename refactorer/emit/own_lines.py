"""Lines in front of the training that its constructor takes over: losses of torch, and plain values (`history = []`).

`criterion = nn.CrossEntropyLoss()` needs no argument where nobody but the training has the name. Such a loss holds no
parameters and no state and draws no random numbers, so it cannot be seen when it is made, and to move it does nothing.
A list is made anew for each training, as before, since its line and the training run together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, takes_away
from refactorer.idioms.beside import runs_beside
from refactorer.outline.homes import Homes
from refactorer.outline.liveness import Liveness
from refactorer.outline.outline import Outline
from refactorer.outline.placing import is_plain
from refactorer.outline.torch_names import names_stateless_class, unmoved

_BY_NAME = ("builtins.setattr", "builtins.vars")
_SIMPLE = (cst.Name, cst.Attribute, cst.SimpleString, cst.Integer)


def take_over(
    outline: Outline, homes: Homes, moved: Sequence[cst.CSTNode], edits: Mapping[cst.CSTNode, Edit]
) -> None:  # fmt: skip
    """Makes attributes that the constructor sets of such arguments; `edits` are those of the driver so far."""
    within = Liveness(outline, moved)
    taken: dict[Variable, cst.SimpleStatementLine] = {}
    kept_back = {*homes.read_after, *homes.unsure, *_asked_outside(outline, homes)}
    for variable in homes.arguments:
        line = None if variable in kept_back else _line_of(outline, homes, variable, within, edits)
        if line is not None:
            taken[variable] = line
    homes.arguments = [variable for variable in homes.arguments if variable not in taken]
    made = {**taken, **homes.initial}
    homes.initial = dict(sorted(made.items(), key=lambda item: outline.program.order[item[1]]))


def _asked_outside(outline: Outline, homes: Homes) -> set[Variable | None]:
    """What the driver's new lines mention: the Trainer's arguments, what `fit` is given, owners of networks."""
    sources = [source for source in (outline.train, outline.evaluation, outline.test) if source is not None]
    parts = [*(source.iterable for source in sources), *outline.settings.values(), outline.strategy, outline.device]
    mentioned = {variable for _, variable in outline.uses(*(part for part in parts if part is not None))}
    return {*mentioned, *(held.base for held in (*homes.networks, *homes.optimizers))}


def _line_of(
    outline: Outline, homes: Homes, variable: Variable, within: Liveness, edits: Mapping[cst.CSTNode, Edit]
) -> cst.SimpleStatementLine | None:
    """The line that makes the value of a variable of the driver, if only the training uses it."""
    program = outline.program
    outside = [
        seen for seen in variable.occurrences
        if seen.order >= 0 and not within.is_inside(seen.node) and not _goes(outline, seen.node, edits)
    ]  # fmt: skip
    if variable.owner is not outline.site.driver or len(outside) != 1 or outside[0].access != "write":
        return None
    line = program.statement(outside[0].node)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or [part.target for part in small.targets] != [outside[0].node]:
        return None
    if program.order[line] < outline.reflection or not runs_beside(outline, line):
        return None
    assert isinstance(line, cst.SimpleStatementLine)
    return line if is_plain(small.value) or _is_stateless(outline, homes, small.value) else None


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
    hidden = {homes.parameter(variable) for variable in homes.arguments}
    top = program.scope[program.module]
    return all(used.owner is top and used.name not in hidden for _, used in outline.uses(made.func))


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
