"""Validate the creation and rotation of crypto keys. Every problem is reported at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hookward.domain.crypto_keys.model import STANDARD_ALGORITHMS, Algorithm, KeyDefinition, Material, SignatureFormat
from hookward.domain.durations import parse_duration
from hookward.domain.errors import Invalid, Problem, pointer_to

MAX_KEY_NAME = 255
MAX_OVERLAP = 30 * 86_400.0
DEFAULT_OVERLAP = 86_400.0
_KEY = ("name", "algorithm", "format", "secret")
_ROTATION = ("secret", "overlap")
_NO_KEY = "a crypto key must be a JSON object with at least a name"
_NO_ROTATION = "a rotation must be a JSON object with secret, overlap or neither; an empty body is one, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A rotation: to ``imported`` material or else to a generated key. Former secrets sign for ``overlap`` seconds."""

    imported: Material | None
    overlap: float

    def __repr__(self) -> str:
        return f"<Rotation {self.overlap:g}s>"


KeyReader = Callable[[Algorithm, str], Material]
"""Reads a key that is imported as text. Raises ValueError, which says what the key must be."""
_Choice = TypeVar("_Choice", Algorithm, SignatureFormat)


def read_key(given: Any, *, read: KeyReader) -> tuple[KeyDefinition, Material | None]:
    """Return the definition of a new key, and its material if it is imported. Raises Invalid with every problem."""
    if not isinstance(given, dict):
        raise Invalid(_NO_KEY, (Problem(message=_NO_KEY, pointer=""),))
    problems = _unknown(given, _KEY, "a crypto key")
    name = given.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_KEY_NAME:
        problems.append(Problem(message=f"name must be a text of 1 to {MAX_KEY_NAME} characters", pointer="/name"))
    algorithm = _choice(given, "algorithm", Algorithm.HMAC_SHA256, problems)
    standard = SignatureFormat.STANDARD_WEBHOOKS if algorithm in STANDARD_ALGORITHMS else SignatureFormat.RFC9421
    format_ = _choice(given, "format", standard, problems)
    if format_ is SignatureFormat.STANDARD_WEBHOOKS and algorithm not in (None, *STANDARD_ALGORITHMS):
        message = f"standard-webhooks has no version for {algorithm}; format must be rfc9421, or left out"
        problems.append(Problem(message=message, pointer="/format"))
    imported = _imported(given, algorithm, read, problems)
    if problems or algorithm is None or format_ is None:
        raise Invalid("the crypto key has problems", tuple(problems))
    return KeyDefinition(name=str(name), algorithm=algorithm, format=format_), imported


def read_rotation(given: Any, *, algorithm: Algorithm, overlap: float, read: KeyReader) -> Rotation:
    """Return the rotation of a key of this ``algorithm``. Raises Invalid with every problem.

    ``overlap`` is the default in seconds.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_ROTATION, (Problem(message=_NO_ROTATION, pointer=""),))
    problems = _unknown(given, _ROTATION, "a rotation")
    imported = _imported(given, algorithm, read, problems)
    if given.get("overlap") is not None:
        overlap = _overlap(given["overlap"], problems)
    if problems:
        raise Invalid("the rotation has problems", tuple(problems))
    return Rotation(imported=imported, overlap=overlap)


def _unknown(given: dict[Any, Any], known: tuple[str, ...], what: str) -> list[Problem]:
    return [
        Problem(message=f"{name} is unknown; {what} holds {', '.join(known)}", pointer=pointer_to(name))
        for name in given
        if name not in known
    ]


def _choice(given: dict[Any, Any], name: str, default: _Choice, problems: list[Problem]) -> _Choice | None:
    """Return a member of the enum of ``default``; ``None`` after adding a problem."""
    value = given.get(name)
    if value is None:
        return default
    words = [each.value for each in type(default)]
    if value not in words:
        problems.append(Problem(message=f"{name} must be one of {', '.join(words)}", pointer=pointer_to(name)))
        return None
    return type(default)(value)


def _imported(
    given: dict[Any, Any], algorithm: Algorithm | None, read: KeyReader, problems: list[Problem]
) -> Material | None:
    text = given.get("secret")
    if text is None or (algorithm is None and isinstance(text, str)):  # the expected form is not known
        return None
    if algorithm is None or not isinstance(text, str):
        problems.append(Problem(message="secret must be a text", pointer="/secret"))
        return None
    try:
        return read(algorithm, text)
    except ValueError as error:
        problems.append(Problem(message=f"secret must be {error}", pointer="/secret"))
        return None


def _overlap(given: Any, problems: list[Problem]) -> float:
    try:
        seconds = parse_duration(given)
    except ValueError as error:
        problems.append(Problem(message=f"overlap must be {error}", pointer="/overlap"))
        return 0.0
    if seconds > MAX_OVERLAP:
        problems.append(Problem(message="overlap must be at most 30d", pointer="/overlap"))
    return seconds
