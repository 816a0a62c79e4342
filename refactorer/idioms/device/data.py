"""What is known of the data of the loaders: whether it needs no gradients, is made anew, or may be changed."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.shapes import is_false
from refactorer.outline.objects.optimizers import is_module_class
from refactorer.outline.outline import Outline

_LIBRARIES = {
    "torch", "torchvision", "torchtext", "torchaudio", "numpy", "tqdm", "argparse", "os", "sys", "math", "random",
    "datetime", "json", "pickle", "copy", "collections", "itertools", "functools", "logging", "glob", "shutil",
    "typing", "time", "pathlib", "dataclasses", "enum", "string", "re", "io", "contextlib", "warnings",
    "matplotlib", "PIL", "pandas",
    "scipy", "sklearn", "cv2", "tensorboardX", "__future__", "builtins", "csv", "gzip", "struct", "imageio", "skimage",
    "subprocess", "socket", "platform", "inspect", "abc", "operator", "unicodedata", "urllib", "yaml", "seaborn",
}  # fmt: skip
_MOVERS = {
    "torch_geometric", "torch_scatter", "torch_sparse", "torch_cluster", "pyg_lib", "dgl", "transformers", "datasets",
    "ogb", "networkx", "torchmetrics", "rdkit", "psutil", "einops", "timm", "wandb", "tensorboard", "nltk", "h5py",
    "multiprocessing", "ast", "threading", "queue", "signal", "uuid", "hashlib", "tempfile", "textwrap", "traceback",
    "gc",
}  # fmt: skip
_OWN_BATCHES = {"collate_fn", "batch_sampler"}
_PARAMETERS = {"parameters", "named_parameters", "modules", "named_modules", "children"}


def data_is_plain(outline: Outline) -> bool:
    """Whether no data can require a gradient: the script asks for none, and computes no data with a model."""
    return not (_asks_for_gradients(outline) or _computes_in_front(outline))


def is_safe_code(outline: Outline) -> bool:
    """Whether no function that is given data can change it in place."""
    return not (knows_foreign_code(outline) or _changes_arguments(outline))


def comes_from_outside(outline: Outline, iterable: cst.BaseExpression) -> bool:
    """Whether a loop is over data that the training does not make: a loader, perhaps in `enumerate` or `tqdm`."""
    while isinstance(iterable, cst.Call):
        name = outline.program.qualified_name(iterable.func) or ""
        if name not in ("builtins.enumerate", "builtins.zip", "builtins.iter") and not name.startswith("tqdm."):
            return False
        if len(iterable.args) > 1 and name == "builtins.zip":
            return all(comes_from_outside(outline, arg.value) for arg in iterable.args)
        if not iterable.args:
            return False
        iterable = iterable.args[0].value
    while isinstance(iterable, (cst.Subscript, cst.Attribute)):
        iterable = iterable.value
    variable = outline.variable(iterable)
    if variable is None:
        return False
    places = [outline.site.epoch_loop, *outline.consumed]
    order = outline.program.order
    return not any(
        outline.program.contains(place, seen.node) for seen in variable.writes for place in places if seen.node in order
    )  # fmt: skip


def is_fresh(outline: Outline) -> bool:
    """Whether every loader makes each batch anew, as a `DataLoader` does."""
    sources = [source for source in (outline.train, outline.evaluation, outline.test) if source is not None]
    return all(_is_loader(outline, source.iterable) for source in sources)


def _is_loader(outline: Outline, iterable: cst.BaseExpression | None) -> bool:
    if isinstance(iterable, cst.Call):
        name = outline.program.qualified_name(iterable.func) or ""
        given = iterable.args if name == "builtins.zip" else iterable.args[:1]
        passes = name in ("builtins.zip", "builtins.enumerate") or name.startswith("tqdm.")
        return passes and bool(given) and all(_is_loader(outline, arg.value) for arg in given)
    variable = outline.variable(iterable) if isinstance(iterable, cst.Name) else None
    writes = variable.writes if variable is not None else []
    return bool(writes) and all(_makes_loader(outline, outline.program.bound_to(seen.node)) for seen in writes)


def _makes_loader(outline: Outline, value: cst.CSTNode | None) -> bool:
    """Whether an expression is a `DataLoader` that makes its batches by itself."""
    if not isinstance(value, cst.Call):
        return False
    plain = all(map(_leaves_batches, value.args)) and all(_brings_nothing_else(outline, arg) for arg in value.args)
    name = outline.program.qualified_name(value.func) or ""
    return plain and name.startswith("torch.utils.data.") and name.endswith(".DataLoader")


def _leaves_batches(arg: cst.Arg) -> bool:
    """Whether an argument of a loader leaves it to the loader to make its batches."""
    gives_none = isinstance(arg.value, cst.Name) and arg.value.value == "None"
    return not gives_none and (arg.keyword is None or arg.keyword.value not in _OWN_BATCHES)


def _brings_nothing_else(outline: Outline, arg: cst.Arg) -> bool:
    """Whether an argument is no `**settings`, or those are written out, and leave it to the loader to make batches."""
    if arg.star != "**":
        return True
    program, variable = outline.program, outline.program.variables.get(arg.value)
    value = program.assigned_value(variable)
    displays = [value.body, value.orelse] if isinstance(value, cst.IfExp) else [value]
    for display in displays:
        for element in display.elements if isinstance(display, cst.Dict) else [None]:
            key = element.key if isinstance(element, cst.DictElement) else None
            given = element.value if element is not None else None
            if not isinstance(key, cst.SimpleString) or key.evaluated_value in _OWN_BATCHES or given is None:
                return False
            if isinstance(given, cst.Name) and given.value == "None":
                return False
    parents = [program.parent.get(seen.node) for seen in variable.reads] if variable is not None else []
    return all(isinstance(parent, cst.Arg) and parent.star == "**" for parent in parents)


def _asks_for_gradients(outline: Outline) -> bool:
    """Whether the script lets something require a gradient that may be data: not parameters, not new tensors."""
    program = outline.program
    for node in program.find(cst.Attribute):
        if node.attr.value not in ("requires_grad", "requires_grad_"):
            continue
        parent = program.parent.get(node)
        assign = program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else None
        given = assign.value if isinstance(assign, cst.Assign) else None
        if isinstance(parent, cst.Call) and parent.func is node:
            given = parent.args[0].value if parent.args else node
        if given is not None and not is_false(given) and not _is_parameter_or_new(outline, node.value):
            return True
    inside = [outline.site.epoch_loop, *outline.consumed]
    for call in program.calls:
        asked = [arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "requires_grad"]
        outside = program.enclosing_function(call) in (None, outline.site.driver.node)
        outside = outside and not any(program.contains(place, call) for place in inside)
        if outside and asked and not is_false(asked[0].value):
            return True
    return False


def _is_parameter_or_new(outline: Outline, node: cst.BaseExpression) -> bool:
    program = outline.program
    if isinstance(node, cst.BinaryOperation):
        return True
    variable = program.variables.get(node)
    if variable is None or not variable.writes:
        return False
    for seen in variable.writes:
        parent = program.parent.get(seen.node)
        while isinstance(parent, (cst.Element, cst.Tuple)):
            parent = program.parent.get(parent)
        if isinstance(parent, (cst.For, cst.CompFor)):
            if not any(isinstance(n, cst.Attribute) and n.attr.value in _PARAMETERS for n in walk(parent.iter)):
                return False
            continue
        assign = program.parent.get(parent) if isinstance(parent, cst.AssignTarget) else None
        if not isinstance(assign, cst.Assign) or not isinstance(assign.value, cst.BinaryOperation):
            return False
    return True


def _computes_in_front(outline: Outline) -> bool:
    """Whether a model is called before the training, so that data may have been computed with it."""
    program, loop = outline.program, outline.site.epoch_loop
    for call in program.calls:
        early = program.order[call] < program.order[loop] and program.enclosing_function(call) in (
            None, outline.site.driver.node,
        )  # fmt: skip
        variable = program.variables.get(call.func) if early else None
        if variable is not None and _may_hold_module(outline, variable):
            return True
    return False


def _may_hold_module(outline: Outline, variable: Variable) -> bool:
    program = outline.program
    for seen in variable.writes:
        value = program.bound_to(seen.node)
        if not isinstance(value, cst.Call):
            continue
        name = program.qualified_name(value.func) or ""
        own = program.definition(program.variables.get(value.func))
        known = isinstance(own, cst.ClassDef) and not is_module_class(program, own)
        if not known and (name.startswith(("torch.nn.", "torchvision.models")) or not name):
            return True
    return False


def knows_foreign_code(outline: Outline) -> bool:
    """Whether the script uses code whose ways are not known: other files of its author, rarer libraries."""
    found = {full.split(".")[0] for full in outline.program.imports.values()}
    return not found <= _LIBRARIES or bool(outline.program.star_imports)


def only_moves(name: str) -> bool:
    """Whether the `to()` of what a library gives, if there is one, only moves tensors; a name is dotted and full."""
    return name.split(".")[0] in _LIBRARIES | _MOVERS


def asks_for_identity(outline: Outline) -> bool:
    """Whether the script asks if two things are the same object: `x is y`, `id(x)`."""
    program = outline.program
    for part in program.find(cst.ComparisonTarget):
        if isinstance(part.operator, (cst.Is, cst.IsNot)):
            constant = isinstance(part.comparator, cst.Name) and part.comparator.value in ("None", "True", "False")
            if not constant:
                return True
    return any(program.qualified_name(call.func) == "builtins.id" for call in program.calls)


def _changes_arguments(outline: Outline) -> bool:
    """Whether a function of the file changes something that it was handed, in place."""
    program = outline.program
    places: list[cst.CSTNode] = [n.target for n in program.find(cst.AugAssign)]
    places += [n.target for n in program.find(cst.AssignTarget) if isinstance(n.target, cst.Subscript)]
    places += [
        call.func.value for call in program.calls
        if isinstance(call.func, cst.Attribute) and call.func.attr.value.endswith("_")
    ]  # fmt: skip
    for place in places:
        while isinstance(place, cst.Subscript):
            place = place.value
        variable = program.variables.get(place)
        if variable is not None and any(isinstance(program.parent.get(s.node), cst.Param) for s in variable.writes):
            return True
    return False
