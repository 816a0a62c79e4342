"""Parts of a batch that a step leaves unmoved to the code behind it, such as the last images of an epoch."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.flow import flow_of
from refactorer.analysis.scopes import Variable
from refactorer.analysis.targets import names_in
from refactorer.analysis.walk import children
from refactorer.idioms.device.parts import Parts
from refactorer.outline.outline import STEP, TEST_STEP, VALIDATION_STEP, Outline
from refactorer.outline.places.liveness import Liveness


def read_behind(outline: Outline, hook: str, raw: set[Variable]) -> cst.Name | None:
    """Where code behind a step looks at what the step leaves unmoved, other than at a shape; None if it does not."""
    for other, body in outline.hooks.items():
        early = {outline.bindings.canonical(variable) for variable in flow_of(outline.program, body).early}
        left = (early & raw) - _given(outline, other) if other != hook else set()
        found = _looked_at(Parts(outline, left), *body) if left else None
        if found is not None:
            return found
    outside = [(variable, seen.node) for variable in raw for seen in variable.reads if _is_outside(outline, seen.node)]
    live = raw & Liveness(outline, ()).read_behind_training() if outside else raw
    for variable, node in outside:
        in_driver = outline.program.enclosing_function(node) is outline.site.driver.node
        found = _in_place(outline, raw, node) if variable in live or not in_driver else None
        if found is not None:
            return found
    return None


def _given(outline: Outline, hook: str) -> set[Variable | None]:
    """The variables of the batch that a step is given."""
    sources = {STEP: outline.train, VALIDATION_STEP: outline.evaluation, TEST_STEP: outline.test}
    source = sources.get(hook)
    return {outline.variable(name) for name in names_in(source.target)} if source is not None else set()


def _is_outside(outline: Outline, node: cst.CSTNode) -> bool:
    """Whether a line stands outside of the training, behind it or in a function that may be called at any time."""
    program, site = outline.program, outline.site
    in_front = program.order[node] < program.order[site.epoch_loop]
    if in_front and program.enclosing_function(node) in (site.driver.node, None):
        return False
    return not Liveness(outline, ()).is_inside(node)


def _in_place(outline: Outline, raw: set[Variable], node: cst.CSTNode) -> cst.Name | None:
    """A name, unless the expression around it only asks for the shape."""
    around = [node, *outline.program.ancestors(node)][:3]
    parts = Parts(outline, raw)
    return None if any(parts.is_size(one) or parts.is_on_host(one) for one in around) else _looked_at(parts, node)


def _looked_at(parts: Parts, *nodes: cst.CSTNode) -> cst.Name | None:
    for node in nodes:
        if parts.is_size(node) or parts.is_on_host(node):
            continue
        if isinstance(node, cst.Name) and parts.is_part(node) and not parts.outline.is_write(node):
            return node
        found = _looked_at(parts, *children(node))
        if found is not None:
            return found
    return None
