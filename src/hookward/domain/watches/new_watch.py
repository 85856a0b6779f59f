"""Validate a watch that is to be created: its type and scope, which the body or the path names, and its properties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hookward.domain.crypto_keys.model import KeyDefinition
from hookward.domain.crypto_keys.rules import MAX_KEY_NAME
from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.rules import read_scope, type_names
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from hookward.domain.problems import problem_at
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.signing.standard_webhooks import secret_to_text
from hookward.domain.watches.model import WatchBounds, WatchDefinition
from hookward.domain.watches.oauth_rules import KeyCheck
from hookward.domain.watches.rules import PROBLEMS, WatchRequest, read_watch


def read_new_watch(
    given: Any,
    resource_type: ResourceType | None,
    names: Iterable[str],
    *,
    second: int,
    bounds: WatchBounds,
    check_key: KeyCheck,
) -> WatchRequest:
    """Validate a watch whose body names its type and scope. Raises Invalid with every problem.

    ``resource_type`` is ``None`` where the body names no type that exists; ``names`` are those that do. The other
    arguments are those of ``read_watch``.
    """
    problems: list[Problem] = []
    scope: dict[str, str] = {}
    if resource_type is None:
        problems.append(problem_at(f"resourceType must be one of {type_names(names)}", "resourceType"))
    elif isinstance(given, dict):
        named = given.get("scope")
        scope = read_scope({} if named is None else named, resource_type, problems, complete=False)
    return _read(given, resource_type, scope, problems, second=second, bounds=bounds, check_key=check_key)


def read_new_watch_at(
    given: Any,
    resource_type: ResourceType,
    parameters: Mapping[str, str],
    *,
    second: int,
    bounds: WatchBounds,
    check_key: KeyCheck,
) -> WatchRequest:
    """Validate a watch whose type and scope the path names, by ``parameters``. Raises Invalid with every problem.

    A body that names another type or scope is refused: ignoring that would make a watch on other resources than its
    owner believes.
    """
    problems: list[Problem] = []
    scope = {name: value for name, value in parameters.items() if name in resource_type.scope}
    read_scope(scope, resource_type, problems, complete=False)
    if isinstance(given, dict):
        if given.get("resourceType") not in (None, resource_type.name):
            message = f"resourceType contradicts the path, which is that of {resource_type.name}; leave it out"
            problems.append(problem_at(message, "resourceType"))
        named = given.get("scope")
        if named is not None and read_scope(named, resource_type, [], complete=False) != scope:
            message = "scope contradicts the path; leave it out, or send all of it to POST /v1/watches"
            problems.append(problem_at(message, "scope"))
    return _read(given, resource_type, scope, problems, second=second, bounds=bounds, check_key=check_key)


def _read(
    given: Any, resource_type: ResourceType | None, scope: Mapping[str, str], problems: list[Problem], **options: Any
) -> WatchRequest:
    try:
        request = read_watch(given, resource_type, scope, **options)
    except Invalid as error:
        raise Invalid(error.detail, (*problems, *error.problems)) from None
    if problems:
        raise Invalid(PROBLEMS, tuple(problems))
    return request


class NewWatchKey(msgspec.Struct, frozen=True, kw_only=True):
    """A crypto key that is created with a watch. ``secret_text`` is its secret as the owner of the watch keeps it."""

    id: CryptoKeyId
    account: AccountId
    owner: str | None
    definition: KeyDefinition
    secret_text: str

    def __repr__(self) -> str:
        return f"<NewWatchKey {self.id.hex()}>"


def with_new_key(
    definition: WatchDefinition, account: AccountId, owner: str | None, id_: CryptoKeyId, secret: bytes
) -> tuple[WatchDefinition, NewWatchKey]:
    """Return a definition that names a new key, and that key. The key has the name of the watch, or its address."""
    key = NewWatchKey(
        id=id_,
        account=account,
        owner=owner,
        definition=KeyDefinition(name=(definition.name or definition.address)[:MAX_KEY_NAME]),
        secret_text=secret_to_text(secret),
    )
    return msgspec.structs.replace(definition, key_ids=(to_text(IdPrefix.CRYPTO_KEY, id_),)), key
