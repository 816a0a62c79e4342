"""The changed file: the class in its place, the Trainer where the loop was, what is no longer needed taken out."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.emit.module_class import ClassWriter
from refactorer.idioms.configure import Configuration
from refactorer.idioms.device import is_move
from refactorer.outline.comments import comments_of, with_comments
from refactorer.outline.epochs import Epochs
from refactorer.outline.homes import Homes
from refactorer.outline.optimizers import Roles
from refactorer.outline.outline import EPOCHS, TRAIN_DATA, Outline, block_lines, class_around
from refactorer.outline.refusal import Refusal
from refactorer.outline.returning import return_behind

_RUNTIME = ("runtime", "runtime.Module", "runtime.Trainer")


def _bind_first(outline: Outline, homes: Homes, edits: dict[cst.CSTNode, Edit]) -> None:
    """A variable that may have no value when it is handed to the module gets None in front of its first assignment."""
    program = outline.program
    for variable in homes.unsure:
        first = min((seen for seen in variable.writes if seen.order >= 0), key=lambda seen: seen.order)
        line = program.statement(first.node)
        while program.parent[line] not in (program.module, getattr(variable.owner.node, "body", None)):  # type: ignore[union-attr]
            line = program.statement(program.parent[line])
        now = edits.get(line, line)
        kept = [now] if isinstance(now, cst.CSTNode) else list(now or ())
        bound = _assign(variable.name, cst.Name("None"))
        if kept:
            bound = bound.with_changes(leading_lines=getattr(kept[0], "leading_lines", ()))
            kept[0] = kept[0].with_changes(leading_lines=())
        edits[line] = [bound, *kept]


@dataclass
class Names:
    """Names of new things, chosen so that they collide with nothing in the file."""

    module: str
    trainer: str
    base: str
    trainer_class: str
    instance: str


def assemble(outline: Outline, roles: Roles, configuration: Configuration, homes: Homes, epochs: Epochs) -> cst.Module:
    """The whole file with the training replaced."""
    program = outline.program
    names = choose_names(outline, roles)
    writer = ClassWriter(outline, roles, configuration, homes)
    edits: dict[cst.CSTNode, Edit] = dict.fromkeys((*configuration.moved, *homes.initial.values()))
    edits.update(_unmoved_model(outline, roles, configuration))
    written = _with_comments(outline, writer.write(names.module, names.base))
    edits.update(dict.fromkeys(outline.consumed))
    edits.update(_place_class(outline, written))
    loop_lines = _training_lines(outline, roles, homes, epochs, names, edits)
    edits[outline.site.epoch_loop] = loop_lines
    _bind_first(outline, homes, edits)
    module = apply(program.module, edits)
    module = _two_blank_lines_after(module, names.module)
    return _with_import(module, names)


def _with_import(module: cst.Module, names: Names) -> cst.Module:
    """Adds the import behind the last one in front of the class: what is set before torch is imported counts."""
    plain = names.base == "Module"
    wanted = {"runtime.Module", "runtime.Trainer"} if plain else {"runtime"}
    body = list(module.body)
    at = next((i for i, node in enumerate(body) if _defines(node, names.module)), len(body))
    imports = [i for i in range(at) if _is_import(body[i])]
    if wanted <= {full for i in imports for full in _imported(body[i])}:
        return module
    line = cst.parse_statement("from runtime import Module, Trainer" if plain else "import runtime")
    body.insert(imports[-1] + 1 if imports else at, line)
    return module.with_changes(body=body)


def _defines(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.ClassDef) and node.name.value == name


def _is_import(node: cst.CSTNode) -> bool:
    small = node.body[0] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(small, (cst.Import, cst.ImportFrom))


def _imported(node: cst.CSTNode) -> list[str]:
    """The dotted names that an import line binds, as far as it is about the runtime."""
    assert isinstance(node, cst.SimpleStatementLine)
    found = []
    for small in node.body:
        if isinstance(small, cst.ImportFrom) and not isinstance(small.names, cst.ImportStar):
            source = cst.helpers.get_full_name_for_node(small.module) if small.module else None
            found += [f"{source}.{alias.evaluated_name}" for alias in small.names]
        elif isinstance(small, cst.Import):
            found += [alias.evaluated_name for alias in small.names]
    return found


def choose_names(outline: Outline, roles: Roles) -> Names:
    """Names that the file does not use yet.

    Raises:
        Refusal: Module, Trainer and runtime are all taken.
    """
    program = outline.program
    taken = {variable.name for variable in program.variables.values()}
    taken -= {name.value for name, full in program.imports.items() if full in _RUNTIME}  # type: ignore[attr-defined]
    taken -= {v.name for v in program.variables.values() if v.name == "trainer" and _only_fits(outline, v)}
    plain = not taken & {"Module", "Trainer"}
    if not plain and "runtime" in taken:
        raise Refusal("R403", outline.site.epoch_loop, "the names Module, Trainer and runtime are all used in the file",
                      "rename one of them")  # fmt: skip

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        return name

    return Names(
        module=free("Lit" + _model_class(outline, roles)),
        trainer=free("trainer"),
        base="Module" if plain else "runtime.Module",
        trainer_class="Trainer" if plain else "runtime.Trainer",
        instance=free("module"),
    )


def _only_fits(outline: Outline, variable: Variable) -> bool:
    """Whether a variable is the Trainer of a training that was converted before, and may be assigned anew."""
    program = outline.program
    if variable.owner is not outline.site.driver:
        return False
    for seen in variable.occurrences:
        parent = program.parent.get(seen.node)
        if isinstance(parent, cst.AssignTarget):
            value = program.parent[parent].value  # type: ignore[attr-defined]
            if not isinstance(value, cst.Call) or program.qualified_name(value.func) not in _RUNTIME:
                return False
        elif not isinstance(parent, cst.Attribute) or parent.attr.value != "fit":
            return False
    return True


def _model_class(outline: Outline, roles: Roles) -> str:
    """What the module is called after: its model, its two models, the pair of a GAN, or the class that trains."""
    names = [_class_of(outline, model) for model in roles.models]
    if not names:
        owner = class_around(outline.program, outline.site.epoch_loop)
        return owner.name.value.strip("_") if owner is not None else "Model"
    if len(names) > 1 and any(word in name.lower() for name in names for word in ("discriminator", "critic", "netd")):
        return "GAN"
    return "".join(dict.fromkeys(names)) if len(names) <= 2 else "Model"


def _class_of(outline: Outline, model: Variable) -> str:
    program = outline.program
    for seen in model.writes:
        assign = program.parent.get(program.parent[seen.node])
        for node in walk(assign) if isinstance(assign, cst.Assign) else []:
            if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name):
                continue
            if isinstance(program.definition(program.variables.get(node.func)), cst.ClassDef):
                return node.func.value
    return "".join(part[:1].upper() + part[1:] for part in model.name.split("_") if part) or "Model"


# --- the class ----------------------------------------------------------------------------------------------------


def _with_comments(outline: Outline, written: cst.ClassDef) -> cst.ClassDef:
    """Puts the comments that were kept above the methods, and at the ends of their bodies."""
    body = []
    for method in written.body.body:
        assert isinstance(method, cst.FunctionDef)
        above = outline.above.get(method.name.value, [])
        footer = outline.footers.get(method.name.value, [])
        if footer:
            method = method.with_changes(body=method.body.with_changes(footer=footer))
        body.append(method.with_changes(leading_lines=[*method.leading_lines, *above]) if above else method)
    return written.with_changes(body=written.body.with_changes(body=body))


def _place_class(outline: Outline, written: cst.ClassDef) -> dict[cst.CSTNode, Edit]:
    program, function = outline.program, outline.site.function
    if function is not None and program.parent[function] is program.module:
        return {function: written.with_changes(leading_lines=function.leading_lines)}
    top: cst.CSTNode = outline.site.epoch_loop
    while program.parent[top] is not program.module:
        top = program.parent[top]
    spaced = written.with_changes(leading_lines=[cst.EmptyLine(indent=False), cst.EmptyLine(indent=False)])
    if isinstance(top, cst.FunctionDef):
        return {top: [written.with_changes(leading_lines=top.leading_lines), _spaced(top)]}
    earlier = [
        node for node in program.module.body
        if isinstance(node, (cst.ClassDef, cst.FunctionDef)) and node not in outline.consumed
        and program.order[node] < program.order[top]
    ]  # fmt: skip
    anchor = earlier[-1] if earlier else _line_before(outline, top)
    return {anchor: [anchor, spaced]} if anchor is not None else {}


def _line_before(outline: Outline, top: cst.CSTNode) -> cst.CSTNode | None:
    """The last import in front of the training, or whatever stands first: new classes go behind it."""
    body = outline.program.module.body
    imports = [
        n for n in body
        if isinstance(n, cst.SimpleStatementLine) and any(isinstance(s, (cst.Import, cst.ImportFrom)) for s in n.body)
        and outline.program.order[n] < outline.program.order[top]
    ]  # fmt: skip
    if not imports:
        raise Refusal("R403", top, "there is no import in front of the training", "import torch at the top of the file")
    return imports[-1]


def _spaced(node: cst.CSTNode) -> cst.CSTNode:
    return node.with_changes(leading_lines=[cst.EmptyLine(indent=False)] * 2)


def _two_blank_lines_after(module: cst.Module, name: str) -> cst.Module:
    body = list(module.body)
    for index, node in enumerate(body[:-1]):
        if isinstance(node, cst.ClassDef) and node.name.value == name:
            following = body[index + 1]
            lines = list(following.leading_lines)
            blank = next((i for i, line in enumerate(lines) if line.comment is not None), len(lines))
            missing = max(0, 2 - blank)
            body[index + 1] = following.with_changes(leading_lines=[cst.EmptyLine(indent=False)] * missing + lines)
    return module.with_changes(body=body)


# --- the training -------------------------------------------------------------------------------------------------


def _training_lines(
    outline: Outline, roles: Roles, homes: Homes, epochs: Epochs, names: Names, edits: dict[cst.CSTNode, Edit]
) -> list[cst.CSTNode]:
    loop = outline.site.epoch_loop
    given = [cst.Arg(cst.Name(v.name)) for v in homes.arguments]
    made = cst.Call(cst.Name(names.module), given)
    after, needed = _reads_after(outline, homes, names, edits)
    leave = return_behind(outline.returning, names.instance) if outline.returning is not None else None
    if leave is not None:
        after, needed = [leave, *after], True
    if loop.orelse is not None:
        after, needed = [*after, *_else_of(outline, names)], needed or outline.left_early is not None
    value = epochs.value
    if value is None:
        value, needed = cst.parse_expression(f"{names.instance}.{EPOCHS}()"), True
    settings = [_keyword(epochs.argument, value)]
    device = _device(outline, roles)
    if device is not None:
        settings.append(_keyword("device", device))
    trainer = _assign(names.trainer, cst.Call(cst.parse_expression(names.trainer_class), settings))
    module = _assign(names.instance, made)
    first = [module, trainer] if epochs.value is None else [trainer, module]
    lines = first if needed else [trainer]
    fit = cst.Call(
        cst.Attribute(cst.Name(names.trainer), cst.Name("fit")),
        [cst.Arg(cst.Name(names.instance) if needed else made), *_data(outline)],
    )
    lines.append(cst.SimpleStatementLine([cst.Expr(fit)]))
    lines[:0] = _declared(outline, homes)
    lead = list(loop.leading_lines)
    if loop.body.header.comment is not None:  # type: ignore[attr-defined]
        lead.append(cst.EmptyLine(comment=loop.body.header.comment))  # type: ignore[attr-defined]
    lines[0] = lines[0].with_changes(leading_lines=lead)
    return [*lines, *after]


def _declared(outline: Outline, homes: Homes) -> list[cst.SimpleStatementLine]:
    """Globals that only the training binds are bound once at the level of the module, as Python's tools expect it."""
    program = outline.program
    if outline.site.driver is not program.scope[program.module]:
        return []
    inside = [outline.site.epoch_loop, *outline.consumed]
    lines = []
    for name in sorted({name for names in homes.global_names.values() for name in names}):
        variable = outline.site.driver.variables[name]
        own = [seen for seen in variable.writes if seen.order >= 0]
        if all(any(program.contains(place, seen.node) for place in inside) for seen in own):
            lines.append(_assign(name, cst.Name("None")))
    return lines


