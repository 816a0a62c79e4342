"""What Lightning alone spells differently: the arguments of its Trainer, how a training stops, an optimizer that is
the script's own concern.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
import libcst.matchers as m

from refactorer.analysis.program import Program
from refactorer.analysis.walk import walk
from refactorer.emit.edits import Edit, apply
from refactorer.outline.outline import Outline

#: Where Lightning's defaults would write files or print.
_NO_TRACE = (
    "logger=False", "enable_checkpointing=False", "enable_progress_bar=False", "enable_model_summary=False",
)  # fmt: skip
_STOP = m.Expr(m.Call(m.Attribute(m.Name("self"), m.Name("stop_training"))))


def trainer_line(
    outline: Outline, name: str, trainer_class: str, epochs: cst.BaseExpression, device: cst.BaseExpression | None,
    settings: Sequence[str],
) -> cst.SimpleStatementLine:  # fmt: skip
    """The line that makes a Trainer which leaves no trace; its arguments stand on lines of their own."""
    own = [*_count(outline.program, epochs), f"accelerator={_accelerator(outline, device)}", "devices=1", *settings]
    quiet = [*_NO_TRACE, *(["num_sanity_val_steps=0"] if outline.evaluation is not None else [])]
    text = f"{name} = {trainer_class}(\n    {', '.join(own)},\n    {', '.join(quiet)},\n)\n"
    line = cst.parse_statement(text)
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def _count(program: Program, epochs: cst.BaseExpression) -> list[str]:
    """How many epochs there are: none of them asks the loader for nothing, and -1 is "without end" to Lightning."""
    text = cst.Module([]).code_for_node(epochs)
    known = program.assigned_value(program.variables.get(epochs)) if isinstance(epochs, cst.Name) else epochs
    positive = isinstance(known, cst.Integer) and known.evaluated_value > 0
    return [f"max_epochs={text}", *([] if positive else [f"limit_train_batches=None if {text} > 0 else 0"])]


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


def for_lightning(written: cst.ClassDef, steps_by_itself: bool) -> cst.ClassDef:
    """The class with Lightning's own way to stop; `steps_by_itself` says that the script does all the optimization."""
    written = apply(written, _stops(written))
    if not steps_by_itself:
        return written
    parsed = cst.parse_statement("def configure_optimizers(self):\n    return None\n")
    method = parsed.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return written.with_changes(body=written.body.with_changes(body=[*written.body.body, method]))


def _stops(written: cst.ClassDef) -> dict[cst.CSTNode, Edit]:
    """Lightning's own way to stop, where the module stops the training."""
    target = cst.AssignTarget(cst.parse_expression("self.trainer.should_stop"))  # type: ignore[arg-type]
    found = [node for node in walk(written) if isinstance(node, cst.Expr) and m.matches(node, _STOP)]
    return {node: cst.Assign([target], cst.Name("True"), semicolon=node.semicolon) for node in found}
