"""Validate changes of a watch, by PUT or PATCH: secrets that are left out are kept, type and scope cannot change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.rules import read_scope
from hookward.domain.json import decode_exact, encode_exact, merge_patch
from hookward.domain.problems import problem_at
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.matching import ALL_KINDS
from hookward.domain.watches.model import WatchBounds, WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watches.oauth_rules import KeyCheck, no_keys
from hookward.domain.watches.properties import PROPERTIES
from hookward.domain.watches.rules import DEFAULT_BOUNDS, WatchRequest, read_watch


def readable(definition: WatchDefinition, *, resource_type: str, status: WatchStatus) -> dict[str, Any]:
    """Return the properties of a watch as JSON reads them back: what a patch is merged into."""
    shown = {each.name: each.show(definition) for each in PROPERTIES if each.show is not None}
    read: dict[str, Any] = decode_exact(encode_exact({**shown, "resourceType": resource_type, "status": status.word}))
    return read


def patched(shown: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """Return a watch as it reads back (``shown``) with a merge patch (RFC 7396) applied. Raises Invalid.

    The case of header names does not matter: a patch that writes a name in another case changes the same header.
    """
    if not isinstance(patch, dict):
        raise Invalid(_NO_PATCH, (problem_at(_NO_PATCH),))
    headers = patch.get("httpRequestHeader")
    if isinstance(headers, dict):
        known = {name.lower(): name for name in shown["httpRequestHeader"]}
        renamed = {known.get(name.lower(), name): value for name, value in headers.items()}
        if len(renamed) == len(headers):  # otherwise two of them are the same name, which is refused later
            patch = {**patch, "httpRequestHeader": renamed}
    merged: dict[str, Any] = merge_patch(shown, patch)
    return merged


def read_changed_watch(
    given: Any, definition: WatchDefinition, secrets: WatchSecrets, resource_type: ResourceType, *, second: int,
    bounds: WatchBounds = DEFAULT_BOUNDS, check_key: KeyCheck = no_keys, has_token: bool = False,
) -> WatchRequest:  # fmt: skip
    """Validate what replaces the watch of ``definition`` and ``secrets``. Raises Invalid with every problem.

    A block that is given without its secrets keeps them; a block that is left out is removed with them. ``has_token``:
    the watch has a refresh token to keep.
    """
    problems = _fixed(given, definition, resource_type) if isinstance(given, dict) else []
    try:
        whole = _with_secrets(given, definition, secrets)
        request = read_watch(
            whole, resource_type, definition.scope, second=second, bounds=bounds, check_key=check_key,
            has_token=has_token,
        )  # fmt: skip
    except Invalid as error:
        raise Invalid(error.detail, (*problems, *error.problems)) from None
    if problems:
        raise Invalid("the watch has problems", tuple(problems))
    if request.definition.kinds == ALL_KINDS:  # a watch for all kinds reads back with a list of all; that is no change
        every = msgspec.structs.replace(request.definition, events=())
        request = msgspec.structs.replace(request, definition=every)
    return request


def _fixed(given: Mapping[str, Any], definition: WatchDefinition, resource_type: ResourceType) -> list[Problem]:
    """Return a problem for another type or scope: ignoring it would leave a watch on other resources than expected."""
    problems: list[Problem] = []
    name, scope = given.get("resourceType"), given.get("scope")
    if name is not None and name != resource_type.name:
        problems.append(
            problem_at(f"resourceType stays {resource_type.name}; make a new watch for another", "resourceType")
        )
    if scope is not None and read_scope(scope, resource_type, problems, complete=False) != definition.scope:
        problems.append(problem_at("scope stays what it was; make a new watch for another, or leave it out", "scope"))
    return problems


def _with_secrets(given: Any, definition: WatchDefinition, secrets: WatchSecrets) -> Any:
    if not isinstance(given, dict):
        return given
    kept = dict(given)
    auth = given.get("basicAuth")
    if isinstance(auth, dict) and auth.get("password") is None and secrets.password is not None:
        kept["basicAuth"] = {**auth, "password": secrets.password}
    oauth = given.get("oauth2Auth")
    if isinstance(oauth, dict) and oauth.get("clientSecret") is None and oauth.get("clientAuthMethod") != "none":
        kept["oauth2Auth"] = {**oauth, "clientSecret": secrets.client_secret}
    headers = given.get("httpRequestHeader")
    if isinstance(headers, dict):
        known = {name.lower(): value for name, value in secrets.headers.items()}
        kept["httpRequestHeader"] = {
            name: known.get(name.lower()) if value is None else value for name, value in headers.items()
        }
    signature = given.get("signature")
    if isinstance(signature, dict) and _repeats(signature):
        kept["signature"] = {**signature, "cryptoKeyIds": list(definition.key_ids)}
    return kept


def _repeats(signature: Mapping[str, Any]) -> bool:
    """Whether a signature means the keys that the watch has: a PUT that is enabled without any must not create one."""
    ids = signature.get("cryptoKeyIds")
    return ids is None or (ids == [] and signature.get("enabled") is True)


_NO_PATCH = "a patch must be a JSON object with the properties to change (RFC 7396)"
