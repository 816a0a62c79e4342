"""A home for every variable: local to a hook, attribute, constructor argument, module global, or the Trainer's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from keyword import iskeyword

import libcst as cst

from refactorer.analysis.scopes import Variable
from refactorer.emit.reserved import RESERVED
from refactorer.outline.objects.held import Holdings
from refactorer.outline.objects.optimizers import Held
from refactorer.outline.outline import Outline


@dataclass
class Homes:
    """Where each variable of the hooks lives, seen through parameters.

    `at` says it for some names where it depends on the place. `needless` has the lines in front of the training that
    bind what the Trainer supplies.
    """

    expression: dict[Variable, cst.BaseExpression] = field(default_factory=dict)
    at: dict[cst.CSTNode, cst.BaseExpression] = field(default_factory=dict)
    attribute: dict[Variable, str] = field(default_factory=dict)
    arguments: list[Variable] = field(default_factory=list)
    local_name: dict[tuple[str, Variable], str] = field(default_factory=dict)
    global_names: dict[str, set[str]] = field(default_factory=dict)
    initial: dict[Variable, cst.SimpleStatementLine] = field(default_factory=dict)
    needless: dict[Variable, cst.SimpleStatementLine] = field(default_factory=dict)
    read_after: list[Variable] = field(default_factory=list)
    batch_name: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    visible: set[str] = field(default_factory=set)
    unsure: list[Variable] = field(default_factory=list)
    networks: dict[Held, str] = field(default_factory=dict)
    optimizers: dict[Held, str] = field(default_factory=dict)

    def hold(self, outline: Outline, holdings: Holdings) -> None:
        """Names for the networks that become attributes, and for the optimizers that a step asks the Trainer for."""
        for held in holdings.networks:
            if held.base in self.attribute:
                name = held.attribute
                while name in RESERVED or name in self.attribute.values() or name in self.networks.values():
                    name += "_"
                self.networks[held] = name
        used = {variable.name for variable in outline.program.variables.values()}
        for held in holdings.optimizers:
            if held.base in self.attribute and not outline.automatic:
                name = held.attribute
                while name in used or name in self.optimizers.values() or iskeyword(name):
                    name += "_"
                self.optimizers[held] = name

    def parameter(self, variable: Variable) -> str:
        """The name of the constructor's parameter: the variable's own, save for the `self` of a method."""
        return self.attribute[variable] if variable.name == "self" else variable.name

    def attribute_for(self, variable: Variable, instead: str = "") -> str:
        """A free attribute name: the variable's own where possible; an object's `self` is named after its class.

        `instead` is what goes in front of the name if it is not free.
        """
        if variable not in self.attribute:
            name = variable.name if variable.name != "self" else _name_of_class(variable)
            if instead and name in self.attribute.values() and not name.startswith(instead):
                name = instead + name
            taken = {*self.attribute.values(), *self.taken}
            if variable.name == "self":
                taken |= self.visible  # of which any may be a parameter of the constructor
            while name in RESERVED or name in taken or (name.startswith("__") and not name.endswith("__")):
                name = name.lstrip("_") + "_" if name.startswith("__") else name + "_"
            self.attribute[variable] = name
        return self.attribute[variable]


def _name_of_class(variable: Variable) -> str:
    """`image_classifier` for the `self` of a method of ImageClassifier."""
    method = variable.owner.node if variable.owner is not None else None
    parent = variable.owner.parent.node if variable.owner is not None and variable.owner.parent is not None else None
    if not isinstance(method, cst.FunctionDef) or not isinstance(parent, cst.ClassDef):
        return "self_"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", parent.name.value)
    name = words.strip("_").lower()
    return name if name not in RESERVED else "owner"
