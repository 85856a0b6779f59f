"""The shapes of resource types on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Ignored, Input, Limit
from hookward.entrypoints.api.wire_words import BodyWord

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$"
MAX_NAME = 64

_Name = Annotated[str, Meta(pattern=NAME_PATTERN, max_length=MAX_NAME)]
_Parameter = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_-]*$", max_length=64)]
_Property = Annotated[str, Meta(min_length=1, max_length=64)]
_Path = Annotated[str, Meta(pattern="^/", max_length=255)]
_Object = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]


class PathsAnswer(Wire, frozen=True):
    """Where resources of a type live in their own API."""

    collection: str
    item: str


class PathsGiven(Input, frozen=True):
    """Where resources of a type live in their own API, to be published by repeating its requests here.

    ``POST`` on the collection publishes created, ``PUT`` and ``PATCH`` on an item updated, ``DELETE`` on it (a body may
    be left out) deleted, each with the resource as body and answered as ``POST /v1/events`` is; what the path says of
    the identity need not be repeated. ``POST`` on the collection with ``/watch`` registers a watch. Paths also answer
    below the configured prefixes; those that are in use, and ``/v1``, cannot be taken.
    """

    collection: Annotated[_Path, Meta(description="All of them, such as /shops/{shopId}/orders.")]
    item: Annotated[_Path | None, Meta(description="One of them; by default the collection and the identity.")] = None


class TypeReplacement(Input, frozen=True, kw_only=True):
    """A new version of a resource type."""

    name: Annotated[_Name | None, Meta(description="That of the path, where it is given.")] = None
    identity: Annotated[
        list[_Property], Meta(min_length=1, max_length=4, description="The properties that say which resource it is.")
    ]
    schema: Annotated[dict[str, Any], Meta(description="The JSON Schema (2020-12) of a resource; at most 256 KiB.")]
    sample: Annotated[dict[str, Any], Meta(description="A resource that is valid by the schema; at most 64 KiB.")]
    scope: Annotated[
        list[_Parameter] | None, Meta(max_length=4, description="The parameters that say whose resource it is.")
    ] = None
    body: Annotated[
        Literal["merged", "wrapped"] | None,
        Meta(description="How documents are laid out: the resource at the top, or under resource (default)."),
    ] = None
    keep_state: Annotated[
        bool | None, Meta(description="Whether the last known state of its resources is kept; by default it is.")
    ] = None
    title: Annotated[str | None, Meta(max_length=255, description="Free text.")] = None
    paths: PathsGiven | None = None
    version: Ignored = None
    built_in: Ignored = None
    watch_routes: Ignored = None
    created: Ignored = None
    updated: Ignored = None


class TypeGiven(TypeReplacement, frozen=True, kw_only=True):
    """A resource type as an account gives it."""

    name: Annotated[_Name, Meta(description="Words joined by dots, such as shop.order.")]


class TypeAnswer(Wire, frozen=True):
    """A resource type; ``created`` and ``updated`` are null for a built-in one."""

    name: str
    title: str
    version: int
    built_in: bool
    scope: tuple[str, ...]
    identity: tuple[str, ...]
    body: BodyWord
    keep_state: bool
    paths: PathsAnswer | None
    watch_routes: tuple[str, ...]
    schema: _Object
    sample: _Object
    created: str | None
    updated: str | None


class TypeList(Wire, frozen=True):
    """A page of resource types; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[TypeAnswer]
    next_cursor: str | None


class TypePage(Input, frozen=True):
    """Query parameters of the list of resource types."""

    limit: Limit = 50
    cursor: Annotated[_Name | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET
