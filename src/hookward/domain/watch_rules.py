"""What makes a watch right: every property checked, every problem named at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.change import ChangeKind
from hookward.domain.document import document
from hookward.domain.errors import HookwardError, Invalid, Problem
from hookward.domain.ids import Prefix, from_text
from hookward.domain.problems import is_text, problem, strangers
from hookward.domain.resource_type import ResourceType
from hookward.domain.sample import sample_event
from hookward.domain.template import compile_template
from hookward.domain.watch import WatchDefinition, WatchMethod, WatchSecrets, WatchStatus
from hookward.domain.watch_address import address_complaints
from hookward.domain.watch_headers import header_complaints

MAX_ADDRESS = 4096
MAX_NAME = 255
MAX_HEADERS = 50
MAX_KEYS = 8

READ_ONLY = frozenset({"id", "resourceType", "scope", "statusReason", "owner", "created", "updated"})
# Promised, and not yet there: only the default is taken.
NOT_YET: Mapping[str, tuple[Any, ...]] = {
    "levelDetails": ("full",),
    "addPreviousData": (False, "false"),
    "filter": (),
    "changed": ([],),
    "ordered": (False,),
    "storeBodies": ("all",),
    "timeZone": (),
    "oauth2Auth": (),
    "retry": (),
    "timeout": (),
    "rateLimit": (),
    "concurrency": (),
}


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A watch that is right as far as it alone can be judged; ``key_ids`` still have to exist."""

    definition: WatchDefinition
    secrets: WatchSecrets
    status: WatchStatus
    make_key: bool


class _Reader:
    """Takes properties out of what was given and gathers what is wrong with them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def problem(self, message: str, *path: str | int) -> None:
        self.problems.append(problem(message, *path))

    def text(self, *path: str, limit: int, required: bool = False) -> str | None:
        value: Any = self.given
        for name in path:
            value = value.get(name)
        if value is None:
            if required:
                self.problem(f"{path[-1]} is missing; give a text", *path)
            return None
        if not is_text(value, limit, least=0):
            self.problem(f"{path[-1]} must be a text of at most {limit} characters", *path)
            return None
        return value

    def block(self, name: str, known: tuple[str, ...]) -> Mapping[str, Any] | None:
        value = self.given.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(f"{name} must be an object with {', '.join(known)}", name)
            return None
        self.problems += strangers(value, known, name, name)
        return value


def read_watch(given: Any, resource_type: ResourceType, scope: Mapping[str, str], *, second: int) -> WatchRequest:
    """Check a watch that is to be created; raises Invalid with every problem.

    ``second`` is the moment (seconds since 1970) at which its template is tried on the type's sample.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem(_NO_OBJECT),))
    reader = _Reader(given)
    reader.problems += strangers((name for name in given if name not in READ_ONLY), _KNOWN, "a watch")
    for name, defaults in NOT_YET.items():
        if not any(_same(given.get(name), each) for each in (None, *defaults)):
            reader.problem(f"{name} is not yet supported; leave it out", name)
    authenticated, username, password = _basic_auth(reader)
    headers = _headers(reader, authenticated=authenticated)
    signed, key_ids = _signature(reader)
    schema = _schema(reader, resource_type, scope, second)
    definition = WatchDefinition(
        address=_address(reader),
        scope=dict(scope),
        name=reader.text("name", limit=MAX_NAME),
        events=_events(reader),
        method=_choice(reader, "method", WatchMethod.ALL),
        schema=schema,
        username=username,
        header_names=tuple(headers),
        signed=signed,
        key_ids=key_ids,
    )
    status = WatchStatus[_choice(reader, "status", tuple(each.word for each in WatchStatus)).upper()]
    if reader.problems:
        raise Invalid("the watch has problems", tuple(reader.problems))
    return WatchRequest(
        definition=definition,
        secrets=WatchSecrets(password=password, headers=headers),
        status=status,
        make_key=signed and not key_ids,
    )


