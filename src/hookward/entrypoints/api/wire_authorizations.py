"""The shapes of authorizing a watch in a browser, and of the page at which browsers come back."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from hookward.domain.authorization import MAX_CODE, MAX_STATE
from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Input


class AuthorizationAnswer(Wire, frozen=True):
    """Where to send whoever is to authorize, in a browser, and until when; good for one return."""

    url: str
    expires: str


class AuthorizationReturn(Input, frozen=True):
    """What came back to a redirectUri of the integrator's own."""

    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE)]
    state: Annotated[str, Meta(min_length=1, max_length=MAX_STATE)]


class AuthorizationQuery(Input, frozen=True, rename=None):
    """Query parameters with which an authorization server sends browsers back (RFC 6749 §4.1.2)."""

    state: Annotated[str | UnsetType, Meta(description="That of the authorization.")] = UNSET
    code: Annotated[str | UnsetType, Meta(description="What is turned into tokens.")] = UNSET
    error: Annotated[str | UnsetType, Meta(description="Why there is no code.")] = UNSET
    error_description: Annotated[str | UnsetType, Meta(description="Ignored: anybody may have written it.")] = UNSET
    error_uri: Annotated[str | UnsetType, Meta(description="Ignored.")] = UNSET
    iss: Annotated[str | UnsetType, Meta(description="Ignored: a watch has one server only (RFC 9207).")] = UNSET
