"""Small ports that several use cases need. A port that only one use case needs is declared beside it."""

from __future__ import annotations

from typing import Protocol

from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest


class Clock(Protocol):
    """The time. Use cases read no clock of their own."""

    def now_us(self) -> int:
        """Return microseconds since 1970 (wall clock)."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps and goes on while the process is stopped."""
        ...


class Random(Protocol):
    """Random numbers. Use cases have no generator of their own."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` unpredictable bytes."""
        ...

    def uniform(self) -> float:
        """Return a number of the uniform distribution over [0, 1)."""
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
    """Encrypts secrets at rest with one of its master keys, and decrypts with any of them.

    ``about`` is associated data: a value that is moved to another row or field does not decrypt.
    """

    def seal(self, secret: bytes, about: str) -> bytes:
        """Return ``secret``, encrypted with the current master key."""
        ...

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Decrypt what was sealed with the same ``about``. Raises DecryptionFailed."""
        ...

    def fingerprint(self, secret: bytes, about: str) -> bytes:
        """Return 32 bytes that are equal for equal secrets, and by which they cannot be guessed without the key."""
        ...

    def fingerprints(self, secret: bytes, about: str) -> tuple[bytes, ...]:
        """Return the fingerprints by every master key, that of the current one first: one of them was stored."""
        ...


class SealingKeys(Sealer, Protocol):
    """A sealer whose master keys can be told apart."""

    @property
    def key_prefixes(self) -> tuple[bytes, ...]:
        """For each master key the first bytes of every value that it sealed; those of the current key first."""
        ...


class WakeupSender(Protocol):
    """Tells the workers that there is work to claim."""

    def wake(self) -> None:
        """Request a wake-up. Returns at once and never fails."""
        ...
