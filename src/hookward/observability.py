"""Logs: JSON lines on standard error with dotted event names, one wide line for each attempt, secrets masked."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import msgspec
import structlog

from hookward.application.ports import Log
from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.ids import IdPrefix, to_text
from hookward.domain.redaction import redacted, redacted_message

_encode = msgspec.json.Encoder(enc_hook=repr).encode
_FLUSH_SECONDS = 0.05
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _redact(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Mask secrets. The message of an exception may come from a library, so what it quotes is masked, too."""
    exceptions = event.pop("exception", None)
    shown: dict[str, Any] = {name: redacted(value, name) for name, value in event.items()}
    if exceptions is not None:
        shown["exception"] = [_quiet(each) for each in exceptions]
    return shown


def _quiet(exception: MutableMapping[str, Any]) -> dict[str, Any]:
    return {
        "exc_type": exception["exc_type"],
        "exc_value": redacted_message(exception["exc_value"]),
        "exc_notes": [redacted_message(note) for note in exception["exc_notes"]],
        "is_cause": exception["is_cause"],
        "frames": exception["frames"],
        "exceptions": [[_quiet(each) for each in group] for group in exception["exceptions"]],
    }


class LibraryLogHandler(logging.Handler):
    """Logs records of libraries through structlog, with the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  whatever its arguments do
            message = str(record.msg)
        log = structlog.get_logger(library=record.name)
        log.log(record.levelno, "library.logged", message=redacted_message(message), exc_info=record.exc_info)


def _render(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
    return _encode(event).decode()


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Set up structlog for this process; ``level`` is one of ``LEVELS``."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # without locals: they hold headers and bodies
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            _redact,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(handler, LibraryLogHandler) for handler in root.handlers):
        root.addHandler(LibraryLogHandler(logging.WARNING))


def get_log(**values: object) -> Log:
    """Return a logger that adds ``values`` to every line."""
    return cast("Log", structlog.get_logger(**values))


class _AttemptLine(msgspec.Struct, tag_field="event", tag="delivery.attempted", kw_only=True, gc=False):
    delivery_id: str
    event_id: str
    watch_id: str
    account: int
    resource_type: str
    attempt: int
    status: str
    code: int | None
    error: str | None
    duration_ms: float
    sent_us: int | None


class AttemptLines:
    """Writes ``delivery.attempted`` lines in groups: to write each alone costs more than to sign the request."""

    def __init__(self, level: str, stream: TextIO | None = None) -> None:
        self._enabled = LEVELS[level] <= LEVELS["info"]
        self._stream = stream or sys.stderr
        self._lines: list[bytes] = []
        self._scheduled: asyncio.TimerHandle | None = None

    def attempted(self, entry: DeliveryUpdate, outcome: Outcome) -> None:
        """Add the line of an attempt; its headers and bodies are not logged."""
        if not self._enabled:
            return
        attempt = entry.attempt
        line = _AttemptLine(
            delivery_id=to_text(IdPrefix.DELIVERY, entry.id),
            event_id=to_text(IdPrefix.EVENT, entry.event),
            watch_id=to_text(IdPrefix.WATCH, entry.watch),
            account=entry.account,
            resource_type=entry.resource_type,
            attempt=entry.attempts,
            status=entry.status.word,
            code=attempt.code if attempt else None,
            error=attempt.error if attempt else None,
            duration_ms=outcome.duration_us / 1000,
            sent_us=attempt.sent_us if attempt else None,
        )
        self._lines.append(_encode(line))
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines that were added."""
        self._scheduled = None
        if self._lines:
            self._stream.write(b"\n".join(self._lines).decode() + "\n")
            self._stream.flush()
            self._lines.clear()
