"""What the functions and classes of well-known libraries give: settings, data, and modules without tensors."""

from __future__ import annotations

import libcst as cst

_SETTINGS = (
    "argparse.", "datetime.", "glob.", "json.", "logging.", "math.", "os.", "pathlib.", "random.randint",
    "random.random", "random.uniform", "socket.", "sys.", "tempfile.", "time.", "uuid.", "torch.device",
    "torch.cuda.device_count", "torch.cuda.is_available", "torch.cuda.current_device", "torch.distributed.get_",
    "torch.distributed.is_", "builtins.int", "builtins.float", "builtins.str", "builtins.bool", "builtins.len",
    "builtins.range", "builtins.round", "builtins.isinstance", "builtins.hasattr", "builtins.any", "builtins.all",
    "builtins.open", "builtins.repr", "builtins.format", "builtins.abs",
)  # fmt: skip
_DATA = (
    "numpy.", "pandas.", "sklearn.datasets.", "torch.", "torch_geometric.data.", "torch_geometric.datasets.",
    "torch_geometric.loader.", "torchvision.datasets.", "dgl.data.", "dgl.dataloading.",
)  # fmt: skip
_NETWORKS = ("torch.nn.", "torch.jit.", "torch.hub.", "torch.load", "torch.compile", "torch.fx.", "torch.ao.",
             "torch.quantization.", "torch.export.", "torch.distributed.", "torch.func.", "torch.package.",
             "torch.optim.", "torch.cuda.make_graphed_callables")  # fmt: skip
_OF_OGB = ("Dataset", "Evaluator", "DataLoader")
_WITHOUT = ("ReLU", "LeakyReLU", "GELU", "SiLU", "ELU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Softplus",
            "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Flatten", "Identity", "MaxPool2d", "AvgPool2d",
            "AdaptiveAvgPool2d")  # fmt: skip
_METRICS = ("Accuracy", "F1Score", "Precision", "Recall", "ConfusionMatrix", "MeanMetric", "SumMetric",
            "MeanSquaredError", "MeanAbsoluteError", "R2Score")  # fmt: skip
_WEIGHTS = ("weight", "pos_weight")


def gives_settings(name: str) -> bool:
    """Whether what a qualified name gives is a number, a string or an object of such, without tensors in it."""
    return name.startswith(_SETTINGS)


def gives_data(name: str) -> bool:
    """Whether what a qualified name gives is a tensor, an array, a data set or a loader, and no network."""
    package, _, last = name.rpartition(".")
    if package == "dgl" and last.islower():
        return True  # functions that give graphs
    if name.startswith("ogb."):
        return name.endswith(_OF_OGB)
    return name.startswith(_DATA) and not name.startswith(_NETWORKS)


def has_no_tensors(name: str, call: cst.Call) -> bool:
    """Whether a call makes a module that has neither parameters nor buffers."""
    package, _, last = name.rpartition(".")
    if package in ("torch.nn", "torch.nn.modules.loss") and last.endswith("Loss"):
        return not last.startswith("Adaptive") and all(
            arg.keyword is not None and arg.keyword.value not in _WEIGHTS for arg in call.args
        )
    return (package == "torch.nn" and last in _WITHOUT) or (package == "torchmetrics" and last in _METRICS)