def _address(reader: _Reader) -> str:
    address = reader.text("address", limit=MAX_ADDRESS, required=True)
    if address is None:
        return ""
    for complaint in address_complaints(address):
        reader.problem(complaint, "address")
    return address


def _choice(reader: _Reader, name: str, allowed: tuple[str, ...]) -> str:
    value = reader.given.get(name)
    if value is None:
        return allowed[0]
    if value not in allowed:
        reader.problem(f"{name} must be one of {', '.join(allowed)}", name)
        return allowed[0]
    return str(value)


def _same(value: Any, other: Any) -> bool:
    """Whether two JSON values are the same; to Python ``0 == False``."""
    return type(value) is type(other) and bool(value == other)


def _events(reader: _Reader) -> tuple[str, ...]:
    value = reader.given.get("events")
    if value is None:
        return ()
    words = [kind.word for kind in ChangeKind]
    if not isinstance(value, list) or not 1 <= len(value) <= len(words):
        reader.problem(
            f"events must be a list of 1 to {len(words)} of {', '.join(words)}; leave it out for all", "events"
        )
        return ()
    for index, each in enumerate(value):
        if each not in words:
            reader.problem(f"must be one of {', '.join(words)}", "events", index)
        elif each in value[:index]:
            reader.problem(f"{each} is named twice", "events", index)
    return tuple(each for each in value if each in words)


def _basic_auth(reader: _Reader) -> tuple[bool, str | None, str | None]:
    if reader.block("basicAuth", ("username", "password")) is None:
        return False, None, None
    username = reader.text("basicAuth", "username", limit=1024, required=True)
    password = reader.text("basicAuth", "password", limit=1024, required=True)
    for name, value in (("username", username), ("password", password)):
        if value is not None and re.search(r"[\x00-\x1f\x7f]", value):
            reader.problem(f"{name} must hold no control characters (RFC 7617)", "basicAuth", name)
    if username is not None and ":" in username:
        reader.problem("username must hold no colon (RFC 7617)", "basicAuth", "username")
    return True, username, password


def _headers(reader: _Reader, *, authenticated: bool) -> dict[str, str]:
    given = reader.given.get("httpRequestHeader")
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MAX_HEADERS:
        reader.problem(f"httpRequestHeader must be an object of at most {MAX_HEADERS} names", "httpRequestHeader")
        return {}
    for name, complaint in header_complaints(given, authenticated=authenticated):
        reader.problem(complaint, "httpRequestHeader", name)
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _signature(reader: _Reader) -> tuple[bool, tuple[str, ...]]:
    block = reader.block("signature", ("enabled", "cryptoKeyIds", "secret"))
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
        if not isinstance(each, str) or from_text(Prefix.CRYPTO_KEY, each) is None:
            reader.problem("must be the id of a crypto key, key_…", "signature", "cryptoKeyIds", index)
        elif each in ids[:index]:
            reader.problem("this key is named twice", "signature", "cryptoKeyIds", index)
    return bool(enabled), tuple(each for each in ids if isinstance(each, str))


def _schema(reader: _Reader, resource_type: ResourceType, scope: Mapping[str, str], second: int) -> Any:
    source = reader.given.get("schema")
    if source is None:
        return msgspec.UNSET
    event = sample_event(resource_type, scope)
    try:
        template = compile_template(source)
        template.render(document(event, resource_type.sample, shape=resource_type.body, second=second, zone="UTC"))
    except Invalid as error:
        for each in error.problems:
            reader.problems.append(Problem(message=each.message, pointer="/schema" + (each.pointer or "")))
    except HookwardError as error:
        reader.problem(f"with the sample of {resource_type.name}: {error}", "schema")
    return source


_WRITABLE: tuple[str, ...] = (
    "address", "name", "events", "method", "status", "basicAuth", "httpRequestHeader", "schema", "signature",
)  # fmt: skip
_KNOWN = (*_WRITABLE, *NOT_YET)
_NO_OBJECT = "a watch must be a JSON object with at least an address"
