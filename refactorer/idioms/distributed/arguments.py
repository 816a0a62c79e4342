"""What a script tells `DistributedDataParallel` beside its model, and the strategy that says the same."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.idioms.known.sensitive import Obstacle

IMPORT = "from pytorch_lightning.strategies import DDPStrategy"
_CLASS = "DDPStrategy"
_POSITIONS = ("module", "device_ids", "output_device")
_DEFAULTS = {
    "find_unused_parameters": "False", "broadcast_buffers": "True", "gradient_as_bucket_view": "False",
    "static_graph": "False", "bucket_cap_mb": "None", "dim": "0", "process_group": "None",
}  # fmt: skip
_FIXED = ("dim", "process_group")
_HARMLESS = ("torch.", "os.", "builtins.int", "builtins.str", "builtins.len")
_UNKNOWN = "it has arguments that the Trainer does not know"


@dataclass(frozen=True)
class Arguments:
    """The wrapped model, and the settings that are not torch's defaults, as the script writes them."""

    wrapped: cst.BaseExpression
    settings: tuple[cst.Arg, ...]

    def strategy(self) -> cst.BaseExpression:
        """The strategy for the Trainer: by its name if it has one."""
        names = {arg.keyword.value for arg in self.settings if arg.keyword is not None}
        if not names:
            return cst.SimpleString("'ddp'")
        if names == {"find_unused_parameters"}:
            return cst.SimpleString("'ddp_find_unused_parameters_true'")
        *first, last = self.settings
        return cst.Call(cst.Name(_CLASS), [*first, last.with_changes(comma=cst.MaybeSentinel.DEFAULT)])


def arguments_of(program: Program, call: cst.Call) -> Arguments | Obstacle:
    """The arguments of a call of the wrapper's class, if the Trainer knows them all."""
    wrapped: cst.BaseExpression | None = None
    settings = []
    for index, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else ""
        if arg.keyword is None and not arg.star and index < len(_POSITIONS):
            name = _POSITIONS[index]
        if name == "module":
            wrapped = arg.value
        elif name in _DEFAULTS:
            written = arg.value.value if isinstance(arg.value, (cst.Name, cst.Integer)) else ""
            if written == _DEFAULTS[name]:
                continue
            if name in _FIXED or not (written in ("True", "False") or isinstance(arg.value, cst.Integer)):
                return Obstacle(arg, _UNKNOWN)
            settings.append(_on_one_line(arg))
        elif name == "device_ids" and isinstance(arg.value, cst.List) and len(arg.value.elements) != 1:
            return Obstacle(arg, "each process trains on several devices")
        elif name not in _POSITIONS:
            return Obstacle(arg, _UNKNOWN)
        elif _calls_own_code(program, arg.value):
            return Obstacle(arg, "one of its arguments runs code of the script")
    made = Arguments(wrapped, tuple(settings)) if wrapped is not None else None
    if made is None or (isinstance(made.strategy(), cst.Call) and _is_taken(program)):
        return Obstacle(call, _UNKNOWN)
    return made


def _on_one_line(arg: cst.Arg) -> cst.Arg:
    return arg.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=cst.SimpleWhitespace(""))


def _is_taken(program: Program) -> bool:
    """Whether the file uses the name of Lightning's class for something else."""
    known = {name.value for name, full in program.imports.items() if full == f"pytorch_lightning.strategies.{_CLASS}"}  # type: ignore[attr-defined]
    return any(variable.name == _CLASS for variable in program.variables.values()) and _CLASS not in known


def _calls_own_code(program: Program, value: cst.BaseExpression) -> bool:
    """Whether an argument that goes would have run code of the script."""
    calls = program.find(cst.Call, value)
    return any(not (program.qualified_name(call.func) or "").startswith(_HARMLESS) for call in calls)
