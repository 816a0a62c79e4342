"""Settings: attributes of parsed arguments, which keep the values that the command line gave them."""

from __future__ import annotations

import libcst as cst

from refactorer.analysis.program import Program
from refactorer.analysis.scopes import Variable

_STORES = (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.Del, cst.AsName, cst.For, cst.CompFor)
_PARSING = ("parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args")
_KNOWN_PARSING = ("parse_known_args", "parse_known_intermixed_args")
_LOOKING = ("items", "keys", "values", "get", "copy")
_READERS = {f"builtins.{name}" for name in ("print", "dict", "str", "repr", "len", "list", "sorted", "tuple")} | {
    "json.dumps", "json.dump", "pprint.pprint", "pprint.pformat", "copy.copy", "copy.deepcopy",
    "yaml.dump", "wandb.init",
}  # fmt: skip


def is_setting(program: Program, node: cst.Attribute) -> bool:
    """Whether an attribute is that of parsed arguments, and nothing in the file sets one of that name."""
    return _is_parsed_here(program, program.variables.get(node.value)) and is_never_set(program, node)


def is_number_setting(program: Program, node: cst.Attribute, *kinds: str) -> bool:
    """Whether an attribute is a setting that the command line gives as a number of one of some kinds, and always."""
    known = [call for call in program.calls if _adds(call, node.attr.value)]
    return bool(known) and all(_is_number(call, kinds) for call in known) and is_setting(program, node)


def _adds(call: cst.Call, name: str) -> bool:
    """Whether a call may add a flag, or a place on the command line, that fills an attribute."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in ("add_argument", "set_defaults"):
        return False
    if call.func.attr.value == "set_defaults" or any(arg.star for arg in call.args):
        return True
    named = [arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == "dest"]
    texts = [part.evaluated_value if isinstance(part, cst.SimpleString) else name for part in named]
    return any(str(text).lstrip("-").replace("-", "_") == name for text in texts)


def _is_number(call: cst.Call, kinds: tuple[str, ...]) -> bool:
    """Whether a flag holds a number in any case: what is given, or what stands for it."""
    given = {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    kind, default = given.get("type"), given.get("default")
    numbers = (cst.Integer,) if kinds == ("int",) else (cst.Integer, cst.Float)
    plain = given.keys() <= {"type", "default", "help", "metavar", "choices", "required", "dest"}
    return plain and isinstance(kind, cst.Name) and kind.value in kinds and isinstance(default, numbers)


def is_parsed(program: Program, variable: Variable | None) -> bool:
    """Whether a variable holds parsed arguments and nothing else, also where a function of the file parses them."""
    value = program.assigned_value(variable)
    function = program.function(value.func) if isinstance(value, cst.Call) else None
    if function is None:
        return _is_parsed_here(program, variable)
    found = program.find(cst.Return, function.body)
    last = function.body.body[-1]
    if len(found) != 1 or not isinstance(last, cst.SimpleStatementLine) or last.body[-1] is not found[0]:
        return False
    returned = found[0].value
    named = program.variables.get(returned) if isinstance(returned, cst.Name) else None
    return _parses(returned) or _is_parsed_here(program, named)


def _is_parsed_here(program: Program, variable: Variable | None) -> bool:
    """Whether the only line that binds a variable parses arguments."""
    if variable is None or len(variable.writes) != 1:
        return False
    return _parses(program.assigned_value(variable)) or is_known_part(program, variable.writes[0].node)


def is_known_part(program: Program, name: cst.CSTNode) -> bool:
    """Whether a name is the first of `args, rest = parser.parse_known_args()`."""
    element = program.parent.get(name)
    names = program.parent.get(element) if isinstance(element, cst.Element) else None
    target = program.parent.get(names) if isinstance(names, cst.Tuple) else None
    assign = program.parent.get(target) if isinstance(target, cst.AssignTarget) else None
    if not isinstance(names, cst.Tuple) or names.elements[0] is not element or not isinstance(assign, cst.Assign):
        return False
    func = assign.value.func if isinstance(assign.value, cst.Call) else None
    return isinstance(func, cst.Attribute) and func.attr.value in _KNOWN_PARSING and len(assign.targets) == 1


def _parses(value: cst.CSTNode | None) -> bool:
    """Whether an expression is `parser.parse_args()`."""
    func = value.func if isinstance(value, cst.Call) else None
    return isinstance(func, cst.Attribute) and func.attr.value == "parse_args"


def is_never_set(program: Program, node: cst.Attribute) -> bool:
    """Whether nothing in the file sets an attribute of that name, of whatever object."""
    name = node.attr.value
    for other in program.find(cst.Attribute):
        if other.attr.value == name and is_stored(program, other):
            return False
        if other.attr.value == "__dict__" and not only_looks(program, other):
            return False
    return not any(_sets_by_name(program, call, name) for call in program.calls)


def _looks_up(program: Program, node: cst.CSTNode) -> bool:
    parent = program.parent.get(node)
    call = program.parent.get(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.Call) and program.qualified_name(call.func) == "builtins.vars":
        return only_looks(program, call)
    return isinstance(parent, cst.Attribute) and not parent.attr.value.startswith("__")


def is_stored(program: Program, node: cst.CSTNode) -> bool:
    """Whether a node is assigned to, alone or among others, or deleted."""
    parent = program.parent.get(node)
    while isinstance(parent, (cst.Element, cst.StarredElement, cst.Tuple, cst.List)):
        node, parent = parent, program.parent.get(parent)
    stored = isinstance(parent, _STORES)
    return stored and not (isinstance(parent, (cst.For, cst.CompFor)) and parent.target is not node)


def fills_settings(call: cst.Call) -> bool:
    """Whether a call parses arguments into settings that are there: `parser.parse_args(rest, namespace=args)`."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in _PARSING:
        return False
    keywords = {arg.keyword.value for arg in call.args if arg.keyword is not None}
    return len(call.args) > 1 or "namespace" in keywords


def _sets_by_name(program: Program, call: cst.Call, name: str) -> bool:
    """Whether a call may set an attribute by its name: `setattr(args, name, value)`, `vars(args).update(...)`."""
    called = program.qualified_name(call.func)
    if fills_settings(call):
        return True
    if called == "builtins.vars":
        return bool(call.args) and not only_looks(program, call)
    if called not in ("builtins.setattr", "builtins.delattr"):
        return False
    named = call.args[1].value if len(call.args) > 1 else None
    return not isinstance(named, cst.SimpleString) or named.raw_value == name


def only_looks(program: Program, node: cst.CSTNode) -> bool:
    """Whether a dictionary of attributes is only read in the expression around it."""
    parent = program.parent.get(node)
    if isinstance(parent, cst.Attribute):
        return parent.attr.value in _LOOKING
    if isinstance(parent, cst.Subscript):
        return not is_stored(program, parent)
    if isinstance(parent, cst.Arg):
        call = program.parent.get(parent)
        return parent.star == "**" or (isinstance(call, cst.Call) and program.qualified_name(call.func) in _READERS)
    return isinstance(parent, (cst.For, cst.CompFor, cst.FormattedStringExpression, cst.ComparisonTarget))
