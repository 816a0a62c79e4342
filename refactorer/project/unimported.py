"""Whether an import may go: whether anyone would miss what it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from refactorer.project.facts import Facts, facts_of, run_at_import
from refactorer.project.files import SCRIPT, parents_of, references_of
from refactorer.project.modules import Modules

_LIBRARIES = (
    "PIL", "cv2", "einops", "matplotlib", "numpy", "pandas", "scipy", "skimage", "sklearn", "tensorboard",
    "tensorboardX", "timm", "torch", "torchaudio", "torchmetrics", "torchtext", "torchvision", "tqdm", "transformers",
    "yaml",
)  # fmt: skip
_DECORATORS = ("torch.no_grad", "torch.inference_mode", "staticmethod", "classmethod", "property")
_CALLS = ("logging.getLogger", "torch.device", "torch.cuda.is_available", "os.path.", "int", "float", "str", "dict",
          "list", "tuple", "set", "range", "frozenset")  # fmt: skip
_VALUES = (
    ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.UnaryOp, ast.unaryop,
    ast.BinOp, ast.operator, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop, ast.IfExp, ast.Lambda, ast.expr_context,
    ast.JoinedStr, ast.FormattedValue, ast.Subscript, ast.Slice, ast.Starred,
)  # fmt: skip


@dataclass(frozen=True)
class Unimported:
    """Answers for the files around a script."""

    modules: Modules

    def may_go(self, reference: str, above: frozenset[str], beside: frozenset[str] = frozenset()) -> bool:
        """Whether an import of a module changes nothing that anyone could see, but for the name that it binds.

        Modules `above` are imported before it, and those `beside` at its place.
        """
        return all(self._may_go(name, above, beside) for name in [*parents_of(reference), reference])

    def _may_go(self, reference: str, above: frozenset[str], beside: frozenset[str]) -> bool:
        if reference in above or reference in beside:
            return True
        file, facts = self.modules.file(reference), self.modules.facts(reference)
        if file is None:
            folder = any(name.startswith(f"{reference}.") for name in self.modules.others.files)
            return folder or _is_library(reference)
        if facts is None or not is_quiet(facts):
            return False
        return all(
            name in beside or self.may_go(name, above | {reference})
            for name in references_of(reference, file.package, facts, at_import=True)
            if self.modules.file(name) is not None or not self._is_member(name)
        )

    def _is_member(self, reference: str) -> bool:
        """Whether a reference is that of something in a module, and of no module of its own."""
        parents = parents_of(reference)
        return bool(parents) and (self.modules.file(parents[-1]) is not None or parents[0] in _LIBRARIES)


def imported_by(text: str) -> frozenset[str]:
    """The modules that lines of the script import, and perhaps names in them."""
    facts = facts_of(text)
    return frozenset(references_of(SCRIPT, True, facts, at_import=True)) if facts is not None else frozenset()


def is_quiet(facts: Facts) -> bool:
    """Whether a file, when it is imported, only imports others, defines functions and classes, and sets constants."""
    return all(_is_quiet(node) for node in facts.tree.body) and not _asks_objects(facts)


def _asks_objects(facts: Facts) -> bool:
    """Whether what runs works with objects of other files: their operators and attributes may be anything."""
    outside = {one.bound: one.whole for one in facts.imports if one.level or not _is_library(one.module)}
    for node in run_at_import(facts.tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            root = _dotted(node.value).split(".")[0]
            whole = isinstance(node, ast.Attribute) and outside.get(root, True)
            if root in outside and not whole:
                return True
        elif isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.FormattedValue, ast.If)):
            inside = ast.walk(node.test if isinstance(node, ast.If) else node)
            if any(isinstance(name, ast.Name) and name.id in outside for name in inside):
                return True
    return False


def _is_library(module: str) -> bool:
    return module.split(".")[0] in (*_LIBRARIES, *sys.stdlib_module_names)


def _is_quiet(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)):
        return True
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return _is_quiet_header(node)
    if isinstance(node, ast.ClassDef):
        bases = all(_dotted(base).startswith(("torch.", "nn.", "object", "Exception")) for base in node.bases)
        return bases and not node.keywords and not node.decorator_list and all(_is_quiet(part) for part in node.body)
    if isinstance(node, ast.If):
        guard = isinstance(node.test, ast.Compare) and _dotted(node.test.left) == "__name__"
        return (guard and not node.orelse) or (
            _is_value(node.test) and all(_is_quiet(part) for part in [*node.body, *node.orelse])
        )
    if isinstance(node, ast.Try):
        parts = [*node.body, *node.orelse, *node.finalbody, *(part for one in node.handlers for part in one.body)]
        return all(_is_quiet(part) for part in parts)
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) for target in node.targets) and _is_value(node.value)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and all(_is_value(part) for part in (node.annotation, node.value))
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_quiet_header(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    decorators = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [node.returns, *(one.annotation for one in every if one is not None)]
    values = [*arguments.defaults, *arguments.kw_defaults, *annotations]
    return all(_dotted(one) in _DECORATORS for one in decorators) and all(_is_value(one) for one in values)


def _is_value(node: ast.AST | None) -> bool:
    """Whether working out an expression does nothing else."""
    if node is None:
        return True
    if isinstance(node, ast.Lambda):
        return all(_is_value(one) for one in [*node.args.defaults, *node.args.kw_defaults])
    if isinstance(node, (ast.Call, ast.keyword)):
        known = isinstance(node, ast.keyword) or _is_known(_dotted(node.func))
        return known and all(_is_value(one) for one in _inner(node))
    return isinstance(node, _VALUES) and all(_is_value(one) for one in ast.iter_child_nodes(node))


def _inner(node: ast.Call | ast.keyword) -> Iterator[ast.AST]:
    yield from [node.value] if isinstance(node, ast.keyword) else [*node.args, *node.keywords]


def _is_known(name: str) -> bool:
    return any(name == one or (one.endswith(".") and name.startswith(one)) for one in _CALLS)


def _dotted(node: ast.AST) -> str:
    """A dotted name as it is written; nothing for any other expression."""
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""
