"""Schemas of watches (camelCase JSON), derived from the table of watch properties, and the mapping of a record to them.

Request schemas describe: the domain validates requests, so that a response names every problem at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.application.records import WatchRecord
from hookward.domain.ids import IdPrefix, to_text
from hookward.domain.watches.blocks import Ignored
from hookward.domain.watches.model import WatchDefinition, WatchStatus
from hookward.domain.watches.properties import PROPERTIES, Property, shown_properties
from hookward.entrypoints.api.http.responses import format_timestamp
from hookward.entrypoints.api.http.schemas import Input, Kind, Limit, ScopeValue, WatchIdText, WatchStatusWord, Wire

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_Field = tuple[str, Any] | tuple[str, Any, Any]
_Text = Annotated[str, Meta(min_length=1, max_length=255)]
_ScopeIn = dict[str, ScopeValue]


def _with(properties: Iterable[_Field]) -> Callable[[type[_Struct]], type[_Struct]]:
    """Return a decorator that adds fields to a struct, except those that it has."""

    def add(cls: type[_Struct]) -> type[_Struct]:
        own = {each.name for each in msgspec.structs.fields(cls)}
        config = cls.__struct_config__
        made = msgspec.defstruct(
            cls.__name__,
            [each for each in properties if each[0] not in own],
            bases=(cls,),
            module=cls.__module__,
            namespace={"__doc__": cls.__doc__},
            forbid_unknown_fields=config.forbid_unknown_fields,
            frozen=config.frozen,
            kw_only=True,
        )
        return cast("type[_Struct]", made)

    return add


def _given(type_of: Callable[[Property], Any], *, partial: bool = False) -> Iterator[_Field]:
    """Yield the properties in a request. A ``partial`` request may leave out required ones."""
    for each in PROPERTIES:
        if not each.writable:
            yield each.attribute, Ignored, None
        elif not each.required:
            yield each.attribute, Annotated[type_of(each) | None, Meta(description=each.doc)], None
        elif partial:
            yield each.attribute, Annotated[type_of(each), Meta(description=each.doc)] | UnsetType, UNSET
        else:
            yield each.attribute, Annotated[type_of(each), Meta(description=each.doc)]


def _shown() -> Iterator[_Field]:
    """Yield the properties in a response."""
    for each in PROPERTIES:
        if each.shown is not None:
            yield each.attribute, Annotated[each.shown, Meta(description=each.doc)]


def _to_create(each: Property) -> Any:
    return each.given


def _to_put(each: Property) -> Any:
    return each.given if each.given_to_put is None else each.given_to_put


def _to_patch(each: Property) -> Any:
    return each.given if each.given_to_patch is None else each.given_to_patch


@_with(each for each in _given(_to_create) if each[0] not in ("resource_type", "scope"))
class WatchRouteCreate(Input, frozen=True, kw_only=True):
    """Where and how to deliver the changes of the resources in the path. One of basicAuth and oauth2Auth."""


@_with(_given(_to_create))
class WatchCreate(Input, frozen=True, kw_only=True):
    """A watch, and the resources that it is for. One of basicAuth and oauth2Auth."""

    resource_type: Annotated[str, Meta(description="The name of the resource type, such as appointment.")]
    scope: Annotated[
        _ScopeIn | None,
        Meta(description="Whose resources; a parameter that is left out matches any value."),
    ] = None


class _Fixed(Input, frozen=True, kw_only=True):
    resource_type: Annotated[str | None, Meta(description="It cannot change; another value is refused.")] = None
    scope: Annotated[_ScopeIn | None, Meta(description="It cannot change; another value is refused.")] = None


@_with(_given(_to_put))
class WatchUpdate(_Fixed, frozen=True, kw_only=True):
    """All properties of a watch. A block that is given without its secrets keeps them."""


@_with(_given(_to_patch, partial=True))
class WatchPatch(_Fixed, frozen=True, kw_only=True):
    """The properties of a watch to change (RFC 7396). Null restores the default and removes a header."""


@_with(_shown())
class WatchOut(Wire, frozen=True):
    """A watch. Secrets read as null."""

    id: Annotated[str, Meta(description="The id of the watch: wat_ and 32 hexadecimal digits.")]


class WatchListOut(Wire, frozen=True):
    """A page of watches. ``nextCursor`` is the cursor of the next page, ``null`` on the last."""

    data: list[WatchOut]
    next_cursor: str | None


class WatchListParams(Input, frozen=True):
    """Query parameters of the list of watches."""

    resource_type: Annotated[str | UnsetType, Meta(description="The name of a resource type.")] = UNSET
    status: Annotated[WatchStatusWord | UnsetType, Meta(description="Whether they deliver.")] = UNSET
    name: Annotated[_Text | UnsetType, Meta(description="A whole name.")] = UNSET
    q: Annotated[_Text | UnsetType, Meta(description="A part of a name or an address.")] = UNSET
    owner: Annotated[_Text | UnsetType, Meta(description="An owner; only for keys without owner.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[WatchIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


_Event = Annotated[Kind | None, Meta(description="The kind of change; updated by default.")]
_Resource = Annotated[
    dict[str, Any] | None, Meta(description="Used in place of the sample; valid by the schema of the type.")
]


class WatchTest(Input, frozen=True):
    """What a test sends: by default the sample of the type, updated."""

    event: _Event = None
    resource: _Resource = None


class WatchPreview(Input, frozen=True):
    """What a preview renders: a template, with the sample of a resource type or with a document of the caller.

    Either ``resourceType``, which goes with everything but ``document``, or ``document``.
    """

    schema: Annotated[
        dict[str, Any] | str | None,
        Meta(
            description="The template: a JSON object, or text, with ${jsonpath} placeholders. Null renders the "
            "document itself."
        ),
    ] = None
    resource_type: Annotated[str | None, Meta(description="The name of a resource type, such as appointment.")] = None
    document: Annotated[dict[str, Any] | None, Meta(description="Rendered as given, without a type.")] = None
    scope: Annotated[_ScopeIn | None, Meta(description="The scope of the event.")] = None
    event: _Event = None
    resource: _Resource = None
    level_details: Literal["full", "extraFull"] | None = None
    extra_full: Annotated[dict[str, Any] | None, Meta(description="Shown where levelDetails is extraFull.")] = None
    add_previous_data: Literal[True, False, "true", "false"] | None = None
    previous_data: Annotated[
        dict[str, Any] | None, Meta(description="The resource before the change; by default the sample.")
    ] = None
    time_zone: Annotated[str | None, Meta(max_length=64, description="The IANA name of the zone of date.")] = None


class WatchPreviewOut(Wire, frozen=True):
    """The body that would be sent, as a JSON value."""

    body: msgspec.Raw


def present_watch(record: WatchRecord, definition: WatchDefinition, *, secret: str | None = None) -> WatchOut:
    """Return a watch as responses show it, with the ``secret`` of a key that was created with it."""
    shown = shown_properties(definition)
    if secret is not None:
        shown["signature"]["secret"] = secret
    make: Callable[..., WatchOut] = WatchOut  # its fields are those of the table
    return make(
        id=to_text(IdPrefix.WATCH, record.id),
        resource_type=record.resource_type,
        status=WatchStatus(record.status).word,
        status_reason=record.status_reason,
        owner=record.owner,
        created=format_timestamp(record.created),
        updated=format_timestamp(record.updated),
        **shown,
    )
