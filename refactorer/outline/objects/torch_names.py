"""What the qualified names of torch's own classes mean, and the methods that only move or cast an object.

Optimizers and schedulers of Hugging Face count too: they are classes of torch's, or made by functions that only do so.
"""

from __future__ import annotations

import libcst as cst

_SCALERS = {f"torch.{place}.GradScaler" for place in ("cuda.amp", "amp", "cuda.amp.grad_scaler", "amp.grad_scaler")}
_AVERAGED = "torch.optim.swa_utils.AveragedModel"
MOVES = ("to", "cuda", "cpu", "float", "double")
_WITH_PARAMETERS = ("AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss")
_TRANSFORMERS = ("transformers", "pytorch_transformers", "pytorch_pretrained_bert")
_OF_TRANSFORMERS = ("AdamW", "Adafactor", "BertAdam", "OpenAIAdam")
_STATELESS = ("CosineSimilarity", "LogSoftmax", "PairwiseDistance", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh")


def names_module_class(name: str | None) -> bool:
    """Whether a qualified name is that of a module or parameter class of torch, not of a function."""
    if name is None:
        return False
    return name == _AVERAGED or (name.startswith("torch.nn.") and name.rsplit(".", 1)[1][:1].isupper())


def names_stateless_class(name: str | None) -> bool:
    """Whether a qualified name is that of a loss of torch, or of a function as a module: without any tensors."""
    if name is None or not name.startswith("torch.nn."):
        return False
    own = name.rsplit(".", 1)[1]
    return own in _STATELESS or (own.endswith("Loss") and own not in _WITH_PARAMETERS)


def names_scheduler(name: str | None) -> bool:
    """Whether a qualified name is that of something in `torch.optim.lr_scheduler`, of `SWALR`, or a warm-up.

    The schedule of Adafactor is none of them: it looks at gradients.
    """
    if name is None:
        return False
    own = _of_transformers(name)
    warms_up = (own.endswith("Schedule") or (own.startswith("get_") and "schedule" in own)) and "dafactor" not in own
    return warms_up or name.startswith(("torch.optim.lr_scheduler.", "torch.optim.swa_utils.SWALR"))


def names_optimizer(name: str | None) -> bool:
    """Whether a qualified name is that of an optimizer: something in `torch.optim`, but not in a module beside them."""
    if name is None:
        return False
    beside = ("torch.optim.lr_scheduler", "torch.optim.swa_utils")
    own = name.startswith("torch.optim.") and not name.startswith(beside)
    return own or _of_transformers(name) in _OF_TRANSFORMERS


def _of_transformers(name: str) -> str:
    """What Hugging Face calls something itself, whose qualified name this is; empty for anything else."""
    library, _, own = name.partition(".")
    return own.removeprefix("optimization.") if library in _TRANSFORMERS else ""


def names_scaler(name: str | None) -> bool:
    """Whether a qualified name is that of `GradScaler`, in any of its places."""
    return name in _SCALERS


def unmoved(value: cst.CSTNode, also: tuple[str, ...] = ()) -> cst.CSTNode:
    """`Net()` of `Net().to(device).double()`: an expression without the moves and casts at its end.

    `also` are further methods that return the object that they are called on.
    """
    while isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute):
        if value.func.attr.value not in (*MOVES, *also):
            break
        value = value.func.value
    return value
