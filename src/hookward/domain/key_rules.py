"""What a crypto key may be, and how it may be rotated: everything that is wrong is named at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hookward.domain.duration import parse_duration
from hookward.domain.errors import Invalid, Problem, pointer_to
from hookward.domain.signing import MAX_SECRET_BYTES, MIN_SECRET_BYTES, secret_from_text
from hookward.domain.watch import KeyDefinition

MAX_KEY_NAME = 255
MAX_OVERLAP = 30 * 86_400.0
DEFAULT_OVERLAP = 86_400.0
_KEY = ("name", "algorithm", "format", "secret")
_ROTATION = ("secret", "overlap")
_NO_KEY = "a crypto key must be a JSON object with at least a name"
_NO_ROTATION = "a rotation must be a JSON object with secret, overlap or neither; an empty body is one, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How to rotate: to a ``secret`` or, with ``None``, to a new one; the former sign for ``overlap`` seconds more."""

    secret: bytes | None
    overlap: float

    def __repr__(self) -> str:
        return f"<Rotation {self.overlap:g}s>"


def read_key(given: Any) -> tuple[KeyDefinition, bytes | None]:
    """A new key, with its secret where one is imported; raises Invalid."""
    if not isinstance(given, dict):
        raise Invalid(_NO_KEY, (Problem(message=_NO_KEY, pointer=""),))
    problems = _unknown(given, _KEY, "a crypto key")
    name = given.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_KEY_NAME:
        problems.append(Problem(message=f"name must be a text of 1 to {MAX_KEY_NAME} characters", pointer="/name"))
    for what, only in (("algorithm", "hmac-sha256"), ("format", "standard-webhooks")):
        if given.get(what) not in (None, only):
            problems.append(Problem(message=f"only {only} is supported yet", pointer=pointer_to(what)))
    secret = _secret(given, problems)
    if problems:
        raise Invalid("the crypto key has problems", tuple(problems))
    return KeyDefinition(name=str(name)), secret


def read_rotation(given: Any, *, overlap: float) -> Rotation:
    """A rotation, by default with that ``overlap`` in seconds; raises Invalid."""
    if not isinstance(given, dict):
        raise Invalid(_NO_ROTATION, (Problem(message=_NO_ROTATION, pointer=""),))
    problems = _unknown(given, _ROTATION, "a rotation")
    secret = _secret(given, problems)
    if given.get("overlap") is not None:
        overlap = _overlap(given["overlap"], problems)
    if problems:
        raise Invalid("the rotation has problems", tuple(problems))
    return Rotation(secret=secret, overlap=overlap)


def _unknown(given: dict[Any, Any], known: tuple[str, ...], what: str) -> list[Problem]:
    return [
        Problem(message=f"{name} is unknown; {what} holds {', '.join(known)}", pointer=pointer_to(name))
        for name in given
        if name not in known
    ]


def _secret(given: dict[Any, Any], problems: list[Problem]) -> bytes | None:
    if given.get("secret") is None:
        return None
    secret = secret_from_text(given["secret"]) if isinstance(given["secret"], str) else None
    if secret is None:
        message = f"secret must be whsec_ and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
        problems.append(Problem(message=message, pointer="/secret"))
    return secret


def _overlap(given: Any, problems: list[Problem]) -> float:
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        problems.append(Problem(message=f"overlap must be {error}", pointer="/overlap"))
        return 0.0
    if seconds > MAX_OVERLAP:
        problems.append(Problem(message="overlap must be at most 30d", pointer="/overlap"))
    return seconds
