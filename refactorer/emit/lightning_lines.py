"""What Lightning alone spells differently: the arguments of its Trainer, how a training stops, an optimizer that is
the script's own concern.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
import libcst.matchers as m

from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.outline.outline import Outline

#: Where Lightning's defaults would write files or print.
_NO_TRACE = (
    "logger=False", "enable_checkpointing=False", "enable_progress_bar=False", "enable_model_summary=False",
)  # fmt: skip
#: What makes Lightning fetch each batch only when it is wanted.
LAZY = {"limit_train_batches": "10**9", "reload_dataloaders_every_n_epochs": "1"}
_KEPT = """\
def zero_grad(self, set_to_none=True):
    pass  # the script clears its gradients itself
"""
_AS_IT_IS = """\
def transfer_batch_to_device(self, batch, device, dataloader_idx):
    return batch  # the very object of the loader
"""
_ASKED = m.Call(m.Attribute(m.Name("self"), m.Name("optimizers")), args=[])
_ROW = "\n    "
_STOP = m.Expr(m.Call(m.Attribute(m.Name("self"), m.Name("stop_training"))))


def trainer_line(
    outline: Outline, name: str, trainer_class: str, epochs: cst.BaseExpression, device: cst.BaseExpression | None,
    settings: Sequence[str],
) -> cst.SimpleStatementLine:  # fmt: skip
    """The line that makes a Trainer which leaves no trace; its arguments stand on lines of their own."""
    lazy = [setting for setting in settings if setting.split("=")[0] in LAZY]
    others = [setting for setting in settings if setting not in lazy]
    own = [*_count(outline, epochs), f"accelerator={_accelerator(outline, device)}", "devices=1", *others]
    quiet = [*_NO_TRACE, *(["num_sanity_val_steps=0"] if outline.evaluation is not None else [])]
    rows = [", ".join(row) + "," for row in (own, lazy, quiet) if row]
    rows[1:-1] = [f"{row}  # fetches each batch when it is wanted" for row in rows[1:-1]]
    text = f"{name} = {trainer_class}(\n    {_ROW.join(rows)}\n)\n"
    line = cst.parse_statement(text)
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def _count(outline: Outline, epochs: cst.BaseExpression) -> list[str]:
    """How many epochs there are: none of them asks the loader for nothing, and -1 is "without end" to Lightning."""
    program, text = outline.program, cst.Module([]).code_for_node(epochs)
    known = program.assigned_value(program.variables.get(epochs)) if isinstance(epochs, cst.Name) else epochs
    if isinstance(known, cst.Integer) and known.evaluated_value > 0:
        return [f"max_epochs={text}"]
    if isinstance(epochs, cst.Call):  # the length of a range
        numbers = cst.Module([]).code_for_node(epochs.args[0].value)
        limit = [] if outline.fetches_lazily else [f"limit_train_batches=None if {numbers} else 0"]
        return [f"max_epochs={text}", *limit]
    if outline.fetches_lazily:
        return [f"max_epochs=max({text}, 0)"]
    return [f"max_epochs={text}", f"limit_train_batches=None if {text} > 0 else 0"]


def _accelerator(outline: Outline, device: cst.BaseExpression | None) -> str:
    if device is None:
        return '"cpu"'
    text = cst.Module([]).code_for_node(device)
    if not is_device_name(outline, device):
        return f"{text}.type"
    numbered = any(":" in str(part.evaluated_value) for part in device_names(outline, device))
    return f"{text}.split(':')[0]" if numbered else text


def is_device_name(outline: Outline, device: cst.BaseExpression) -> bool:
    """Whether a device is known to be a string, such as the `"cuda" if torch.cuda.is_available() else "cpu"`."""
    return bool(device_names(outline, device))


def device_names(outline: Outline, device: cst.BaseExpression) -> list[cst.SimpleString]:
    """The strings that a device is known to be one of; none if it is something else."""
    variable = outline.variable(outline.device or device)
    value = outline.program.assigned_value(variable) if variable is not None else device
    parts = [value.body, value.orelse] if isinstance(value, cst.IfExp) else [value]
    names = [part for part in parts if isinstance(part, cst.SimpleString)]
    return names if len(names) == len(parts) else []


def for_lightning(outline: Outline, written: cst.ClassDef, steps_by_itself: bool) -> cst.ClassDef:
    """The class with Lightning's own way to stop; `steps_by_itself` says that the script does all the optimization."""
    written = apply(written, {**_stops(written), **({} if outline.takes_closures else _unwrapped(written))})
    methods = list(written.body.body)
    if steps_by_itself:
        methods.append(_method("def configure_optimizers(self):\n    return None\n"))
    own = [
        text
        for text, wanted in (
            (_AS_IT_IS, outline.keeps_batches and not outline.moves_batches),
            (_KEPT, outline.keeps_gradients),
        )
        if wanted
    ]
    methods[-1:-1] = [_method(text) for text in own]
    return written.with_changes(body=written.body.with_changes(body=methods))


def _unwrapped(written: cst.ClassDef) -> dict[cst.CSTNode, Edit]:
    """The script's own optimizers: Lightning's wrappers always give a closure."""
    plain = cst.parse_expression("self.optimizers(use_pl_optimizer=False)")
    return {node: plain for node in walk(written) if isinstance(node, cst.Call) and m.matches(node, _ASKED)}


def _method(text: str) -> cst.BaseCompoundStatement | cst.SimpleStatementLine:
    return cst.parse_statement(text).with_changes(leading_lines=[cst.EmptyLine(indent=False)])


def _stops(written: cst.ClassDef) -> dict[cst.CSTNode, Edit]:
    """Lightning's own way to stop, where the module stops the training."""
    target = cst.AssignTarget(cst.parse_expression("self.trainer.should_stop"))  # type: ignore[arg-type]
    found = [node for node in walk(written) if isinstance(node, cst.Expr) and m.matches(node, _STOP)]
    return {node: cst.Assign([target], cst.Name("True"), semicolon=node.semicolon) for node in found}
