"""G10: every statement on rows of accounts names the account, or says by its scope why it need not."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hookward.adapters import postgres
from hookward.adapters.postgres.statements import Statement, Statements, StatementScope, parse_statements

FOLDER = Path(postgres.__file__).parent
SCHEMA = (FOLDER / "migrations/versions/0001_core.sql").read_text("utf-8")
OWNED = {
    table
    for table, columns in re.findall(r"^CREATE TABLE (\w+) \($(.*?)^\)", SCHEMA, re.MULTILINE | re.DOTALL)
    if re.search(r"^  account_id ", columns, re.MULTILINE)
}

_STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")
_TOUCHES = re.compile(rf"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?:ONLY\s+)?({'|'.join(sorted(OWNED))})\b")
_NAMES_ACCOUNT = re.compile(
    r"account_id\s*(?:=|IN\b)|INSERT INTO \w+\s*\([^)]*\baccount_id\b|USING\s*\([^)]*account_id"
)


def statements() -> Iterator[tuple[str, Statement]]:
    """Every statement of the adapter's .sql files, by its module and name."""
    for file in sorted(FOLDER.rglob("*.sql")):
        room = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        if room == "statements" or room.startswith("migrations."):
            continue
        read: Statements = importlib.import_module(f"hookward.adapters.postgres.{room}").SQL
        for name, statement in read.entries.items():
            yield f"{room}.{name}", statement


def composed() -> Iterator[tuple[str, str]]:
    """Every statement that stands in the adapter's Python: its module and function or name, and its text."""
    for file in sorted([*FOLDER.glob("*.py"), *FOLDER.glob("history/*.py")]):
        room = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        module = importlib.import_module(f"hookward.adapters.postgres.{room}")
        for place, text in texts(ast.parse(file.read_text("utf-8")), vars(module)):
            if _STATEMENT.match(text):
                yield f"{room}.{place}", text


def texts(tree: ast.Module, names: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every string in a module, with the names in it replaced by what they stand for."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        inside = isinstance(getattr(node, "parent", None), ast.JoinedStr)
        if isinstance(node, ast.JoinedStr):
            yield place_of(node), "".join([piece(each, names) for each in node.values])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not inside:
            yield place_of(node), node.value


def piece(part: ast.expr, names: dict[str, Any]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    named = names.get(part.value.id) if isinstance(part.value, ast.Name) else None
    return str(named) if named is not None else "{}"


def place_of(node: ast.AST) -> str:
    """The function that holds a string, or the name that it is given."""
    names: list[str] = []
    while (node := getattr(node, "parent", None)) is not None:  # type: ignore[assignment]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return node.name
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.append(node.targets[0].id)
    return names[-1] if names else "?"


def forgets_account(text: str) -> set[str]:
    """The tables of accounts that a statement touches without naming the account."""
    return set() if _NAMES_ACCOUNT.search(text) else set(_TOUCHES.findall(text))


def is_unexplained(statement: Statement) -> bool:
    """Whether a statement touches rows of accounts, does not name the account, and gives no reason."""
    return statement.scope in (StatementScope.ACCOUNT, StatementScope.STORE) and bool(forgets_account(statement.text))


def test_every_statement_names_the_account_or_has_a_scope_that_says_why_not() -> None:
    assert [place for place, statement in statements() if is_unexplained(statement)] == []


def test_a_statement_with_the_scope_of_an_account_names_it() -> None:
    silent = [
        place for place, each in statements() if each.scope is StatementScope.ACCOUNT and not names_account(each.text)
    ]
    assert silent == []


def names_account(text: str) -> bool:
    return bool(_NAMES_ACCOUNT.search(text)) or bool(re.search(r"\b(?:FROM|INTO|UPDATE) account\b", text))


def test_a_statement_with_the_scope_of_the_store_touches_nothing_of_accounts() -> None:
    touching = {
        place: set(_TOUCHES.findall(each.text)) for place, each in statements() if each.scope is StatementScope.STORE
    }
    assert {place: tables for place, tables in touching.items() if tables} == {}


def test_every_statement_that_is_composed_in_python_names_the_account() -> None:
    assert {place: tables for place, text in composed() if (tables := forgets_account(text))} == {}


def test_every_scope_is_used() -> None:
    assert {statement.scope for _, statement in statements()} == set(StatementScope)


def test_the_tables_of_accounts_are_known() -> None:
    assert {
        "watch",
        "crypto_key",
        "api_key",
        "event",
        "delivery",
        "lane",
        "outbox",
        "erasure",
        "resource_type",
    } <= OWNED


def test_a_statement_that_forgets_the_account_would_be_seen() -> None:
    text = "SELECT account_id, secrets FROM watch WHERE id = $1"
    assert (_TOUCHES.findall(text), _NAMES_ACCOUNT.search(text)) == (["watch"], None)
    assert _NAMES_ACCOUNT.search(text + " AND account_id = $2")
    assert len(list(statements())) + len(list(composed())) > 100


def test_a_scope_of_its_own_account_or_of_the_store_is_no_reason() -> None:
    entry = "-- name: {scope}\n-- scope: {scope}\n-- why: Read the secrets of a watch.\nSELECT secrets FROM watch\n"
    read = parse_statements("".join(entry.format(scope=scope) for scope in ("account", "store", "worker")))
    assert {name: is_unexplained(each) for name, each in read.entries.items()} == {
        "account": True,
        "store": True,
        "worker": False,
    }
