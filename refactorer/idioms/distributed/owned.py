"""A model that the constructor of a trainer class wraps: `self.model = DistributedDataParallel(model)`.

The script makes one object of the class, and calls at once the method of it that trains. So the processes have the same
parameters as soon as anyone looks at them, whoever shares them.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Scope, Variable
from refactorer.idioms.distributed.apart import PROCESSES
from refactorer.idioms.distributed.arguments import arguments_of
from refactorer.idioms.known.sensitive import Obstacle
from refactorer.outline.classes import class_of_method, methods_of
from refactorer.outline.functions.arguments import matched
from refactorer.outline.objects.held import places_of, reflects
from refactorer.outline.objects.optimizers import Held
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import loops_around, uses_of

_QUIET = ("builtins.print", "builtins.len", "builtins.str", "time.", "datetime.", "logging.", "os.")
_OWN_ATTRIBUTES = {"__getattr__", "__getattribute__", "__setattr__", "__new__", "__init_subclass__"}


@dataclass(frozen=True)
class Owned:
    """The line of a constructor that wraps a model, and where its object is made and trains.

    `held` is the attribute as the training knows it, `raw` the parameter of the constructor that the model comes from,
    if it comes from one, and `training` the call of the method that trains. `beside` is the scope of that call.
    """

    held: Held
    line: cst.SimpleStatementLine
    call: cst.Call
    wrapped: cst.BaseExpression
    strategy: cst.BaseExpression
    constructor: cst.FunctionDef
    raw: Variable | None
    training: cst.Call
    beside: Scope

    @property
    def wrappings(self) -> tuple[Owned, ...]:
        """The lines that wrap the model: this one."""
        return (self,)

    def is_set_before(self, program: Program) -> bool:
        """Whether the attribute is the model already in front of the line, which goes then."""
        if self.raw is None or program.variables.get(unmoved(self.wrapped)) is not self.raw:
            return True  # `self.model = DistributedDataParallel(self.model)`
        values = [program.bound_to(place) for place in places_of(program, self.held)]
        named = [program.variables.get(unmoved(value)) for value in values if isinstance(value, cst.BaseExpression)]
        return len(named) > 1 and self.raw in named[-2:-1] and isinstance(self.wrapped, cst.Name)


def find_owned(outline: Outline) -> Owned | Obstacle | None:
    """The wrapper that an object holds, which trains; None where the script has no such wrapper."""
    program = outline.program
    calls = [call for call in program.calls if program.qualified_name(call.func) in PROCESSES]
    line = program.statement(calls[0]) if len(calls) == 1 else None
    target = _target(line, calls[0]) if isinstance(line, cst.SimpleStatementLine) else None
    constructor = program.enclosing_function(calls[0]) if target is not None else None
    kind = class_of_method(program, constructor) if constructor is not None else None
    method = outline.site.driver.node
    if not isinstance(line, cst.SimpleStatementLine) or target is None or constructor is None or kind is None:
        return None
    if not isinstance(method, cst.FunctionDef) or class_of_method(program, method) is not kind:
        return None
    if not _is_plain(program, kind, constructor) or not _is_of_self(program, constructor, target):
        return Obstacle(calls[0], "an object holds what it wraps, and its class is no plain one")
    held = Held(program.variables[method.params.params[0].name], target.attr.value)
    stores = places_of(program, held)
    own = all(program.enclosing_function(place) is constructor for place in stores)
    if not own or line not in constructor.body.body or any(program.order[p] > program.order[target] for p in stores):
        return Obstacle(calls[0], "an object holds what it wraps, and sets it elsewhere or under a condition")
    if not all(_sets_alone(program, place, target) for place in stores if place is not target):
        return Obstacle(calls[0], "an object holds what it wraps, which may have another name")
    training = _training(program, kind, method)
    if training is None or not _is_only_looked_into(outline, kind, training):
        return Obstacle(calls[0], "an object holds what it wraps, and does more than to train at once")
    arguments = arguments_of(program, calls[0])
    if isinstance(arguments, Obstacle):
        return arguments
    raw = program.variables.get(unmoved(arguments.wrapped))
    if raw is None and not _is_same(program, arguments.wrapped, target):
        return Obstacle(arguments.wrapped, "what it wraps is not made or named there")
    if raw is not None and not (isinstance(program.definition(raw), cst.Param) and len(raw.writes) == 1):
        return Obstacle(arguments.wrapped, "what it wraps is not made or named there")
    return Owned(
        held, line, calls[0], arguments.wrapped, arguments.strategy(), constructor,
        raw or _first_value(program, stores), training, program.scope_of(training),
    )  # fmt: skip


def _target(line: cst.SimpleStatementLine, call: cst.Call) -> cst.Attribute | None:
    """`self.model` of a line `self.model = DistributedDataParallel(...)`."""
    small = line.body[0] if len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or small.value is not call or len(small.targets) != 1:
        return None
    target = small.targets[0].target
    return target if isinstance(target, cst.Attribute) else None


def _is_of_self(program: Program, method: cst.FunctionDef, node: cst.Attribute) -> bool:
    first = method.params.params[:1]
    return bool(first) and program.variables.get(node.value) is program.variables[first[0].name]


def _is_same(program: Program, value: cst.BaseExpression, target: cst.Attribute) -> bool:
    """Whether a value is the attribute that a line sets."""
    inner = unmoved(value)
    if not isinstance(inner, cst.Attribute) or inner.attr.value != target.attr.value:
        return False
    return program.variables.get(inner.value) is program.variables.get(target.value)


def _sets_alone(program: Program, place: cst.Attribute, target: cst.Attribute) -> bool:
    """Whether a line gives the model no name but the attribute, and makes it, moves it or takes a variable."""
    line = program.parent.get(program.parent[place])
    value = program.bound_to(place)
    if value is None or not isinstance(line, cst.Assign) or len(line.targets) != 1:
        return False
    made = unmoved(value)
    if isinstance(made, cst.Call):
        return isinstance(made.func, cst.Name) or program.qualified_name(made.func) is not None
    return isinstance(made, cst.Name) or _is_same(program, value, target)


def _first_value(program: Program, stores: list[cst.Attribute]) -> Variable | None:
    """The parameter that an attribute is set to in front of the wrapper, if it is one."""
    values = [program.bound_to(place) for place in stores]
    named = [program.variables.get(unmoved(value)) for value in values if value is not None]
    found = {variable for variable in named if variable is not None}
    return found.pop() if len(found) == 1 else None


def _is_plain(program: Program, kind: cst.ClassDef, constructor: cst.FunctionDef) -> bool:
    """Whether a class inherits nothing and passes on nothing, and its objects are made and used as written."""
    bases = [program.qualified_name(base.value) for base in kind.bases]
    if kind.decorators or kind.keywords or any(base != "builtins.object" for base in bases) or reflects(program):
        return False
    names = {method.name.value for method in methods_of(kind)}
    return constructor.name.value == "__init__" and not constructor.decorators and not names & _OWN_ATTRIBUTES


# --- the object, and its training ---------------------------------------------------------------------------------


def _training(program: Program, kind: cst.ClassDef, method: cst.FunctionDef) -> cst.Call | None:
    """The only call of a method, of the only object of its class, right behind the line that makes it."""
    reads, uses = program.variables[kind.name].reads, uses_of(program, method)
    made = program.parent.get(reads[0].node) if len(reads) == 1 else None
    call = program.parent.get(uses[0]) if len(uses) == 1 else None
    if not isinstance(made, cst.Call) or made.func is not reads[0].node or method.decorators:
        return None
    if not isinstance(call, cst.Call) or call.func is not uses[0] or not isinstance(call.func, cst.Attribute):
        return None
    if loops_around(program, call) or loops_around(program, made):
        return None
    if call.func.value is made:
        return call
    first, last = program.statement(made), program.statement(call)
    line = program.parent.get(made)
    name = line.targets[0].target if isinstance(line, cst.Assign) and len(line.targets) == 1 else None
    variable = program.variables.get(name) if isinstance(name, cst.Name) else None
    if variable is None or len(variable.writes) != 1 or program.variables.get(call.func.value) is not variable:
        return None
    return call if _nothing_between(program, made, variable, first, last) else None


def _is_only_looked_into(outline: Outline, kind: cst.ClassDef, training: cst.Call) -> bool:
    """Whether nothing but the training gets the object itself: the file only names it to look up attributes of it."""
    program = outline.program
    assert isinstance(training.func, cst.Attribute)
    methods = [method for method in methods_of(kind) if method.params.params]
    known = [program.variables[method.params.params[0].name] for method in methods]
    known += [program.variables[name] for name in (training.func.value,) if name in program.variables]
    for node in (seen.node for variable in known for seen in variable.reads):
        outer = program.parent[node]
        call = program.parent[outer] if isinstance(outer, cst.Arg) else None
        entered = isinstance(call, cst.Call) and program.function(call.func) in outline.consumed
        if not entered and not (isinstance(outer, cst.Attribute) and outer.value is node):
            return False
    return True


def _nothing_between(
    program: Program, made: cst.Call, variable: Variable, first: cst.CSTNode, last: cst.CSTNode
) -> bool:
    """Whether only quiet lines stand between two lines of a block, which name nothing that the object was given."""
    block = program.parent[first]
    if program.parent[last] is not block or not isinstance(block, (cst.IndentedBlock, cst.Module)):
        return False
    lines = list(block.body)
    between = lines[lines.index(first) + 1 : lines.index(last)]  # type: ignore[arg-type]
    held = {variable, *(handed for _, handed in program.used([made]))} - _libraries(program)
    for line in between:
        names = [program.qualified_name(call.func) or "" for call in program.find(cst.Call, line)]
        if not isinstance(line, cst.SimpleStatementLine) or not all(name.startswith(_QUIET) for name in names):
            return False
        if any(used in held for _, used in program.used([line])):
            return False
    return True


def _libraries(program: Program) -> set[Variable]:
    """The variables that mean what was imported."""
    return {program.variables[name] for name in program.imports if name in program.variables}


def handed_to(program: Program, found: Owned, parameter: Variable | None) -> cst.BaseExpression | None:
    """What the object is given for a parameter of the constructor."""
    kind, defined = class_of_method(program, found.constructor), program.definition(parameter)
    assert kind is not None
    made = program.parent[program.variables[kind.name].reads[0].node]
    if not isinstance(made, cst.Call) or not isinstance(defined, cst.Param):
        return None
    args = [cst.Arg(found.constructor.params.params[0].name), *made.args]
    return (matched(found.constructor.params, args) or {}).get(defined)
