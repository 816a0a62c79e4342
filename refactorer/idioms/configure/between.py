"""What runs between the line that makes an optimizer and the training.

The line stands in the function that trains, or at the top of a file that calls this function once:

optimizer = SGD(net.parameters(), lr=0.1)

def train():
    for epoch in range(10):
        ...

if __name__ == "__main__":
    train()
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.walk import children
from refactorer.outline.control import suspensions
from refactorer.outline.outline import Outline
from refactorer.outline.training.anchors import only_call_of
from refactorer.outline.training.contents import looks_up_names


@dataclass(frozen=True)
class Between:
    """The code between a line and a loop; `call` is the line that enters the function of the loop, if that is another.

    `function` is that of the loop, if it is in one.
    """

    program: Program
    line: cst.CSTNode
    loop: cst.CSTNode
    function: cst.FunctionDef | None
    call: cst.CSTNode | None

    def holds(self, node: cst.CSTNode) -> bool:
        """Whether a node stands there in the text, perhaps in a function that is only defined there."""
        program, at = self.program, self.program.order.get(node, -1)  # names in imports have no place
        if self.call is None:
            return program.last[self.line] < at < program.order[self.loop]
        if at >= 0 and self.function is not None and program.contains(self.function, node):
            return at < program.order[self.loop]
        return program.last[self.line] < at < program.order[self.call]

    def runs(self, node: cst.CSTNode) -> bool:
        """Whether a node stands there, and in no other function."""
        return self.holds(node) and self._runs_once(node)

    def may_follow(self, node: cst.CSTNode) -> bool:
        """Whether a node may run behind the line, as far as the text tells."""
        inside = self.call is not None and self.function is not None and self.program.contains(self.function, node)
        return inside or self.program.order[node] > self.program.order[self.line]

    def is_over(self, node: cst.CSTNode) -> bool:
        """Whether a node runs behind the training."""
        program, function = self.program, self.program.enclosing_function(node)
        if function is self.function:
            return program.order[node] > program.last[self.loop]
        return self.call is not None and function is None and program.order[node] >= program.order[self.call]

    def _runs_once(self, node: cst.CSTNode) -> bool:
        function = self.program.enclosing_function(node)
        return function is self.function or (self.call is not None and function is None)


def between(outline: Outline, line: cst.CSTNode) -> Between:
    """The code between a line and the training."""
    program, loop = outline.program, outline.site.epoch_loop
    function = program.enclosing_function(loop)
    apart = function is not None and program.enclosing_function(line) is not function
    return Between(program, line, loop, function, entering(outline, function) if apart and function else None)


def entering(outline: Outline, function: cst.FunctionDef) -> cst.CSTNode | None:
    """The line at the top of the file that calls the function which trains, if that is all that is done with it.

    The function has no parameters, which would be other names for what an optimizer is made of, and nothing looks
    variables up by their names.
    """
    program = outline.program
    call = only_call_of(program, function)
    if call is None or program.enclosing_function(call) is not None or not _is_plain(program, function):
        return None
    line = program.statement(call)
    small = line.body[0] if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None
    return line if isinstance(small, (cst.Expr, cst.Assign)) and small.value is call else None


def _is_plain(program: Program, function: cst.FunctionDef) -> bool:
    """Whether a function of the file runs where it is called, and no code finds variables by their names."""
    top = program.parent[function] is program.module
    at_once = function.asynchronous is None and not suspensions(function.body.body)
    bare = not function.decorators and not children(function.params)
    return top and at_once and bare and looks_up_names(program, program.module.body) is None
