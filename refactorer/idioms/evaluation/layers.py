"""What a model is made of: whether its mode matters, and whether it computes the same with and without gradients."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.analysis.walk import walk
from refactorer.idioms.known.plain import is_plain
from refactorer.outline.functions.shapes_of_values import value_of
from refactorer.outline.objects.optimizers import is_module_class, may_be_module
from refactorer.outline.objects.torch_names import unmoved
from refactorer.outline.outline import Outline

_WITHOUT_MODES = """
Module Sequential ModuleList ModuleDict Parameter ParameterList Linear Bilinear Identity Flatten Unflatten
Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Embedding EmbeddingBag ReLU ReLU6 LeakyReLU
PReLU ELU SELU CELU GELU SiLU Mish Hardswish Hardtanh Sigmoid LogSigmoid Tanh Softplus Softmax Softmax2d LogSoftmax
MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d
AdaptiveMaxPool2d LayerNorm GroupNorm Upsample PixelShuffle ZeroPad2d ReflectionPad2d
"""
_WITH_MODES = """
Dropout Dropout1d Dropout2d Dropout3d AlphaDropout BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d
"""
# other kernels may run in the other mode, whose results are not the same to the last bit
_RECURRENT = frozenset(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"))
_PLAIN, _MODED = frozenset(_WITHOUT_MODES.split()), frozenset(_WITH_MODES.split()) | _RECURRENT
_MODED_FUNCTIONS = ("dropout", "batch_norm", "instance_norm", "rrelu", "multi_head", "scaled_dot", "bernoulli")
_KEEPING = ("append", "extend", "insert", "update", "add", "setdefault", "appendleft", "matmul", "einsum")
FOR_GRADIENTS = (
    "torch.autograd.", "torch.func.", "torch.utils.", "torch.jit.", "torch.ops.", "torch.compile", "torch.save",
    "torch.is_grad_enabled", "torch.is_inference_mode_enabled", "torch.enable_grad", "torch.set_grad_enabled",
)  # fmt: skip
"""What torch has that sees gradients, or keeps what it is given."""
_GRADIENT_WORDS = ("is_grad_enabled", "requires_grad", "grad_fn", "is_leaf", "checkpoint")


def is_free_of_modes(outline: Outline, model: Variable) -> bool:
    """Whether a model is made of layers that do the same in both modes."""
    found = _Layers(outline).of(model)
    return found is not None and not found & _MODED


def ignores_gradients(outline: Outline, model: Variable) -> bool:
    """Whether a model computes the same with and without gradients, and keeps nothing of what it computed."""
    attributes = {node.attr.value for node in outline.program.find(cst.Attribute)}
    if attributes & set(_GRADIENT_WORDS):
        return False
    layers = _Layers(outline)
    found = layers.of(model)
    return found is not None and not found & _RECURRENT and not any(layers.keeps_results(c) for c in layers.classes)


class _Layers:
    """Looks through the classes that a model is made of."""

    def __init__(self, outline: Outline) -> None:
        self.outline, self.program = outline, outline.program
        self.classes: dict[cst.ClassDef, None] = {}

    def of(self, model: Variable) -> set[str] | None:
        """The layers of torch that a model is made of; None where not all are known."""
        found: set[str] = set()
        for seen in model.writes:
            bound = value_of(self.program, seen.node)
            if bound is None:
                return None
            value = unmoved(bound, ("train", "eval"))
            if isinstance(value, cst.Name) and self.outline.variable(value) is model:
                continue
            layers = self._made(value)
            if layers is None:
                return None
            found |= layers
        return found if model.writes else None

    def _made(self, value: cst.CSTNode) -> set[str] | None:
        if not isinstance(value, cst.Call):
            return None
        own = self.program.definition(self.program.variables.get(value.func))
        if isinstance(own, cst.ClassDef):
            if any(self._may_be_layer(arg.value) for arg in value.args):
                return None
            return self._in_class(own, ())
        return self._in_code(value, ())

    def _may_be_layer(self, node: cst.BaseExpression) -> bool:
        if any((self.program.qualified_name(part) or "").startswith("torch.nn") for part in walk(node)):
            return True
        for _, variable in self.outline.uses(node):
            kinds = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)
            if isinstance(self.program.definition(variable), kinds) or may_be_module(self.outline, variable):
                return True
        return False

    def _in_class(self, node: cst.ClassDef, outer: tuple[cst.CSTNode, ...]) -> set[str] | None:
        if node in outer:
            return set()
        self.classes.setdefault(node)
        found: set[str] = set()
        bases = [base.value for base in node.bases]
        for base in bases:
            own = self.program.definition(self.program.variables.get(base))
            if not isinstance(own, cst.ClassDef) and self.program.qualified_name(base) != "torch.nn.Module":
                return None
        for part in (*bases, node.body):
            layers = self._in_code(part, (*outer, node))
            if layers is None:
                return None
            found |= layers
        return found

    def _in_code(self, code: cst.CSTNode, outer: tuple[cst.CSTNode, ...]) -> set[str] | None:
        """The layers that code names; None where it calls something that is not known."""
        found: set[str] = set()
        for node in walk(code):
            if isinstance(node, cst.Attribute) and node.attr.value == "training":
                return None
            if isinstance(node, cst.Call):
                layers = self._called(node, outer)
            elif isinstance(node, (cst.Name, cst.Attribute)):
                layers = self._named(node, outer)
            else:
                continue
            if layers is None:
                return None
            found |= layers
        return found

    def _named(self, node: cst.Name | cst.Attribute, outer: tuple[cst.CSTNode, ...]) -> set[str] | None:
        if self._may_hold_layers(node):
            return None
        own = self.program.definition(self.program.variables.get(node))
        if isinstance(own, (cst.ClassDef, cst.FunctionDef)):
            return self._defined(own, outer)
        if self._is_handed_on(node):
            return None
        full = self.program.qualified_name(node) or ""
        name = full.rsplit(".", 1)[-1]
        if any(word in name for word in _MODED_FUNCTIONS) and full.startswith("torch."):
            return None
        is_class = full.startswith("torch.nn.") and name[:1].isupper()
        if not is_class or name.endswith("Loss"):
            return set()
        return {name} if name in _PLAIN | _MODED else None

    def _defined(self, own: cst.ClassDef | cst.FunctionDef, outer: tuple[cst.CSTNode, ...]) -> set[str] | None:
        """The layers of a class or a function of the file: a base, what is called, or what is handed on."""
        if own in outer:
            return set()
        if isinstance(own, cst.ClassDef) and is_module_class(self.program, own):
            return self._in_class(own, outer)
        return self._in_code(own.body, (*outer, own))

    def _is_handed_on(self, node: cst.CSTNode) -> bool:
        """Whether something of another file, perhaps a class of layers, is given to code of this one."""
        variable, arg = self.program.variables.get(node), self.program.parent.get(node)
        call = self.program.parent.get(arg) if isinstance(arg, cst.Arg) else None
        if variable is None or not isinstance(call, cst.Call):
            return False
        imported = any(seen.node in self.program.imports for seen in variable.writes)
        return imported and not (self.program.qualified_name(call.func) or "").startswith(("torch.", "builtins."))

    def _may_hold_layers(self, node: cst.CSTNode) -> bool:
        """Whether a name means an object of the script, made elsewhere, that is more than a plain value."""
        variable = self.program.variables.get(node)
        scopes = (self.outline.site.driver, self.program.scope[self.program.module])
        if variable is None or variable.owner not in scopes:
            return False
        kinds = (cst.FunctionDef, cst.ClassDef, cst.ImportAlias)
        return not isinstance(self.program.definition(variable), kinds) and not is_plain(self.outline, variable)

    def _called(self, call: cst.Call, outer: tuple[cst.CSTNode, ...]) -> set[str] | None:
        full = self.program.qualified_name(call.func)
        if full is not None:
            known = full.startswith(("torch.", "builtins.", "math.", "numpy.")) and not full.startswith(FOR_GRADIENTS)
            return set() if known else None
        if not isinstance(call.func, cst.Name):
            return set()  # a method: of what the class itself holds, or of a tensor
        own = self.program.definition(self.program.variables.get(call.func))
        if isinstance(own, cst.ClassDef):
            return self._in_class(own, outer)
        if isinstance(own, cst.FunctionDef):
            return self._defined(own, outer)
        variable = self.program.variables.get(call.func)
        local = variable is not None and variable.owner is not None and variable.owner.kind == "function"
        writes = variable.writes if variable is not None else []
        given = any(isinstance(self.program.parent.get(seen.node), cst.Param) for seen in writes)
        return set() if local and not given else None

    def keeps_results(self, node: cst.ClassDef) -> bool:
        """Whether methods, the constructor aside, store something, or multiply what decides by itself how to."""
        for method in node.body.body:
            if not isinstance(method, cst.FunctionDef) or method.name.value == "__init__":
                continue
            for part in walk(method.body):
                target = part.target if isinstance(part, (cst.AssignTarget, cst.AugAssign)) else None
                if target is not None and any(isinstance(t, (cst.Attribute, cst.Subscript)) for t in walk(target)):
                    return True
                if isinstance(part, (cst.Global, cst.Nonlocal, cst.NamedExpr, cst.MatrixMultiply)):
                    return True
                func = part.func if isinstance(part, cst.Call) else None
                if isinstance(func, cst.Attribute) and func.attr.value in _KEEPING:
                    return True
        return False
