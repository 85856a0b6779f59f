"""Validate a watch: check every property and name every problem at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hookward.domain.errors import Invalid, Problem
from hookward.domain.ids import CryptoKeyId, IdPrefix, from_text
from hookward.domain.problems import problem_at, unknown_fields
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.blocks import BasicAuthIn, SignatureIn
from hookward.domain.watches.document_rules import read_previous, sample_document
from hookward.domain.watches.headers import header_complaints
from hookward.domain.watches.limits import MAX_CREDENTIAL, MAX_HEADERS, MAX_KEYS
from hookward.domain.watches.model import (
    WatchBounds,
    WatchDefinition,
    WatchSecrets,
    WatchStatus,
)
from hookward.domain.watches.oauth_rules import KeyCheck, no_keys, read_oauth
from hookward.domain.watches.properties import NOT_YET, READ_ONLY, WRITABLE, read_attributes
from hookward.domain.watches.reader import Reader, WatchReader

DEFAULT_BOUNDS = WatchBounds()


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid watch in a request; that its crypto keys exist is still to be checked.

    ``key_ids`` are the keys that the request names. ``make_key``: a key must be created for it. ``refresh_token`` is
    the one in the request, if any.
    """

    definition: WatchDefinition
    secrets: WatchSecrets
    status: WatchStatus
    make_key: bool
    refresh_token: str | None = None

    __repr__ = redacted_repr


class WatchCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The result of validating a watch: a valid ``request``, or ``None`` and the ``problems``.

    ``key_ids`` are the well-formed ids of crypto keys in it by position, whatever else is wrong with it.
    """

    request: WatchRequest | None
    problems: tuple[Problem, ...]
    key_ids: Mapping[int, CryptoKeyId]


def read_watch(
    given: Any, resource_type: ResourceType | None, scope: Mapping[str, str], *, second: int,
    bounds: WatchBounds = DEFAULT_BOUNDS, check_key: KeyCheck = no_keys, has_token: bool = False,
) -> WatchRequest:  # fmt: skip
    """Validate a watch that is to be created. Raises Invalid with every problem.

    ``second`` is the time (seconds since 1970) at which its template is tried on the type's sample. Without a type, as
    the request names none that exists, everything else is validated. ``check_key`` validates the private key of an
    OAuth2 client. ``has_token``: the watch already has a refresh token.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    reader = WatchReader(given, resource_type, bounds=bounds)
    reader.problems += unknown_fields((name for name in given if name not in READ_ONLY), WRITABLE, "a watch")
    for name, accepted in NOT_YET.items():
        if not any(_same(given.get(name), each) for each in (None, *accepted)):
            reader.problem(f"{name} is not yet supported; leave it out", name)
    authenticated, username, password = _basic_auth(reader)
    if authenticated and given.get("oauth2Auth") is not None:
        reader.problem("basicAuth and oauth2Auth both set Authorization; leave one of them out", "oauth2Auth")
    oauth = read_oauth(reader, check_key, has_token=has_token)
    signed, key_ids = _signature(reader)
    authenticated = authenticated or given.get("oauth2Auth") is not None
    headers = _headers(reader, authenticated=authenticated, signed=signed)
    previous = read_previous(reader)
    if resource_type is not None:
        reader.sample = sample_document(resource_type, scope, second=second, previous=previous)
    definition = WatchDefinition(
        scope=dict(scope),
        username=username,
        header_names=tuple(headers),
        signed=signed,
        key_ids=key_ids,
        add_previous_data=previous,
        oauth=None if oauth is None else oauth.definition,
        **read_attributes(reader),
    )
    status = WatchStatus[reader.choice("status", tuple(each.word for each in WatchStatus)).upper()]
    if reader.problems:
        raise Invalid(PROBLEMS, tuple(reader.problems))
    return WatchRequest(
        definition=definition,
        secrets=WatchSecrets(
            password=password, headers=headers, client_secret=None if oauth is None else oauth.client_secret
        ),
        status=status,
        make_key=signed and not key_ids,
        refresh_token=None if oauth is None else oauth.refresh_token,
    )


def check_watch(given: Any, read: Callable[[], WatchRequest]) -> WatchCheck:
    """Return what ``read`` makes of a watch, or the problems that it finds."""
    key_ids = key_ids_in(given)
    try:
        return WatchCheck(request=read(), problems=(), key_ids=key_ids)
    except Invalid as error:
        return WatchCheck(request=None, problems=error.problems, key_ids=key_ids)


def key_ids_in(given: Any) -> dict[int, CryptoKeyId]:
    """Return the well-formed ids of crypto keys in a watch, by position, whatever else is wrong with it."""
    block = given.get("signature") if isinstance(given, dict) else None
    ids = block.get("cryptoKeyIds") if isinstance(block, dict) else None
    if not isinstance(ids, list) or len(ids) > MAX_KEYS:
        return {}
    read = ((index, _key_id(each)) for index, each in enumerate(ids))
    return {index: id_ for index, id_ in read if id_ is not None}


def _same(value: Any, other: Any) -> bool:
    """Whether two JSON values are the same; in Python ``0 == False``."""
    return type(value) is type(other) and bool(value == other)


def _basic_auth(reader: Reader) -> tuple[bool, str | None, str | None]:
    if reader.block("basicAuth", BasicAuthIn) is None:
        return False, None, None
    username = reader.text("basicAuth", "username", limit=MAX_CREDENTIAL, required=True)
    password = reader.text("basicAuth", "password", limit=MAX_CREDENTIAL, required=True)
    for name, value in (("username", username), ("password", password)):
        if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
            reader.problem(f"{name} must hold no control characters (RFC 7617)", "basicAuth", name)
    if username is not None and ":" in username:
        reader.problem("username must hold no colon (RFC 7617)", "basicAuth", "username")
    return True, username, password


def _headers(reader: Reader, *, authenticated: bool, signed: bool) -> dict[str, str]:
    given = reader.given.get("httpRequestHeader")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MAX_HEADERS:
        reader.problem(f"httpRequestHeader must be an object of at most {MAX_HEADERS} names", "httpRequestHeader")
        return {}
    for name, complaint in header_complaints(given, authenticated=authenticated, signed=signed):
        reader.problem(complaint, "httpRequestHeader", name)
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _signature(reader: Reader) -> tuple[bool, tuple[str, ...]]:
    block = reader.block("signature", SignatureIn)
    if block is None:
        return False, ()
    enabled = block.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        reader.problem("enabled must be true or false", "signature", "enabled")
    ids = block.get("cryptoKeyIds")
    if ids is None:
        ids = []
    if not isinstance(ids, list) or len(ids) > MAX_KEYS:
        reader.problem(f"cryptoKeyIds must be a list of at most {MAX_KEYS} key ids", "signature", "cryptoKeyIds")
        return bool(enabled), ()
    for index, each in enumerate(ids):
        if _key_id(each) is None:
            reader.problem("must be the id of a crypto key, key_…", "signature", "cryptoKeyIds", index)
        elif each in ids[:index]:
            reader.problem("this key is named twice", "signature", "cryptoKeyIds", index)
    return bool(enabled), tuple(each for each in ids if isinstance(each, str))


def _key_id(value: Any) -> CryptoKeyId | None:
    id_ = from_text(IdPrefix.CRYPTO_KEY, value) if isinstance(value, str) else None
    return None if id_ is None else CryptoKeyId(id_)


PROBLEMS = "the watch has problems"
_NO_OBJECT = "a watch must be a JSON object with at least an address"
