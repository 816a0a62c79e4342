"""Settings and objects around a training that Lightning changes, or that change what Lightning does."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.walk import walk
from refactorer.emit.driver_lines import device_of
from refactorer.emit.lightning_lines import is_device_name
from refactorer.lightning.plan import Plan
from refactorer.lightning.traps import Found

_PROCESSES = (
    "torch.distributed", "torch.multiprocessing", "multiprocessing", "torch.nn.parallel.Distributed", "subprocess",
)  # fmt: skip


def find_epochs(plan: Plan) -> Found | None:
    """Epochs that are not counted one by one from a known number."""
    if plan.epochs.argument != "max_epochs":
        return Found(plan.loop, "the loop over the epochs is not `for epoch in range(n)`")
    asked = not plan.outline.fetches_lazily and _runs_code(plan, plan.epochs.value)
    return Found(plan.loop, "the script runs code when its number of epochs is asked for") if asked else None


def _runs_code(plan: Plan, value: cst.BaseExpression | None) -> bool:
    """Whether a method of the file may run for an attribute or an item, which the Trainer's arguments ask for twice."""
    asked: set[str] = set()
    for node in walk(value) if value is not None else ():
        if isinstance(node, cst.Attribute):
            asked |= {node.attr.value, "__getattr__", "__getattribute__"}
        elif isinstance(node, cst.Subscript):
            asked |= {"__getitem__", "__missing__"}
    return any(function.name.value in asked for function in plan.program.find(cst.FunctionDef))


def find_anomaly(plan: Plan) -> Found | None:
    """Anomaly detection that the script switches on."""
    for node in plan.named("torch.autograd.set_detect_anomaly", "torch.autograd.detect_anomaly"):
        return Found(node, "the script looks for anomalies")
    return None


def find_gradient_mode(plan: Plan) -> Found | None:
    """`torch.set_grad_enabled(...)` as a statement of its own."""
    for node in plan.named("torch.set_grad_enabled", "torch.autograd.set_grad_enabled"):
        call = plan.program.parent.get(node)
        if not isinstance(plan.program.parent.get(call) if call else None, cst.WithItem):
            return Found(node, "the script switches gradients on and off")
    for outer in plan.program.ancestors(plan.loop):
        if isinstance(outer, cst.With) and any(_sets_mode(plan, item) for item in outer.items):
            return Found(outer, "the training stands in a block that may switch gradients off")
    return None


def _sets_mode(plan: Plan, item: cst.WithItem) -> bool:
    func = item.item.func if isinstance(item.item, cst.Call) else None
    return (plan.program.qualified_name(func) or "").endswith(("set_grad_enabled", "no_grad", "inference_mode"))


def find_processes(plan: Plan) -> Found | None:
    """Processes that the script starts or joins itself."""
    for node in plan.named(*_PROCESSES):
        return Found(node, "the script sets up processes itself")
    return None


def find_compiling(plan: Plan) -> Found | None:
    """`torch.compile`."""
    for node in plan.named("torch.compile"):
        return Found(node, "the script compiles its model")
    return None


def find_warnings(plan: Plan) -> Found | None:
    """Warnings as errors, and logging that is set up where Lightning's lines would go into it."""
    for node in plan.named("warnings."):
        call = plan.program.parent.get(node)
        if not (isinstance(call, cst.Call) and call.args and _is_ignore(call.args[0].value)):
            return Found(node, "the script decides what becomes of warnings")
    for node in plan.named("logging.captureWarnings", "logging.basicConfig", "logging.getLogger"):
        if node.__class__ is cst.Attribute and plan.program.order[node] < _last_import(plan):
            return Found(node, "logging is set up above an import")
    return None


def find_early_seeds(plan: Plan) -> Found | None:
    """Random numbers that are seeded above an import, behind which that of Lightning stands."""
    for call in plan.program.calls:
        name = plan.program.qualified_name(call.func) or ""
        early = plan.program.enclosing_function(call) is None and plan.program.order[call] < _last_import(plan)
        if early and "seed" in name.split(".")[-1] and not name.startswith(("torch.", "numpy.")):
            return Found(call, "random numbers are seeded above an import")
    return None


def _is_ignore(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.SimpleString) and value.evaluated_value == "ignore"


def _last_import(plan: Plan) -> int:
    return max((plan.program.order[node] for node in plan.program.find((cst.Import, cst.ImportFrom))), default=0)


def find_device(plan: Plan) -> Found | None:
    """Devices whose kind, or whose number, is not known."""
    for node in plan.named("torch.set_default_device", "torch.set_default_tensor_type", "torch.cuda.set_device"):
        return Found(node, "the script chooses the device for everything")
    texts = [node for node in plan.program.find(cst.SimpleString) if "cuda" in str(node.evaluated_value)]
    parts = [node for node in plan.program.find(cst.FormattedStringText) if "cuda" in node.value]
    numbered = [node for node in texts if "cuda:" in str(node.evaluated_value).replace("cuda:0", "")] + parts
    if numbered:
        return Found(numbered[0], "the device may be another than the first")
    device = device_of(plan.outline, plan.roles)
    moves = [c for c in plan.program.calls if isinstance(c.func, cst.Attribute) and c.func.attr.value == "cuda"]
    if device is None:
        odd = next(iter([*texts, *moves]), None)
        return Found(odd, "it is not clear what the device of the training is") if odd is not None else None
    if any(call.args for call in moves):
        return Found(plan.loop, "the device may be another than the first")
    return None if _is_known(plan, device) else Found(plan.loop, "it is not clear what the device of the training is")


def _is_known(plan: Plan, device: cst.BaseExpression) -> bool:
    """Whether a device is made of strings that are written out."""
    if plan.outline.device is None:
        return True  # that of the model's own parameters
    variable = plan.outline.variable(plan.outline.device)
    value = plan.program.assigned_value(variable) if variable is not None else plan.outline.device
    if is_device_name(plan.outline, device):
        return True
    if not isinstance(value, cst.Call) or plan.program.qualified_name(value.func) != "torch.device":
        return False
    given = value.args[0].value if len(value.args) == 1 else None
    parts = [given.body, given.orelse] if isinstance(given, cst.IfExp) else [given]
    return all(isinstance(part, cst.SimpleString) for part in parts)


def find_teardown(plan: Plan) -> Found | None:
    """The model after a training on another device."""
    if device_of(plan.outline, plan.roles) is None:
        return None
    for model in plan.roles.models:
        for node in plan.behind(model):
            parent = plan.program.parent.get(node)
            if not isinstance(parent, cst.Attribute) or parent.attr.value not in ("state_dict", "load_state_dict"):
                return Found(node, f"{model.name} is used after the training")
    return None
