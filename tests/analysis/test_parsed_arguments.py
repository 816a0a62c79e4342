"""Which attributes of parsed arguments keep their values."""

from __future__ import annotations

import libcst as cst
import pytest

from refactorer.analysis.parsed_arguments import is_setting
from refactorer.analysis.program import Program

HEAD = "import json\nargs = parser.parse_args()\nif args.lr: pass\n"
KEPT = [
    "print(vars(args))", "json.dump(vars(args), file)", "run(**vars(args))", "for key in vars(args): pass",
    "x = vars(args).items()", "x = vars(args)['lr']", "setattr(args, 'rate', 1)", "args.rate = 2",
    "x = args.__dict__['lr']", "text = f'{vars(args)}'", "for args.rate in x: pass",
]  # fmt: skip
SET = [
    "args.lr = 2", "args.lr += 1", "args.a, args.lr = 1, 2", "[args.a, (b, args.lr)] = x", "del args.lr",
    "for args.lr in x: pass", "with x as args.lr: pass", "setattr(args, 'lr', 1)", "setattr(args, name, 1)",
    "delattr(args, name)", "vars(args).update(lr=1)", "vars(args)['lr'] = 1", "known = vars(args)",
    "args.__dict__.update(x)", "args.__dict__['lr'] = 1", "change(vars(args))", "other.lr = 3",
    "args = parser.parse_args()",
]  # fmt: skip


def asked(text: str) -> bool:
    program = Program(cst.parse_module(HEAD + text + "\n"))
    return is_setting(program, next(node for node in program.find(cst.Attribute) if node.attr.value == "lr"))


@pytest.mark.parametrize("text", KEPT)
def test_it_keeps_its_value(text: str) -> None:
    assert asked(text)


@pytest.mark.parametrize("text", SET)
def test_it_may_be_set(text: str) -> None:
    assert not asked(text)


def test_other_objects_are_no_parsed_arguments() -> None:
    program = Program(cst.parse_module("args = load()\nif args.lr: pass\n"))
    assert not is_setting(program, next(iter(program.find(cst.Attribute))))


KNOWN = "args, rest = parser.parse_known_args()\nif args.lr: pass\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KNOWN, True),
        (KNOWN + "args.lr = 2\n", False),
        (KNOWN.replace("args, rest", "rest, args"), False),
        (KNOWN.replace("args, rest", "other = args, rest"), False),
        (KNOWN.replace("parse_known_args", "read"), False),
    ],
)
def test_arguments_beside_those_that_are_unknown(text: str, expected: bool) -> None:
    program = Program(cst.parse_module(text))
    assert is_setting(program, next(n for n in program.find(cst.Attribute) if n.attr.value == "lr")) is expected
