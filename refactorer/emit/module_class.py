"""Writing the module class: constructor, hooks in the customary order, `configure_optimizers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_bound_by
from refactorer.analysis.walk import walk
from refactorer.emit.annotations import unannotated
from refactorer.emit.edits import Edit, apply
from refactorer.emit.headings import staying_and_going
from refactorer.emit.import_names import imported_as
from refactorer.emit.layout import deeper, without_blank_start, without_gap
from refactorer.emit.long_lines import WIDTH, broken
from refactorer.emit.sums import added_up
from refactorer.emit.visible_names import check_visible, free_names
from refactorer.idioms.configure import Configuration
from refactorer.outline.blocks import is_docstring
from refactorer.outline.classes import class_around, is_private
from refactorer.outline.comments import comment_lines
from refactorer.outline.objects.held import held_by
from refactorer.outline.objects.optimizers import Roles, is_stepped
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import (
    AFTER_BACKWARD,
    BACKWARD,
    BATCH_END,
    BEFORE_STEP,
    STEP,
    TEST_DATA,
    TEST_STEP,
    VALIDATION_DATA,
    VALIDATION_STEP,
    ZERO_GRAD,
    Outline,
)
from refactorer.outline.places.homes import Homes
from refactorer.outline.places.plain_starts import without

_ORDER = (
    "epochs", "on_train_epoch_start", "train_dataloader", "training_step", "optimizer_zero_grad", "backward",
    "on_after_backward", "on_before_optimizer_step", "on_train_batch_end", "val_dataloader",
    "on_validation_model_eval", "on_validation_epoch_start", "validation_step", "on_validation_epoch_end",
    "on_validation_model_train", "on_train_epoch_end", "test_dataloader", "on_test_model_eval",
    "on_test_epoch_start", "test_step", "on_test_epoch_end", "on_test_model_train",
)  # fmt: skip
_PARAMETERS = {
    STEP: "self, {batch}, batch_idx",
    VALIDATION_STEP: "self, {batch}, batch_idx",
    TEST_STEP: "self, {batch}, batch_idx",
    ZERO_GRAD: "self, epoch, batch_idx, optimizer",
    BACKWARD: "self, {own}",
    AFTER_BACKWARD: "self",
    BEFORE_STEP: "self, {own}",
    BATCH_END: "self, {own}, {batch}, batch_idx",
}


class ClassWriter:
    """Writes one module; `name_edits` places the names of a hook."""

    def __init__(self, outline: Outline, roles: Roles, configuration: Configuration, homes: Homes) -> None:
        self.outline, self.roles, self.configuration, self.homes = outline, roles, configuration, homes
        self.program = outline.program

    def write(self, name: str, base: str) -> cst.ClassDef:
        configure = self._configure()
        hooks = [self._hook(h) for h in _ORDER if self.outline.hooks.get(h) or h == STEP]
        if self.outline.moves_batches:
            kept = cst.parse_statement("return batch  # the steps move what they need")
            hooks.append(_method("transfer_batch_to_device", "self, batch, device, dataloader_idx", [kept]))
        hooks += [self._helper(name) for name in self.outline.methods]
        methods = [self._constructor(), *hooks, *([configure] if configure is not None else [])]
        parsed = cst.parse_statement(f"class {name}({base}):\n    pass\n")
        assert isinstance(parsed, cst.ClassDef)
        spaced = [methods[0], *(_space_above(method) for method in methods[1:])]
        return parsed.with_changes(body=cst.IndentedBlock(spaced))

    def placed(self, hook: str, node: cst.CSTNode) -> cst.CSTNode:
        """A copy of an expression or statement with every name in its home."""
        edits = self.name_edits(hook, [node])
        return edits[node] if node in edits else apply(node, edits)  # type: ignore[return-value]

    # --- names ----------------------------------------------------------------------------------------------------

    def name_edits(self, hook: str, nodes: Sequence[cst.CSTNode]) -> dict[cst.CSTNode, Edit]:
        edits: dict[cst.CSTNode, Edit] = {}
        for node in walk(*nodes):
            if isinstance(node, cst.FormattedStringExpression) and node.equal is not None:
                edits[node] = _spelled_out(node)
            if isinstance(node, cst.Attribute) and is_private(node.attr.value):
                edits[node.attr] = self._mangled(node)
            held = held_by(self.outline, node)
            if not isinstance(node, cst.Attribute) or held is None:
                pass
            elif held in self.homes.networks:
                edits[node] = self._fitting(node, cst.parse_expression(f"self.{self.homes.networks[held]}"))
            elif held in self.homes.optimizers and is_stepped(self.program, node):
                edits[node] = self._fitting(node, cst.Name(self.homes.optimizers[held]))
            if isinstance(node, cst.Nonlocal):
                edits[node] = self._still_shared(node)
        for node, raw in self.program.used(nodes):
            assert isinstance(node, cst.Name)
            expression = self.outline.bindings.expression.get(raw)
            if expression is not None:
                placed = self.placed(hook, expression)
                edits[node] = self._fitting(node, placed)
                continue
            new = self._home(hook, node, self.outline.bindings.canonical(raw))
            parent = self.program.parent.get(node)
            around = self.program.parent.get(parent) if parent is not None else None
            total = added_up(parent, node, new, around) if new is not None else None
            if total is not None and parent is not None:
                edits[parent] = total
            elif new is not None and isinstance(parent, cst.ImportAlias) and parent.asname is None:
                edits[parent] = imported_as(parent, new)
            elif new is not None:
                edits[node] = self._fitting(node, new)
        check_visible(self.outline, edits)
        return edits

    def _still_shared(self, node: cst.Nonlocal) -> cst.CSTNode | None:
        """A `nonlocal` of the names that have not become attributes."""
        scope = self.program.scope_of(node)
        kept = [item for item in node.names if scope.lookup(item.name.value) not in self.homes.expression]
        if not kept:
            return None
        return node.with_changes(names=[*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)])

    def _mangled(self, node: cst.Attribute) -> cst.Name:
        """The name that a private attribute really has: other classes have to spell it out."""
        owner = class_around(self.program, node)
        return cst.Name(f"_{owner.name.value.lstrip('_')}{node.attr.value}") if owner is not None else node.attr

    def _home(self, hook: str, node: cst.Name, variable: Variable) -> cst.BaseExpression | None:
        if variable in self.roles.optimizers and not self.outline.automatic and is_stepped(self.program, node):
            return None if variable.name == node.value else cst.Name(variable.name)
        expression = self.homes.at.get(node, self.homes.expression.get(variable))
        if expression is not None:
            return expression
        local = self.homes.local_name.get((hook, variable), variable.name)
        if local != node.value:
            return cst.Name(local)
        if variable.owner is None and node.value == "print" and not self.outline.prints_everywhere:
            call = self.program.parent.get(node)
            to_file = isinstance(call, cst.Call) and any(a.keyword and a.keyword.value == "file" for a in call.args)
            if isinstance(call, cst.Call) and call.func is node and not to_file:
                return cst.parse_expression("self.print")
        return None

    def _fitting(self, node: cst.BaseExpression, new: cst.CSTNode) -> cst.CSTNode:
        """Keeps the parentheses of the name; those that an operation needs in its place are added with the edit."""
        assert isinstance(new, cst.BaseExpression)
        if node.lpar:
            new = new.with_changes(lpar=[*node.lpar, *new.lpar], rpar=[*new.rpar, *node.rpar])
        return new

    # --- methods --------------------------------------------------------------------------------------------------

    def _constructor(self) -> cst.FunctionDef:
        arguments = self.homes.arguments
        names = ", ".join(["self", *(self.homes.parameter(v) for v in arguments)])
        lines: list[cst.CSTNode] = [cst.parse_statement("super().__init__()")]
        for variable in arguments:
            lines.append(
                cst.parse_statement(f"self.{self.homes.attribute[variable]} = {self.homes.parameter(variable)}")
            )
        for held, name in self.homes.networks.items():
            owner = self.homes.parameter(held.base)
            lines.append(cst.parse_statement(f"self.{name} = {owner}.{held.attribute}"))
        lines += [self._first_values(line) for line in dict.fromkeys(self.homes.initial.values())]
        returning = self.outline.returning
        if returning is not None and returning.flag is not None:
            lines.append(cst.parse_statement(f"self.{returning.flag} = False"))
        if self.outline.left_early is not None:
            lines.append(cst.parse_statement(f"self.{self.outline.left_early} = False"))
        if self.outline.asked is not None:
            lines.append(cst.parse_statement("self.automatic_validation = False"))
        if not self.outline.automatic_modes:
            lines.append(cst.parse_statement("self.automatic_modes = False"))
        if not self.outline.automatic:
            lines.append(cst.parse_statement("self.automatic_optimization = False"))
        if self.outline.clears_late:
            lines.append(cst.parse_statement("self.late_zero_grad = True"))
        if self.outline.plain_steps:
            lines.append(cst.parse_statement("self.automatic_closure = False"))
        return _method("__init__", names, lines)

    def _first_values(self, line: cst.SimpleStatementLine) -> cst.CSTNode:
        """A line of the script that sets variables to plain values, for the attributes that they have become."""
        line = without(self.outline, line, self.homes.needless) or line
        small = line.body[0]
        assert isinstance(small, cst.Assign)
        edits: dict[cst.CSTNode, Edit] = {
            name: cst.Attribute(cst.Name("self"), cst.Name(self.homes.attribute[variable]))
            for name in names_bound_by(small)
            if (variable := self.outline.variable(name)) is not None
        }
        edits[small.value] = unmoved(small.value)
        return apply(line, edits).with_changes(leading_lines=staying_and_going(line)[1])

    def _helper(self, name: str) -> cst.FunctionDef:
        """A function of the script as a method: its own header, with `self` in front of its parameters."""
        function = self.outline.methods[name]
        params = function.params
        first = cst.Param(cst.Name("self"))
        if params.posonly_params:
            params = params.with_changes(posonly_params=[first, *params.posonly_params])
        else:
            params = params.with_changes(params=[first, *params.params])
        lead = without_blank_start(function.leading_lines)
        written = self._hook(name)
        return function.with_changes(
            name=cst.Name(name), params=params, leading_lines=lead, body=written.body.with_changes(
                header=getattr(function.body, "header", cst.TrailingWhitespace()),
                footer=getattr(function.body, "footer", ()),
            ),
        )  # fmt: skip

    def _hook(self, hook: str) -> cst.FunctionDef:
        body = list(self.outline.hooks[hook])
        if hook in self.homes.batch_name:
            body = [line for line in body if not self._names_itself(hook, line)]
        if hook in (STEP, VALIDATION_DATA, TEST_DATA):
            body = self._without_last_name(body)
        edits = self.name_edits(hook, body)
        # lines of the driver that a test takes with it are removed there: these are copies, also where nothing changes
        edits.update({line: line.with_changes() for line in self.outline.dropped})
        edits.update(unannotated(self.outline, body, self.homes.global_names.get(hook, ())))
        block = apply(cst.IndentedBlock(body), edits)  # type: ignore[arg-type]
        lines: list[cst.CSTNode] = list(block.body)
        stepped = self._stepped_in(body)
        if stepped:
            lines.insert(0, self._own_optimizers(stepped))
        if self.homes.global_names.get(hook):
            lines[:1] = map(without_gap, lines[:1])
            lines.insert(0, cst.parse_statement("global " + ", ".join(sorted(self.homes.global_names[hook]))))
        if hook in self.outline.docstrings:
            lines.insert(0, self._docstring(self.outline.docstrings[hook]))
        elif body and is_docstring(body[0]):
            lines[lines.index(body[0])] = self._docstring(body[0])
        parameters = _PARAMETERS.get(hook, "self").format(
            batch=self.homes.batch_name.get(hook, "batch"), own=self.outline.parameter.get(hook)
        )
        written = _with_plain_parameter(_method(hook, parameters, lines), self.outline.parameter.get(hook, ""))
        decorator = self.outline.decorators.get(hook)
        wrapped = [cst.Decorator(cst.parse_expression(decorator))] if decorator is not None else []
        return written.with_changes(decorators=wrapped)

    def _docstring(self, line: cst.CSTNode) -> cst.CSTNode:
        """The docstring of a function, which a method has at its own depth."""
        depth = sum(isinstance(node, cst.IndentedBlock) for node in self.program.ancestors(line))
        return deeper(line, self.program.module.default_indent * max(0, 2 - depth))

    def _without_last_name(self, body: list[cst.CSTNode]) -> list[cst.CSTNode]:
        """`return criterion(output, target)` for a value that gets a name only to be returned in the next line."""
        if len(body) < 2 or not all(isinstance(line, cst.SimpleStatementLine) for line in body[-2:]):
            return body
        line, last = (cast(cst.SimpleStatementLine, line) for line in body[-2:])
        small, returned = line.body[-1], last.body[0]
        if not isinstance(small, cst.Assign) or len(small.targets) != 1 or not isinstance(returned, cst.Return):
            return body
        loss, bound = self.outline.variable(returned.value), self.outline.variable(small.targets[0].target)
        if loss is None or loss is not bound or comment_lines(last.leading_lines):
            return body
        if loss in self.homes.expression or any(loss.name in names for names in self.homes.global_names.values()):
            return body
        return [*body[:-2], line.with_changes(body=[*line.body[:-1], cst.Return(small.value)])]

    def _stepped_in(self, body: list[cst.CSTNode]) -> set[str]:
        """The names of the optimizers that a hook steps or clears by itself."""
        found = {
            variable.name for node, variable in self.outline.uses(*body)
            if variable in self.roles.optimizers and is_stepped(self.program, node)
            and not (self.outline.automatic and variable in self.homes.expression)
        }  # fmt: skip
        for node in walk(*body):
            held = held_by(self.outline, node)
            if held in self.homes.optimizers and is_stepped(self.program, node):
                found.add(self.homes.optimizers[held])
        return found

    def _own_optimizers(self, stepped: set[str]) -> cst.CSTNode:
        """The line that asks the Trainer for its optimizers, in the order in which it was given them."""
        every = [*(variable.name for variable in self.roles.optimizers), *self.homes.optimizers.values()]
        if len(every) == 1:
            return cst.parse_statement(f"{every[0]} = self.optimizers()")
        names = [name if name in stepped else "_" for name in every]
        return cst.parse_statement(f"{', '.join(names)} = self.optimizers()")

    def _names_itself(self, hook: str, line: cst.CSTNode) -> bool:
        """The line `batch = batch`, when the loop variable is the parameter itself."""
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        if not isinstance(small, cst.Assign) or not isinstance(small.value, cst.Name):
            return False
        if small.value in self.program.variables or not isinstance(small.targets[0].target, cst.Name):
            return False
        target = small.targets[0].target
        variable = self.outline.variable(target)
        if variable is None or variable in self.homes.expression:
            return False
        return self.homes.local_name.get((hook, variable), target.value) == small.value.value

    def _configure_first(self, optimizer: Variable) -> cst.FunctionDef:
        """`configure_optimizers` where the epochs make optimizers: the one that there is when the training begins."""
        held = optimizer in self.homes.arguments
        text = f"return self.{self.homes.attribute[optimizer]}" if held else "return None  # the epochs make them"
        return _method("configure_optimizers", "self", [cst.parse_statement(text)])

    def _configure(self) -> cst.FunctionDef | None:
        """`configure_optimizers`; nothing where the script's own objects do all the optimization."""
        stepped = self.configuration.stepped
        if self.roles.renewed is not None:
            return self._configure_first(self.roles.renewed)
        if not self.roles.optimizers and not self.homes.optimizers:
            return None
        lines: list[cst.CSTNode] = []
        if self.configuration.moved:
            placed = [self.placed("configure_optimizers", line) for line in self.configuration.moved]
            lines = [line.with_changes(leading_lines=staying_and_going(line)[1]) for line in placed]
            for variable in self.configuration.maybe:
                lines[:1] = _none_first(variable.name, lines[0])
        made, schedulers = [self._made(v) for v in self.roles.optimizers], [self._made(v) for v in stepped]
        schedulers = [
            f'{{"scheduler": {name}, "interval": "step"}}' if v in self.configuration.each_batch else name
            for name, v in zip(schedulers, stepped)
        ]
        made += [f"self.{self.homes.attribute[held.base]}.{held.attribute}" for held in self.homes.optimizers]
        result = made[0] if len(made) == 1 else ", ".join(made)
        if stepped:
            result = f"[{', '.join(made)}], [{', '.join(schedulers)}]"
        elif len(made) > 1:
            result = f"[{result}]"
        returned = _returned(lines[-1], result) if lines else None
        body = [*lines[:-1], returned] if returned is not None else [*lines, cst.parse_statement(f"return {result}")]
        return _method("configure_optimizers", "self", body)

    def _made(self, variable: Variable) -> str:
        """What an optimizer or a scheduler is called in `configure_optimizers`."""
        own = self.configuration.moved and variable not in self.configuration.kept
        return variable.name if own else f"self.{self.homes.attribute[variable]}"


