"""SQL statements in files: how they are read, and that every statement is used."""

from __future__ import annotations

import ast
import importlib
import re
from enum import IntEnum
from pathlib import Path

import pytest

from hookward.adapters import postgres
from hookward.adapters.postgres.statements import StatementScope, parse_statements, read_statements

FOLDER = Path(postgres.__file__).parent
HEADER = "-- scope: store\n-- why: Show how it is done.\n"
FILES = [
    file.with_suffix(".py")
    for file in sorted(FOLDER.rglob("*.sql"))
    if "migrations" not in file.parts and file.stem != "statements"
]


class Size(IntEnum):
    SMALL = 7


def names_used(source: str) -> set[str]:
    """The statements that a module names: ``SQL["name"]`` and ``SQL.filled("name", …)``."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "SQL":
            used.add(ast.literal_eval(node.slice))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "SQL.filled":
            used.add(ast.literal_eval(node.args[0]))
    return used


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_module_uses_all_statements_of_its_file_and_no_others(file: Path) -> None:
    room = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
    read = importlib.import_module(f"hookward.adapters.postgres.{room}").SQL
    assert names_used(file.read_text("utf-8")) == set(read)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_statements_say_why_in_a_sentence_and_use_words_for_what_they_compute(file: Path) -> None:
    text = file.with_suffix(".sql").read_text("utf-8")
    assert [
        why for why in re.findall(r"^-- why: (.*)$", text, re.MULTILINE) if not re.fullmatch(r"[A-Z].+\.", why)
    ] == []
    assert re.findall(r"(?:\bWITH|\bRECURSIVE|\),)\s+(\w{1,2}) AS (?:MATERIALIZED )?\(", text) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_statuses_are_named_not_numbered(file: Path) -> None:
    text = file.with_suffix(".sql").read_text("utf-8")
    assert re.findall(r"\b(?:status|phase)\s*(?:=|<|>|<=|>=|<>|IN)\s*\(?\d", text) == []


def test_the_lease_fence_stands_in_one_place() -> None:
    holding = [file.stem for file in FOLDER.rglob("*.sql") if "until > now() FOR KEY SHARE" in file.read_text("utf-8")]
    assert sorted(holding) == [
        "leases",
        "statements",
    ]  # a statement of its own holds a lease to the end of a transaction


def test_a_statement_has_its_header_and_its_text() -> None:
    read = parse_statements(
        f"-- About the file.\n\n-- name: one\n{HEADER}-- More to know.\nSELECT 1\n-- and more\n, 2\n"
    )
    one = read.entries["one"]
    assert read == {"one": "SELECT 1\n, 2"}
    assert (one.name, one.scope, one.why) == ("one", StatementScope.STORE, "Show how it is done.")


def test_fragments_values_and_members_of_enums_take_the_place_of_tokens() -> None:
    text = (
        "-- fragment: columns\nid, {size.small}\n\n"
        f"-- name: one\n{HEADER}SELECT {{columns}}, {{limit}}, {{status.failed}}, '{{}}' FROM {{table}}\n"
    )
    read = parse_statements(text, {"table": "lease"}, limit=5, size=Size)
    assert read["one"] == "SELECT id, 7, 5, 4, '{}' FROM lease"


def test_tokens_of_a_call_are_filled_in_then() -> None:
    read = parse_statements(f"-- name: one\n{HEADER}DROP TABLE event_{{?day}} -- {{?start}}\n")
    assert read.filled("one", day=3, start="0a-0b") == "DROP TABLE event_3 -- 0a-0b"


@pytest.mark.parametrize("value", ["", "a b", "a;b", "a'b", "A", "--"])
def test_only_numbers_and_identifiers_are_filled_in(value: str) -> None:
    read = parse_statements(f"-- name: one\n{HEADER}DROP TABLE {{?name}}\n")
    with pytest.raises(ValueError, match="identifiers"):
        read.filled("one", name=value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: one\nSELECT 1\n", "needs a name"),
        ("-- name: one\n-- why: No scope.\nSELECT 1\n", "needs a name"),
        ("-- name: one\n-- scope: store\nSELECT 1\n", "needs a name"),
        (f"-- name: one\n{HEADER}SELECT 1\n-- name: one\n{HEADER}SELECT 2\n", "needs a name"),
        ("-- name: one\n-- scope: whim\n-- why: Because.\nSELECT 1\n", "whim"),
        (f"-- name: one\n{HEADER}SELECT {{unknown}}\n", "unknown token {unknown}"),
        (f"-- name: one\n{HEADER}SELECT {{status.lost}}\n", "unknown token {status.lost}"),
        (f"-- name: one\n{HEADER}SELECT {{status}}\n", "unknown token {status}"),
        (f"-- name: one\n{HEADER}SELECT 1\n-- fragment: two\n2\n", "no statement uses: .'two'"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_statements(text)


def test_a_value_that_no_statement_uses_is_refused() -> None:
    with pytest.raises(ValueError, match="no statement uses"):
        parse_statements(f"-- name: one\n{HEADER}SELECT 1\n", limit=1)


def test_a_name_that_is_unknown_is_refused() -> None:
    with pytest.raises(KeyError):
        read_statements("hookward.adapters.postgres.leases", poison_crashes=3)["nothing"]
