"""Small faults that a program could have: each changes one expression or statement of its source.

The classical operators: a comparison, an operation or a condition is another, an operand or an element is left out, a
number is larger by one, a name in a string is another, a function returns None, a statement is left out. Sentences and
f-strings, which people read, annotations, parameters of types, decorators and docstrings stay as they are.
"""

import ast
from collections import defaultdict
from dataclasses import dataclass

_COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "is": "is not", "in": "not in"}
_COMPARISONS |= {other: operator for operator, other in _COMPARISONS.items()}
_OPERATIONS = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "/", "%": "//", "**": "*", "<<": ">>", ">>": "<<"}
_OPERATIONS |= {"&": "|", "|": "&", "^": "|"}
_NOT_RUN = ("annotation", "returns", "decorator_list")
_TYPES = {kind.__name__ for kind in (defaultdict, dict, frozenset, list, set, tuple)}


@dataclass(frozen=True)
class Mutant:
    """A change of a source text."""

    lines: range
    """Of the statement that it changes, from 1."""
    start: int
    end: int
    """What is replaced, in bytes of the text's UTF-8."""
    before: str
    after: str

    def __str__(self):
        return f"line {self.lines.start}: {_short(self.before)} -> {_short(self.after) or 'nothing'}"

    def applied(self, source):
        """Return the changed text."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()


def mutants(source):
    """Return all mutants of a Python source text, in order."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = set()
    for node, text, statement in _changes(ast.parse(source), None):
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        lines = range(statement.lineno, statement.end_lineno + 1)
        found.add(Mutant(lines, start, end, source.encode()[start:end].decode(), text))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.after))


def _short(text):
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def _changes(node, statement):
    """Yield the nodes in `node` that can be changed, each with a text to put in its place, and its statement.

    The statement of the head of an if, a loop or a function is the changed node itself.
    """
    if isinstance(node, ast.JoinedStr) or _is_docstring(node) or _is_for_type_checkers(node) or _is_type(node):
        return
    if isinstance(node, ast.stmt):
        statement = None if hasattr(node, "body") else node
    kind = next((kind for kind in _CHANGES if isinstance(node, kind)), None)
    if kind is not None:
        yield from ((node, text, statement or node) for text in _CHANGES[kind](node))
    if isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.Compare | ast.Constant | ast.UnaryOp):
        yield node.test, _text(ast.UnaryOp(ast.Not(), node.test)), node.test
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in _NOT_RUN:
                yield from _changes(child, statement)


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_type(node):
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _TYPES


def _comparison(node):
    if len(node.ops) == 1:
        operator = ast.unparse(ast.Compare(ast.Name("a"), node.ops, [ast.Name("b")])).strip("ab ")
        yield f"({_part(node.left)} {_COMPARISONS[operator]} {_part(node.comparators[0])})"


def _operation(node):
    operator = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b"))).strip("ab ")
    if operator in _OPERATIONS:
        yield f"({_part(node.left)} {_OPERATIONS[operator]} {_part(node.right)})"


def _condition(node):
    yield _text(ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))
    for rest in _less(node.values):
        yield _text(ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0])


def _sign(node):
    if isinstance(node.op, ast.Not | ast.USub):
        yield _text(node.operand)


def _choice(node):
    yield _text(ast.IfExp(node.test, node.orelse, node.body))


def _elements(node):
    is_index = any(isinstance(each, ast.Slice) for each in node.elts)
    if isinstance(node.ctx, ast.Load) and len(node.elts) > 1 and not is_index:
        yield from (_text(type(node)(rest, ast.Load())) for rest in _less(node.elts))


def _constant(node):
    if isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node.value, int | float):
        yield repr(node.value + 1)
    elif isinstance(node.value, str) and node.value and " " not in node.value:
        yield repr(f"X{node.value}")


def _result(node):
    if node.value is not None and ast.unparse(node.value) != "None":
        yield "return None"


def _nothing(node):
    del node
    yield "pass"


_CHANGES = {
    ast.Compare: _comparison,
    ast.BinOp: _operation,
    ast.BoolOp: _condition,
    ast.UnaryOp: _sign,
    ast.IfExp: _choice,
    (ast.Tuple, ast.List): _elements,
    ast.Constant: _constant,
    ast.Return: _result,
    (ast.Expr, ast.AugAssign, ast.Raise, ast.Assert): _nothing,
}


def _text(node):
    text = ast.unparse(node)
    return text if isinstance(node, ast.Tuple | ast.List) else f"({text})"


def _part(node):
    is_atom = isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript)
    return ast.unparse(node) if is_atom else _text(node)


def _less(nodes):
    """Return the list of nodes without each of them in turn."""
    return [nodes[:left_out] + nodes[left_out + 1 :] for left_out in range(len(nodes))]