def _else_of(outline: Outline, names: Names) -> list[cst.CSTNode]:
    """The `else` branch of the replaced loop: it runs behind `fit` unless the loop was left by `break`."""
    orelse = outline.site.epoch_loop.orelse
    assert orelse is not None
    if outline.left_early is None:
        first, *rest = block_lines(orelse.body)
        return [with_comments(first, comments_of(orelse)), *rest]
    found = cst.parse_statement(f"if not {names.instance}.{outline.left_early}:\n    pass\n")
    assert isinstance(found, cst.If)
    return [found.with_changes(body=orelse.body, leading_lines=orelse.leading_lines)]


def _data(outline: Outline) -> list[cst.Arg]:
    """What `fit` is given to iterate over, where the module does not make it itself."""
    data: list[cst.BaseExpression] = []
    iterable = outline.train.iterable
    if outline.site.form == "whole":
        data.append(cst.parse_expression("[None]"))
    elif TRAIN_DATA not in outline.hooks and iterable is not None:
        data.append(_plain_name(outline, iterable) if outline.variable(iterable) is not None else iterable)
    arguments = [cst.Arg(value) for value in data]
    if outline.evaluation is not None and outline.evaluation.iterable is not None:
        loader = _plain_name(outline, outline.evaluation.iterable)
        arguments.append(cst.Arg(loader) if data else _keyword("val_dataloaders", loader))
    return arguments


