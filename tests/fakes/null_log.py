"""The ports that only tell: a log, a log of attempts and a waker, all of which do nothing but remember and count."""

from __future__ import annotations


class NullLog:
    """The Log, AttemptLog and Waker ports: ``events`` are the names of what was logged, ``attempts`` a count."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.attempts = 0

    def info(self, event: str, /, **_values: object) -> None:
        self.events.append(event)

    def warning(self, event: str, /, **_values: object) -> None:
        self.events.append(event)

    def error(self, event: str, /, **_values: object) -> None:
        self.events.append(event)

    def attempted(self, _update: object, _outcome: object) -> None:
        self.attempts += 1

    def wake(self) -> None:
        """Wake no worker."""
