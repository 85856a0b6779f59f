"""Idempotency keys: the ``id`` of an event, which may also come in the header ``Idempotency-Key``."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from hookward.domain.errors import Invalid, Problem

IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode


def add_key(given: Any, key: str) -> tuple[Any, bool]:
    """Return a decoded event with ``key`` as its id, and whether the id comes from ``key`` alone.

    Raises Invalid when the event has another id. What is no JSON object is returned as it is.
    """
    if not isinstance(given, dict):
        return given, False
    if given.get("id") is None:
        return {**given, "id": key}, True
    if given["id"] != key:
        message = "id and Idempotency-Key differ; send one of them"
        raise Invalid(message, (Problem(message=message, pointer="/id"),))
    return given, False


def with_header_problems(refused: Invalid) -> Invalid:
    """Return the same refusal, with problems of the id as problems of the header that it came in."""
    return Invalid(refused.detail, tuple(_of_header(each) for each in refused.problems))


def _of_header(found: Problem) -> Problem:
    if found.pointer != "/id":
        return found
    message = found.message
    if message.startswith("id "):
        message = IDEMPOTENCY_KEY + message.removeprefix("id")
    return Problem(message=message, parameter=IDEMPOTENCY_KEY)


def digest_of(event: Any) -> bytes:
    """Return the SHA-256 digest of a decoded event: an idempotency key stands for events with the same digest.

    The order of members does not matter.
    """
    return sha256(_encode_sorted(event)).digest()