def _plain_name(outline: Outline, node: cst.BaseExpression) -> cst.BaseExpression:
    variable = outline.variable(node)
    assert variable is not None
    return cst.Name(variable.name)


def _keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return cst.Arg(value, keyword=cst.Name(name), equal=tight)


def _assign(name: str, value: cst.BaseExpression) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(name))], value)])


def _device(outline: Outline, roles: Roles) -> cst.BaseExpression | None:
    if outline.device is not None:
        variable = outline.variable(outline.device)
        if variable is not None:
            return cst.Name(variable.name)
    moved = any(
        isinstance(c.func, cst.Attribute) and (c.func.attr.value == "cuda" or (c.func.attr.value == "to" and c.args))
        for c in outline.program.calls
    )
    if moved and roles.models:
        return cst.parse_expression(f"next({roles.models[0].name}.parameters()).device")
    return None


def _reads_after(
    outline: Outline, homes: Homes, names: Names, edits: dict[cst.CSTNode, Edit]
) -> tuple[list[cst.CSTNode], bool]:
    """Names read behind the training are read from the module; one that is also assigned there is fetched first."""
    program = outline.program
    end = program.last[outline.site.epoch_loop]
    lines: list[cst.CSTNode] = []
    for variable in homes.read_after:
        attribute = homes.attribute[variable]
        inside = [outline.site.epoch_loop, *outline.consumed]
        outer = [n for n in program.ancestors(outline.site.epoch_loop) if isinstance(n, (cst.For, cst.While))]
        later = [
            seen for seen in variable.occurrences
            if _is_behind(outline, seen.node) or (
                seen.order > end and not any(program.contains(part, seen.node) for part in inside)
            )
        ]  # fmt: skip
        own = variable.owner in (outline.site.driver, program.scope[program.module])
        read = all(s.access == "read" and s.scope.function is outline.site.driver for s in later)
        direct = read and own and not outer
        assured = variable in homes.arguments or variable in homes.initial
        if direct and (len(later) <= 3 or not assured):
            for seen in later:
                edits[seen.node] = cst.parse_expression(f"{names.instance}.{attribute}")
            continue
        line = _assign(variable.name, cst.parse_expression(f"{names.instance}.{attribute}"))
        lines.append(line if assured else _if_there(names.instance, attribute, line))
    return lines, bool(homes.read_after)


