"""Named SQL statements, each in a ``.sql`` file beside the module that runs it.

A file holds entries. An entry begins with a header of comment lines::

    -- name: claim
    -- scope: worker
    -- why: One sentence that says what the statement is for.

``scope`` says why the statement may see the rows that it touches (``StatementScope``). Comment lines that follow the
header hold what else a reader must know. An entry that begins with ``-- fragment: columns`` is text that other entries
include as ``{columns}``; fragments of ``statements.sql`` can be included by every file. ``{status.failed}`` is the
number that the store keeps for a member of an enum, ``{poison_crashes}`` a value that the module gives. ``{?day}`` is
filled in with ``Statements.filled`` at each call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib.resources import files
from typing import TypeAlias

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.model import WatchStatus

StatementValue: TypeAlias = "int | str | type[IntEnum]"

_ENTRY = re.compile(r"^-- (name|fragment): ([a-z_]+)\n", re.MULTILINE)
_HEADER = re.compile(r"(?:-- scope: (?P<scope>[a-z_]+)\n)?-- why: (?P<why>.+)\n")
_TOKEN = re.compile(r"\{([a-z_]+)(?:\.([a-z_]+))?\}")
_CALL_TOKEN = re.compile(r"\{\?([a-z_]+)\}")
_IDENTIFIER = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")
_SHARED = "hookward.adapters.postgres.statements"
_ENUMS: Mapping[str, StatementValue] = {"status": DeliveryStatus, "watch_status": WatchStatus, "kind": ChangeKind}


class StatementScope(StrEnum):
    """Why a statement may see the rows that it touches (G10)."""

    ACCOUNT = "account"
    """The statement itself names the account."""
    STORE = "store"
    """It touches no table whose rows belong to an account."""
    FOUND_IDS = "found_ids"
    """By ids that another statement of the same call, which names the account, has just found."""
    WORKER = "worker"
    """Workers deliver for all accounts: by ids that come from what they have claimed."""
    REPLICA = "replica"
    """What a process knows of all accounts, and keeps by account."""
    KEY_DIGEST = "key_digest"
    """Who calls is what it finds out, or has just found out: by the digest of a key of 256 random bits."""
    PUBLIC_KEY = "public_key"
    """Public keys are for everybody."""
    AUTHORIZATION = "authorization"
    """A watch's authorizations: by the id of a watch of the caller, or by the 256 random bits of its state."""
    CREDENTIAL = "credential"
    """A credential belongs to watches of one account, from one of which its id comes."""
    ERASURE = "erasure"
    """An erasure by its id, in the transaction that took it; what it does to other rows names the account."""
    EXPIRED = "expired"
    """Housekeeping for all accounts: rows that are over, by age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement as its file describes it; ``text`` is what PostgreSQL is sent."""

    name: str
    scope: StatementScope
    why: str
    text: str


class Statements(dict[str, str]):
    """The statements of one module: their texts by name. An unknown name raises KeyError."""

    def __init__(self, entries: Mapping[str, Statement]) -> None:
        super().__init__({name: entry.text for name, entry in entries.items()})
        self.entries = entries

    def filled(self, name: str, /, **values: int | str) -> str:
        """Return a statement with its ``{?name}`` tokens replaced: numbers, and identifiers that need no quotes."""
        given = {key: str(value) for key, value in values.items()}
        if unsafe := [value for value in given.values() if not _IDENTIFIER.fullmatch(value)]:
            raise ValueError(f"neither numbers nor identifiers: {unsafe}")
        return _CALL_TOKEN.sub(lambda token: given[token[1]], self[name])


def read_statements(module: str, **values: StatementValue) -> Statements:
    """Read the ``.sql`` file beside ``module`` (its ``__name__``), with ``values`` in the place of tokens.

    Raises ValueError for an entry without its header, and for a name, fragment, token or value that is unknown, is
    there twice or is not used: at import, before any statement runs.
    """
    return parse_statements(_read(module), {} if module == _SHARED else _fragments(_read(_SHARED)), **values)


def parse_statements(text: str, shared: Mapping[str, str] | None = None, **values: StatementValue) -> Statements:
    """Parse the text of a file; ``shared`` holds the fragments of all files. Raises as ``read_statements``."""
    own = _fragments(text)
    tokens = _Tokens({**(shared or {}), **own}, {**_ENUMS, **values})
    entries: dict[str, Statement] = {}
    for kind, name, body in _entries(text):
        if kind == "fragment":
            continue
        header = _HEADER.match(body)
        if header is None or header["scope"] is None or name in entries:
            raise ValueError(f"statement {name}: needs a name of its own, a scope and a why")
        statement = tokens.replaced(_without_comments(body[header.end() :]))
        entries[name] = Statement(name=name, scope=StatementScope(header["scope"]), why=header["why"], text=statement)
    if unused := {*own, *values} - tokens.used:
        raise ValueError(f"fragments or values that no statement uses: {sorted(unused)}")
    return Statements(entries)


class _Tokens:
    """Replaces tokens, and notes which were used."""

    def __init__(self, fragments: Mapping[str, str], values: Mapping[str, StatementValue]) -> None:
        self._fragments = fragments
        self._values = values
        self.used: set[str] = set()

    def replaced(self, text: str) -> str:
        return _TOKEN.sub(self._replacement, text)

    def _replacement(self, token: re.Match[str]) -> str:
        name, member = token[1], token[2]
        self.used.add(name)
        if member is None and name in self._fragments:
            return self.replaced(self._fragments[name])
        value = self._values.get(name)
        if isinstance(value, type) and member is not None and member.upper() in value.__members__:
            return str(value[member.upper()].value)
        if value is None or isinstance(value, type) or member is not None:
            raise ValueError(f"unknown token {token[0]}")
        return str(value)


def _read(module: str) -> str:
    package, _, name = module.rpartition(".")
    return (files(package) / f"{name}.sql").read_text("utf-8")


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each entry of a file as its kind, its name and the text that follows."""
    _, *parts = _ENTRY.split(text)
    yield from zip(parts[::3], parts[1::3], parts[2::3], strict=True)


def _fragments(text: str) -> dict[str, str]:
    return {name: _without_comments(body) for kind, name, body in _entries(text) if kind == "fragment"}


def _without_comments(body: str) -> str:
    """Drop whole lines of comment, which are for readers of the file."""
    return "\n".join([line for line in body.strip().splitlines() if not line.startswith("--")])
