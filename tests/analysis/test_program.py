"""What a program keeps about its tree, and what it learns about nodes that are made later."""

from __future__ import annotations

import pathlib

import libcst as cst
import pytest

from refactorer.analysis.flow import flow_of
from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Occurrence
from refactorer.analysis.walk import children, find, walk
from refactorer.emit.edits import apply


def program_of(code: str) -> Program:
    return Program(cst.parse_module(code))


def new_read(program: Program, name: str) -> cst.Name:
    """A new name node for a variable of the module, announced to the program."""
    variable = program.scope[program.module].variables[name]
    node = cst.Name(name)
    program.variables[node] = variable
    variable.occurrences.append(Occurrence(node, name, "read", program.scope[program.module], -1, None))
    return node


def test_walk_leaves_out_punctuation_and_keeps_the_order_of_the_text() -> None:
    module = cst.parse_module("def f(a, *, b: int = 1):  # why\n    return (a + b.c)[d:e]\n")
    assert [name.value for name in find(cst.Name, module)] == ["f", "a", "b", "int", "a", "b", "c", "d", "e"]
    assert not [n for n in walk(module) if isinstance(n, (cst.Comment, cst.Newline, cst.LeftParen, cst.Comma))]


def test_children_of_leaves() -> None:
    assert children(cst.Name("a", lpar=[cst.LeftParen()], rpar=[cst.RightParen()])) == []
    assert children(cst.SimpleString("'a'")) == []


def test_find_by_an_abstract_class_and_by_several() -> None:
    program = program_of("x = f(1)\nfor y in x:\n    g(y)\n")
    assert [type(n) for n in program.find(cst.BaseCompoundStatement)] == [cst.For]
    assert [type(n) for n in program.find((cst.Assign, cst.For))] == [cst.Assign, cst.For]
    loop = program.find(cst.For)[0]
    assert program.find(cst.Call, loop) == find(cst.Call, loop)
    assert len(program.find(cst.Call)) == 2


@pytest.mark.parametrize("kind", [cst.Name, cst.Call, cst.BaseExpression, cst.CSTNode, (cst.Assign, cst.For)])
def test_find_gives_what_walking_gives(kind: type[cst.CSTNode]) -> None:
    path = pathlib.Path(__file__).parents[2] / "fixtures" / "mnist_functions.in.py"
    program = program_of(path.read_text())
    for node in walk(program.module):
        assert program.find(kind, node) == find(kind, node) == [n for n in walk(node) if isinstance(n, kind)]


def test_find_in_a_new_tree() -> None:
    program = program_of("x = f(1)\n")
    call = program.calls[0]
    line = cst.SimpleStatementLine([cst.Expr(cst.Call(cst.Name("g"), [cst.Arg(call)]))])
    assert program.find(cst.Call, line) == find(cst.Call, line) and program.find(cst.Call, line)[1] is call


def test_names_announced_later_are_used() -> None:
    program = program_of("x = 1\n")
    line = cst.SimpleStatementLine([cst.Expr(cst.Name("x"))])
    assert program.used([line]) == []
    node = new_read(program, "x")
    line = cst.SimpleStatementLine([cst.Expr(node)])
    assert [(n, v.name) for n, v in program.used([line])] == [(node, "x")]
    assert program.access(node) == "read"
    assert {v.name for v in flow_of(program, [line]).early} == {"x"}


def test_a_name_in_a_known_tree_may_be_announced_later() -> None:
    program = program_of("x = 1\n")
    node = cst.Name("x")
    line = cst.SimpleStatementLine([cst.Expr(node)])
    assert program.used([line]) == []
    program.variables[node] = program.scope[program.module].variables["x"]
    assert [n for n, _ in program.used([line])] == [node]


def test_access_of_every_kind() -> None:
    program = program_of("x = 1\nx += 2\nprint(x)\ndel x\n")
    assert [program.access(n) for n, v in program.used([program.module]) if v.name == "x"] == [
        "write", "update", "read", "delete",
    ]  # fmt: skip


def test_edits_share_what_they_do_not_touch() -> None:
    module = cst.parse_module("a = 1\n\n\nif b:\n    c(d)\n    e\n")
    branch = module.body[1]
    assert isinstance(branch, cst.If)
    call, last = branch.body.body
    changed = apply(module, {last: None})
    assert changed.code == "a = 1\n\n\nif b:\n    c(d)\n"
    assert changed.body[0] is module.body[0]
    after = changed.body[1]
    assert isinstance(after, cst.If) and after.body.body[0] is call and after.test is branch.test
    assert apply(module, {cst.Name("x"): None}) is module


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from model import *\ntorch.no_grad\n", "torch.no_grad"),
        ("from model import *\ndef f():\n    torch.no_grad\n", "torch.no_grad"),
        ("from model import *\ntorch = 1\ntorch.no_grad\n", None),
        ("import model\ntorch.no_grad\n", None),
        ("from model import *\noptim.SGD\n", None),
    ],
)
def test_torch_comes_with_what_brings_every_name(code: str, name: str | None) -> None:
    program = program_of(code)
    node = next(node for node in program.find(cst.Attribute))
    assert program.qualified_name(node) == name