def _is_behind(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a node stands in the `else` branch of the replaced loop."""
    orelse = outline.site.epoch_loop.orelse
    return orelse is not None and node in outline.program.order and outline.program.contains(orelse, node)


def _if_there(instance: str, attribute: str, line: cst.SimpleStatementLine) -> cst.CSTNode:
    """A training of no steps leaves its variables as they were, perhaps unbound."""
    found = cst.parse_statement(f'if hasattr({instance}, "{attribute}"):\n    pass\n')
    assert isinstance(found, cst.If)
    return found.with_changes(body=cst.IndentedBlock([line]))


def _unmoved_model(outline: Outline, roles: Roles, configuration: Configuration) -> dict[cst.CSTNode, Edit]:
    """`model.to(device)` in front of the training goes to the Trainer when nothing else touches the model there."""
    program, model = outline.program, roles.model
    device = outline.variable(outline.device) if outline.device is not None else None
    if model is None or device is None or not configuration.moved:
        return {}
    edits: dict[cst.CSTNode, Edit] = {}
    allowed: list[cst.CSTNode] = list(configuration.moved)
    for call in program.calls:
        if not is_move(outline, call, device) or program.order[call] > program.order[outline.site.epoch_loop]:
            continue
        line = program.statement(call)
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
        receiver = call.func.value  # type: ignore[attr-defined]
        if isinstance(small, cst.Expr) and small.value is call and outline.variable(receiver) is model:
            edits[line] = None
        elif isinstance(small, cst.Assign) and small.value is call and _binds(outline, small, model):
            if outline.variable(receiver) is model:
                edits[line] = None
            else:
                edits[call] = receiver
        else:
            continue
        allowed.append(line)
    inside = [outline.site.epoch_loop, *outline.consumed, *allowed]
    for seen in model.occurrences:
        early = 0 <= seen.order < program.order[outline.site.epoch_loop] or seen.scope is not model.owner
        if early and seen.access == "read" and not any(program.contains(part, seen.node) for part in inside):
            return {}
    return edits


def _binds(outline: Outline, small: cst.Assign, variable: Variable) -> bool:
    return len(small.targets) == 1 and outline.variable(small.targets[0].target) is variable
