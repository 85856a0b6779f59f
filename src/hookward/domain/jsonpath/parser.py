"""Parses JSONPaths with jsonpath-ng, behind allow-lists.

The language of jsonpath-ng is far larger than what an integrator may run on our machines: ``$.a * 1000000000``
allocates a gigabyte, ``=~ '(a+)+$'`` never ends. So an allow-list checks its tokens before they reach its parser, and
another one checks the nodes of its tree; anything else is refused by name. Bounds on length, brackets and segments keep
both the parser and the walk over its tree short.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from jsonpath_ng import Child, Fields, Index, JSONPath, Root, This
from jsonpath_ng import Slice as SliceNode
from jsonpath_ng import Wildcard as WildcardNode
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.filter import And, Expression, Or
from jsonpath_ng.ext.filter import Filter as FilterNode
from jsonpath_ng.ext.parser import ExtendedJsonPathLexer, ExtendedJsonPathParser

from hookward.domain.jsonpath.conditions import AllOf, AnyOf, Compare, Exists
from hookward.domain.jsonpath.limits import MAX_BRACKET_DEPTH, MAX_INDEX, MAX_PATH_SEGMENTS, refusal
from hookward.domain.jsonpath.nodes import (
    Condition,
    Filter,
    Indexes,
    Names,
    Query,
    Segment,
    Slice,
    Wildcard,
    query_of,
)
from hookward.domain.problems import quoted

_REFUSED_TOKENS = {
    "DOUBLEDOT": "`..` searches at any depth, which is not allowed; name each step of the way",
    "NAMED_OPERATOR": "`{text}` between backticks is a function, which is not allowed; select plain values",
    "SORT_DIRECTION": "sorting and division (`{text}`) are not allowed; select plain values",
    "WHERE": "`where` is an operator, which is not allowed; write a property of that name as ['where']",
    "WHERENOT": "`wherenot` is an operator, which is not allowed; write a property of that name as ['wherenot']",
    "|": "`|` (union) is not allowed; use one placeholder for each path, or `||` in a filter",
    "&": "`&` (intersection) is not allowed; in a filter write `&&`",
    "~": "`~` is not allowed; select plain values",
    "+": "arithmetic (`+`) is not allowed; select plain values",
    "-": "arithmetic (`-`) is not allowed; quote a name that holds a dash: ['a-b']",
}
_BEFORE_EXPRESSION = frozenset({"?", "(", "!", "AND", "OR"})
_BEFORE_NUMBER = frozenset({"[", ",", ":", "FILTER_OP"})
_CLOSES = {"]": ("[", "?"), ")": ("(",)}

# ply's parser keeps its stacks in the parser object, so one thread at a time may use it.
_parsing = threading.Lock()


@cache
def _parser() -> ExtendedJsonPathParser:
    return ExtendedJsonPathParser()


def parse(text: str) -> tuple[Segment, ...]:
    """Return the segments of an absolute path; raises ``Invalid``.

    The caller has checked the length of ``text`` and that it starts with ``$``.
    """
    _check_escapes(text)
    try:
        tokens = list(ExtendedJsonPathLexer().tokenize(text))
        _check_tokens(tokens)
        with _parsing:
            tree = _parser().parse_token_stream(iter(tokens))
    except JSONPathError as error:
        raise refusal(
            f"`{quoted(text)}` is not a JSONPath ({quoted(str(error).strip())}); write names and indexes like "
            "$.staff.name or $.items[0], and quote a name with other characters: $['first name']"
        ) from error
    return translate(tree).segments


def _check_escapes(text: str) -> None:
    for escape in re.finditer(r"\\(.)", text, re.DOTALL):
        if escape[1] not in "\\'\"":
            raise refusal(
                f"`{quoted(escape[0])}` is not an escape of a quoted name; a backslash stands before \\, ' or \" only"
            )


def _check_tokens(tokens: Iterable[Any]) -> None:
    """Refuse tokens that are not allowed, and notations that jsonpath-ng would misread."""
    opened: list[str] = []
    previous = ""
    for token in tokens:
        if token.type in _REFUSED_TOKENS:
            raise refusal(_REFUSED_TOKENS[token.type].format(text=quoted(str(token.value))))
        _check_operand(token, previous)
        _check_number(token, previous)
        _check_bracket(token, opened)
        previous = token.type


def _check_operand(token: Any, previous: str) -> None:
    in_quotes = getattr(token, "quoted", False)
    word = token.type == "ID" and not in_quotes
    excerpt = quoted(str(token.value))
    if token.type == "*" and previous not in {".", "["}:
        raise refusal("arithmetic (`*`) is not allowed; select plain values")
    if token.type == "FILTER_OP" and token.value == "=~":
        raise refusal("`=~` (regular expressions) is not allowed; compare with ==, !=, <, <=, > or >=")
    if word and previous == "FILTER_OP":
        raise refusal(
            f"`{excerpt}` is compared without quotes; write '{excerpt}' for a text, @.{excerpt} for a property"
        )
    if word and token.value.startswith("@") and previous in _BEFORE_EXPRESSION:
        raise refusal(f"`{excerpt}` lacks a dot; write @.{excerpt[1:]}")
    if previous in _BEFORE_EXPRESSION and (in_quotes or token.type in {"BOOL", "NULL"}):
        raise refusal(f"`{excerpt}` stands left of a comparison; write the property there: @.name == 'text'")


def _check_number(token: Any, previous: str) -> None:
    if token.type in {"NUMBER", "FLOAT"} and previous not in _BEFORE_NUMBER:
        number = token.value
        raise refusal(
            f"the number `{quoted(str(number))}` is out of place; write [0] for an index, ['0'] for a name, "
            "and in a filter the property first: @.name > 1"
        )


def _check_bracket(token: Any, opened: list[str]) -> None:
    match token.type:
        case "?" if opened:
            opened[-1] = "?"
        case "[":
            opened.append("[")
        case "(" if "?" in opened:
            opened.append("(")
        case "(":
            raise refusal("parentheses are allowed in filters only: $.items[?(@.price > 10)]")
        case "]" | ")" if opened and opened[-1] in _CLOSES[token.type]:
            opened.pop()
        case "," if not opened:
            raise refusal("`,` is allowed in brackets only: $['a','b']")
    if len(opened) > MAX_BRACKET_DEPTH:
        raise refusal(f"brackets are nested deeper than {MAX_BRACKET_DEPTH}; use a simpler filter")


def translate(tree: Any) -> Query:
    """Return our nodes for a tree of jsonpath-ng; raises ``Invalid`` for the first node that is not allowed."""
    nodes = _chain(tree)
    head = nodes[0]
    # In a filter, jsonpath-ng reads a bare `name` as `@.name`.
    rest = nodes[1:] if isinstance(head, Root | This) else nodes
    if len(rest) > MAX_PATH_SEGMENTS:
        raise refusal(f"the path has {len(rest)} segments; at most {MAX_PATH_SEGMENTS} are allowed")
    return query_of(tuple(_segment(node) for node in rest), from_root=isinstance(head, Root))


def _segment(node: Any) -> Segment:
    match node:
        case Fields(fields=names):
            return Names(_distinct(names))
        case Index(indices=indexes):
            return Indexes(_distinct([_index(index) for index in indexes]))
        case SliceNode(start=start, end=end, step=step):
            return _slice(start, end, step)
        case WildcardNode():
            return Wildcard()
        case FilterNode(expressions=expressions):
            return Filter(_all_of(expressions))
        case Root() | This():
            raise refusal("`$` and `@` stand at the start of a path only; write $['$'] for a property of that name")
        case _:
            raise refusal(f"{type(node).__name__.lower()} is not allowed; use names, indexes, slices, `*` and filters")


def _index(index: int) -> int:
    if abs(index) > MAX_INDEX:
        raise refusal(f"the index `{quoted(str(index))}` is out of range; use at most {MAX_INDEX}")
    return index


def _slice(start: int | None, end: int | None, step: int | None) -> Slice:
    if step == 0:
        raise refusal("a slice with step 0 selects nothing; use a step of 1 or leave it out")
    for bound in (start, end, step):
        _index(bound or 0)
    return Slice(start, end, step)


def _all_of(expressions: Sequence[JSONPath]) -> Condition:
    conditions = tuple(_condition(expression) for expression in expressions)
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def _condition(expression: Any) -> Condition:
    match expression:
        case And(operands=operands):
            return _all_of(operands)
        case Or(operands=operands):
            return AnyOf(tuple(_condition(operand) for operand in operands))
        case Expression(target=target, op=None | "!" as symbol):
            return Exists(translate(target), expected=symbol is None)
        case _:
            return _comparison(expression)


def _comparison(expression: Any) -> Condition:
    target = translate(expression.target)
    symbol = "==" if expression.op == "=" else expression.op
    operand = expression.value
    return Compare(target, symbol, translate(operand) if isinstance(operand, JSONPath) else operand)


def _chain(tree: Any) -> list[Any]:
    """Return the nodes that nested ``Child`` nodes join, from left to right."""
    nodes: list[Any] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, Child):
            pending += (node.right, node.left)
        else:
            nodes.append(node)
    return nodes


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise refusal(f"`{quoted(str(value))}` is named twice in one pair of brackets; name it once")
    return tuple(values)
