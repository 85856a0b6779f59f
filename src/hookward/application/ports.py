"""Small ports that several use cases need. A port of one use case is declared beside it."""

from __future__ import annotations

from typing import Protocol

from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest


class Clock(Protocol):
    """Time, passed in."""

    def now_us(self) -> int:
        """Microseconds since 1970 (wall clock)."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never steps and goes on while the process is stopped."""
        ...


class Random(Protocol):
    """Randomness, passed in."""

    def bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""
        ...

    def uniform(self) -> float:
        """Uniform in [0, 1)."""
        ...


class Sender(Protocol):
    """Sends one HTTP request. ``timeout`` is seconds for the whole exchange. Never raises for what an endpoint does."""

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome: ...  # noqa: ASYNC109


class Log(Protocol):
    """Structured log lines: a dotted event name and values."""

    def info(self, event: str, /, **values: object) -> None: ...

    def warning(self, event: str, /, **values: object) -> None: ...

    def error(self, event: str, /, **values: object) -> None: ...


class Sealer(Protocol):
    """Keeps secrets unreadable at rest. ``about`` is authenticated with them, so a sealed value cannot be moved.

    It holds a ring of keys: one seals, all open.
    """

    def seal(self, secret: bytes, about: str) -> bytes: ...

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Open what was sealed for the same place; raises DecryptionFailed."""
        ...

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        """32 bytes by which the same secret is found again, and of which nobody without the key can guess it."""
        ...

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        """Its fingerprint by each key of the ring, that of the key that seals first: one of them was stored."""
        ...


class SealingKeys(Sealer, Protocol):
    """A sealer whose keys can be told apart."""

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What all that a key has sealed begins with, for each key; that of the key that seals first."""
        ...