def _returned(line: cst.CSTNode, name: str) -> cst.CSTNode | None:
    """`return SGD(...)` for the line `optimizer = SGD(...)`, where that is the name to return."""
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    if not isinstance(small, cst.Assign) or len(small.targets) > 1:
        return None
    target = small.targets[0].target
    wanted = isinstance(target, cst.Name) and target.value == name
    return line.with_changes(body=[cst.Return(small.value)]) if wanted else None


def _with_plain_parameter(method: cst.FunctionDef, own: str) -> cst.FunctionDef:
    """The customary name of a parameter where the variable of that name has become an attribute: `self.outputs`."""
    plain = own.rstrip("_")
    if plain not in ("optimizer", "outputs") or plain == own or plain in free_names(method.body):
        return method
    return apply(
        method, {node: cst.Name(plain) for node in walk(method) if isinstance(node, cst.Name) and node.value == own}
    )


def _none_first(name: str, line: cst.CSTNode) -> list[cst.CSTNode]:
    """A line that binds a name to None, under the comments of the line that may bind it to something else."""
    start = cst.parse_statement(f"{name} = None")
    return [start.with_changes(leading_lines=line.leading_lines), line.with_changes(leading_lines=[])]  # type: ignore[attr-defined]


def _spelled_out(node: cst.FormattedStringExpression) -> list[cst.CSTNode]:
    """`{x=}` prints the text of its expression, which changes: the text is written in front instead."""
    shown = cst.Module([]).code_for_node(node.with_changes(conversion=None, format_spec=None))
    text = shown[1:-1].replace("{", "{{").replace("}", "}}")
    plain = node.conversion is None and node.format_spec is None
    bare = node.with_changes(equal=None, conversion="r" if plain else node.conversion)
    return [cst.FormattedStringText(text), bare]


def _method(name: str, parameters: str, lines: Sequence[cst.CSTNode]) -> cst.FunctionDef:
    parsed = cst.parse_statement(broken(f"def {name}({parameters}):", WIDTH - 4) + "\n    pass\n")
    assert isinstance(parsed, cst.FunctionDef)
    body = list(lines) or [cst.parse_statement("pass")]
    body[0] = without_gap(body[0])
    return parsed.with_changes(body=cst.IndentedBlock(body))  # type: ignore[arg-type]


def _space_above(method: cst.FunctionDef) -> cst.FunctionDef:
    return method.with_changes(leading_lines=[cst.EmptyLine(indent=False), *method.leading_lines])
