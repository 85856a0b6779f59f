"""The shapes of resource types on the wire."""

from __future__ import annotations

from typing import Any

import msgspec

from hookward.entrypoints.api.wire import Wire


class PathsAnswer(Wire, frozen=True):
    """Where resources of a type live in their own API."""

    collection: str
    item: str


class TypeGiven(Wire, frozen=True):
    """A resource type as an account gives it."""

    name: str
    identity: list[str]
    schema: dict[str, Any]
    sample: dict[str, Any]
    scope: tuple[str, ...] = ()
    body: str = "wrapped"
    keep_state: bool = True
    title: str = ""
    paths: dict[str, str] | None = None


class TypeAnswer(Wire, frozen=True):
    """A resource type; ``schema`` and ``sample`` are JSON."""

    name: str
    title: str
    version: int
    built_in: bool
    scope: tuple[str, ...]
    identity: tuple[str, ...]
    body: str
    keep_state: bool
    paths: PathsAnswer | None
    watch_routes: tuple[str, ...]
    schema: msgspec.Raw
    sample: msgspec.Raw
    created: str | None
    updated: str | None


class TypeList(Wire, frozen=True):
    data: list[TypeAnswer]
    next_cursor: str | None


class TypePage(Wire, frozen=True):
    """Where in the list to begin, and how many to answer."""

    limit: int = 50
    cursor: str | None = None
