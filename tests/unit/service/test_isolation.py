"""G10: every statement on what belongs to accounts says whose, or is listed here with the reason why it need not."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hookward.adapters import postgres

FOLDER = Path(postgres.__file__).parent
SCHEMA = (FOLDER / "migrations/versions/0001_core.sql").read_text("utf-8")
OWNED = {
    table
    for table, columns in re.findall(r"^CREATE TABLE (\w+) \($(.*?)^\)", SCHEMA, re.MULTILINE | re.DOTALL)
    if re.search(r"^  account_id ", columns, re.MULTILINE)
}

WITHOUT_ACCOUNT = {
    "who is asking is what it finds out: by the digest of a key of 256 random bits": {"api_keys._FIND"},
    "what a process knows of all accounts, and keeps by account": {
        "api_keys._REVOKED_SINCE", "watches._WATCHES_SINCE", "watches._KEYS_SINCE", "watches._TYPES_SINCE",
    },
    "public keys are for everybody": {"crypto_keys._PUBLISHED", "crypto_keys._VERSION"},
    "by ids that a statement of the same call, which says whose they are, has just found": {
        "crypto_keys._CHANGE", "crypto_keys._RETIRE", "crypto_keys._REWRITE", "watches._CHANGE_WATCH",
        "watches._CLOSE_LANE", "watches._SET_LANE", "history.replays._EVENT", "history.replays._AGAIN",
        "history.replays._WAKE", "history.erasures._CANCEL", "history.erasures._blank",
    },
    "a watch's authorizations, by a watch of the caller's, and by 256 random bits for who comes back from a browser": {
        "authorizations._CROWD_OUT", "authorizations._TAKE", "authorizations.forget",
    },
    "a credential belongs to watches of one account, from one of which its id comes": {
        "authorizations._GENERATION", "authorizations._DROP", "authorizations._CLEAR", "authorizations._WAITING_LANES",
        "authorizations._MOVE", "authorizations._OPEN_LANES",
    },
    "an erasure by its id, in the transaction that took it; what it does to others says whose they are": {
        "history.erasures._NEXT", "history.erasures._RELEASED", "history.erasures._look_again",
        "history.erasures._sweep", "history.erasures.step",
    },
    "workers deliver for all accounts: by ids that came out of what they claimed": {
        "watch_effects._CHANGE", "watch_effects._PAUSE", "watch_effects._CLOSE", "watch_effects._HOLD", "lanes.ACQUIRE",
        "lanes.RELEASE",
        "lanes.PULL", "lanes.FETCH", "lanes._NEXT", "lanes._STOPPED", "lanes._CLOSING", "lanes._CANCEL",
        "lanes.cancel_some", "leases._FREE", "results._BEGIN", "results._LOCK", "results._WAKE", "results._MOVE",
        "outbox.EVENTS", "outbox._RECORDED", "outbox._FAN",
    },
    "housekeeping for all accounts: what is over, by age": {
        "api_keys._NOTE_USED", "history.retention._UNMATCHED", "history.retention._OPEN", "history.retention._events",
        "history.retention._drop",
        "history.retention._deliveries", "upkeep._FORGET",
    },
}  # fmt: skip
"""Where a statement stands that does not name the account, by the reason."""

_STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")
_TOUCHES = re.compile(rf"\b(?:FROM|JOIN|UPDATE|INTO)\s+(?:ONLY\s+)?({'|'.join(sorted(OWNED))})\b")
_SAYS_WHOSE = re.compile(r"account_id\s*(?:=|IN\b)|INSERT INTO \w+\s*\([^)]*\baccount_id\b|USING\s*\([^)]*account_id")


def statements() -> Iterator[tuple[str, str]]:
    """Every statement in the adapter: where it stands (module and function or name) and its text."""
    for file in sorted([*FOLDER.glob("*.py"), *FOLDER.glob("history/*.py")]):
        room = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        module = importlib.import_module(f"hookward.adapters.postgres.{room}")
        for place, text in texts(ast.parse(file.read_text("utf-8")), vars(module)):
            if _STATEMENT.match(text):
                yield f"{room}.{place}", text


def texts(tree: ast.Module, names: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in a module, with the names in it replaced by what they stand for."""
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
    """The function that holds a text, or the name that it is given."""
    names: list[str] = []
    while (node := getattr(node, "parent", None)) is not None:  # type: ignore[assignment]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return node.name
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.append(node.targets[0].id)
    return names[-1] if names else "?"


def silent() -> dict[str, set[str]]:
    """Where statements stand that do not say whose the rows are, with the tables that they touch."""
    found: dict[str, set[str]] = {}
    for place, text in statements():
        if not _SAYS_WHOSE.search(text):
            for table in _TOUCHES.findall(text):
                found.setdefault(place, set()).add(table)
    return found


def test_every_statement_says_whose_rows_it_means_or_is_listed_with_a_reason() -> None:
    listed = {place for places in WITHOUT_ACCOUNT.values() for place in places}
    assert {place: tables for place, tables in silent().items() if place not in listed} == {}


def test_no_statement_is_listed_twice() -> None:
    listed = [place for places in WITHOUT_ACCOUNT.values() for place in places]
    assert len(listed) == len(set(listed))


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
    assert (_TOUCHES.findall(text), _SAYS_WHOSE.search(text)) == (["watch"], None)
    assert _SAYS_WHOSE.search(text + " AND account_id = $2")
    assert len(list(statements())) > 100
