"""What a name means that a handler binds too, which never runs."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.analysis.program import Program

CLASS = "class GradScaler:\n        pass"


def meaning(text: str) -> str | None:
    program = Program(cst.parse_module(text + "\nGradScaler\n"))
    last = program.module.body[-1]
    assert isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[0], cst.Expr)
    return program.qualified_name(last.body[0].value)


@pytest.mark.parametrize(
    "text",
    [
        f"try:\n    from torch.cuda.amp import GradScaler\nexcept:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import autocast, GradScaler\nexcept ImportError:\n    a = 0\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler\nexcept ImportError:\n    print()\n    {CLASS}",
        "try:\n    from torch.cuda.amp import GradScaler\nexcept (ImportError,):\n    GradScaler = None",
    ],
)
def test_a_class_for_an_older_torch_is_never_bound(text: str) -> None:
    assert meaning(text) == "torch.cuda.amp.GradScaler"


@pytest.mark.parametrize(
    "text",
    [
        f"try:\n    from torch.cuda.ampp import GradScaler\nexcept:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler\n    import apex\nexcept:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler\n    start()\nexcept:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler, Missing\nexcept ImportError:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler\nexcept ImportError:\n    pass\nelse:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import GradScaler\nfinally:\n    {CLASS}",
        f"if cuda:\n    from torch.cuda.amp import GradScaler\nelse:\n    {CLASS}",
        f"try:\n    from torch.cuda.amp import *\nexcept ImportError:\n    {CLASS}",
    ],
)
def test_a_class_that_may_be_bound(text: str) -> None:
    assert meaning(text) is None
