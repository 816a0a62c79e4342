"""What other files give, and may show the training by: parts of the model, and what has been handed it."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator, Sequence

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable
from refactorer.idioms.known.taint import passes_on, tainted_by_training
from refactorer.outline.control import returns
from refactorer.outline.objects.optimizers import Roles
from refactorer.outline.outline import Outline

_PACKAGES = """
torch torchvision torchaudio torchtext torchmetrics torchsummary torchinfo torch_geometric numpy scipy pandas sklearn
matplotlib seaborn PIL cv2 skimage tqdm rich wandb mlflow comet_ml neptune tensorboardX tensorboard_logger visdom timm
transformers accelerate apex thop fvcore ptflops einops yaml gym gymnasium dgl runtime
"""
_LIBRARIES = frozenset(sys.stdlib_module_names) | frozenset(_PACKAGES.split())
_BY_TEXT = ("builtins.__import__", "builtins.exec", "importlib.import_module", "runpy.run_path", "runpy.run_module")
_CONTAINERS = (".Sequential", ".ModuleList", ".ModuleDict", "Parallel")
_STARS = "*"


def known_elsewhere(outline: Outline, tainted: set[Variable]) -> set[Variable]:
    """The names from modules that may know the training, which can be seen through `tainted`.

    A module may know it where it gives the model or a part of it, or one of its functions or objects is handed it.
    """
    return _names_from(outline, {*_given_by(outline, tainted), *_handed_to(outline, tainted)})


def known_before(outline: Outline, tainted: set[Variable]) -> set[Variable]:
    """The names from modules that may know the training before it has begun."""
    inside = (outline.site.epoch_loop, *outline.consumed)
    return _names_from(outline, {*_given_by(outline, tainted), *_handed_to(outline, tainted, aside=inside)})


def shown_by(outline: Outline, roles: Roles) -> set[Variable]:
    """The names by which code may see the training: what it has given something of itself to, here or elsewhere."""
    tainted = tainted_by_training(outline, roles)
    return tainted | known_elsewhere(outline, tainted)


def given_with(outline: Outline, *models: Variable) -> set[Variable]:
    """The names from the modules that give models, where other files do: their functions may use these."""
    return _names_from(outline, {*_given_by(outline, {*models})})


def _names_from(outline: Outline, modules: set[str]) -> set[Variable]:
    if not modules:
        return set()
    stars = {
        cst.helpers.get_full_name_for_node(line.module) or "" for line in outline.program.star_imports if line.module
    }
    if _STARS in modules or any(_is_one_of(module, stars) for module in modules):
        modules |= {_STARS, *stars}
    found = ((variable, module_of(outline.program, variable)) for variable in {*outline.program.variables.values()})
    return {variable for variable, module in found if module is not None and _is_one_of(module, modules)}


def module_of(program: Program, variable: Variable | None) -> str | None:
    """The module of another file that a name comes from, also by an assignment; None for those of libraries.

    Names that only `from ... import *` can bind have one module, whichever it is.
    """
    for _ in range(len(program.module.body)):
        if variable is None:
            return None
        if variable.owner is None:
            return None if hasattr(builtins, variable.name) or not program.star_imports else _STARS
        found = next((seen.node for seen in variable.writes if seen.node in program.imports), None)
        if found is not None:
            return _module(program, found)
        value = program.assigned_value(variable)
        if not isinstance(value, (cst.Name, cst.Attribute, cst.Subscript)):
            return None
        variable = program.variables.get(base_of(value))
    return None


def is_imported(program: Program, node: cst.CSTNode) -> bool:
    """Whether something has the name of what another file gives, or is taken from that."""
    return module_of(program, program.variables.get(base_of(node))) is not None


def is_made_elsewhere(program: Program, call: cst.Call) -> bool:
    """Whether another file makes what a call gives, also where a function of the file hands that on."""
    function = program.function(call.func)
    if function is None:
        return is_imported(program, call.func)
    given = (way.value for way in returns(function.body.body))
    return any(isinstance(value, cst.Call) and is_imported(program, value.func) for value in given)


def comes_from_libraries(program: Program) -> bool:
    """Whether a file imports from nothing but well-known libraries, and by nothing but import statements."""
    if any(program.qualified_name(call.func) in _BY_TEXT for call in program.calls):
        return False
    return not program.star_imports and all(_module(program, name) is None for name in program.imports)


def is_library(module: str) -> bool:
    """Whether a module, by its full name, belongs to a well-known library."""
    return module.split(".")[0] in _LIBRARIES


def base_of(node: cst.CSTNode) -> cst.CSTNode:
    """The name that attributes, elements and results of methods are taken from: `net` in `net.weight.sum().item()`."""
    while True:
        if isinstance(node, (cst.Attribute, cst.Subscript)):
            node = node.value
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            node = node.func
        else:
            return node


def _module(program: Program, name: cst.CSTNode) -> str | None:
    full = program.imports[name].lstrip(".")
    around = program.parent[program.parent[name]]
    module = full.rpartition(".")[0] if isinstance(around, cst.ImportFrom) else full
    relative = isinstance(around, cst.ImportFrom) and bool(around.relative)
    return module if relative or not is_library(full) else None


def _given_by(outline: Outline, tainted: set[Variable]) -> Iterator[str]:
    """The modules whose objects are the model or an optimizer, or stand in a container of torch that is."""
    program = outline.program
    for variable in tainted:
        values = [program.bound_to(seen.node) for seen in variable.writes]
        parts = {used for value in values for part in _parts(program, value) for _, used in outline.uses(part)}
        yield from filter(None, (module_of(program, known) for known in (variable, *parts)))


def _parts(program: Program, made: cst.CSTNode | None) -> Sequence[cst.Arg]:
    """What an expression makes a model or an optimizer of, and keeps as it is."""
    name = program.qualified_name(made.func) or "" if isinstance(made, cst.Call) else ""
    if not isinstance(made, cst.Call) or not name.startswith(("torch.nn.", "torch.optim.")):
        return ()
    return made.args[:1] if name.startswith("torch.optim.") else made.args if name.endswith(_CONTAINERS) else ()


def _handed_to(outline: Outline, tainted: set[Variable], aside: Sequence[cst.CSTNode] = ()) -> Iterator[str]:
    """The modules with functions or objects that are given something tainted, or hold it from then on."""
    program = outline.program
    for call in program.calls:
        if any(program.contains(part, call) for part in aside):
            continue
        holder = program.variables.get(base_of(call.func))
        module = module_of(program, holder)
        if module is not None and not _is_class(call.func) and any(passes_on(outline, a, tainted) for a in call.args):
            yield module
    for target in program.find(cst.AssignTarget):
        statement = program.parent[target]
        if isinstance(target.target, cst.Attribute) and isinstance(statement, cst.Assign):
            module = module_of(program, program.variables.get(base_of(target.target)))
            if module is not None and passes_on(outline, statement.value, tainted):
                yield module


def _is_class(func: cst.BaseExpression) -> bool:
    """Whether what is called has the name of a class: then what it makes holds the model, and is seen by its name."""
    name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
    return isinstance(name, str) and name[:1].isupper()


def _is_one_of(module: str, others: set[str]) -> bool:
    """Whether a module is one of others, or one of two is a package that holds the other."""
    return any(f"{module}.".startswith(f"{other}.") or f"{other}.".startswith(f"{module}.") for other in others)
