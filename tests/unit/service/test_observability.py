"""Log lines as they are written, and that nothing secret is in them, whichever code wrote them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from hookward.domain.redaction import MASK
from hookward.observability import LibraryLogHandler, configure_logs, get_log


class Lines:
    """What has been logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def one(self) -> dict[str, Any]:
        [line] = self.text.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told


@pytest.fixture
def lines() -> Iterator[Lines]:
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    lines = Lines()
    configure_logs("info", lines.stream)
    yield lines
    structlog.reset_defaults()
    root.handlers[:] = before


def test_a_line_has_its_event_level_time_and_values(lines: Lines) -> None:
    get_log(process="api").info("api.listening", port=8420, hosts=("a", "b"))
    told = lines.one()
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "api.listening", "level": "info", "process": "api", "port": 8420, "hosts": ["a", "b"],
    }  # fmt: skip


def test_what_is_called_a_secret_is_masked_bound_or_not_and_however_deep(lines: Lines) -> None:
    get_log(token="canary").info("x.happened", given={"list": [{"clientSecret": "canary"}]}, authorization="canary")
    told = lines.one()
    assert (told["token"], told["authorization"], told["given"]["list"][0]["clientSecret"]) == (MASK, MASK, MASK)
    assert "canary" not in lines.text


def test_what_looks_like_a_secret_is_masked_in_the_event_too(lines: Lines) -> None:
    get_log().info("postgresql://u:canary@db/x", error="whsec_canarycanary", why=ValueError("Bearer canarycanary"))
    assert "canary" not in lines.text


class Guarded:
    """Raises with secrets in the message, in a local variable, in a note and in what caused it."""

    def act(self) -> None:
        local = "canary-local"
        try:
            int(local)
        except ValueError as error:
            wrong = KeyError("canary key")
            wrong.add_note('it was "canary note"')
            raise wrong from error


def test_an_exception_is_told_by_its_kind_and_place_and_not_by_what_it_quotes(lines: Lines) -> None:
    try:
        Guarded().act()
    except KeyError:
        get_log().error("x.failed", exc_info=True)
    assert "canary" not in lines.text
    told = lines.one()["exception"]
    assert [(each["exc_type"], each["exc_value"], each["exc_notes"]) for each in told] == [
        ("KeyError", "'…'", ["it was '…'"]),
        ("ValueError", "invalid literal for int() with base 10: '…'", []),
    ]
    assert told[0]["frames"][-1]["name"] == "act"
    assert sorted(told[0]["frames"][-1]) == ["filename", "lineno", "name"]


def test_a_group_of_exceptions_is_quiet_all_through(lines: Lines) -> None:
    group = ExceptionGroup("two 'canary'", [ValueError("'canary'"), TypeError("password=canary")])
    try:
        raise group
    except ExceptionGroup:
        get_log().error("x.failed", exc_info=True)
    assert "canary" not in lines.text
    [told] = lines.one()["exception"]
    assert [each[0]["exc_type"] for each in told["exceptions"]] == ["ValueError", "TypeError"]


def test_what_libraries_log_comes_as_lines_of_ours_without_what_they_quote(lines: Lines) -> None:
    log = logging.getLogger("some.library")
    log.info("not loud enough: canary")
    try:
        int("canary")
    except ValueError:
        log.error("future: <Task exception=%r>", ValueError("canary"), exc_info=True)
    assert "canary" not in lines.text
    told = lines.one()
    assert (told["event"], told["library"], told["level"]) == ("library.logged", "some.library", "error")
    assert told["message"] == "future: <Task exception=ValueError('…')>"
    assert told["exception"][0]["exc_type"] == "ValueError"


def test_a_library_that_formats_wrongly_is_heard_all_the_same(lines: Lines) -> None:
    record = logging.LogRecord("some.library", logging.WARNING, "file.py", 1, "%d of %s", ("canary", 1), None)
    LibraryLogHandler().emit(record)
    assert lines.one()["message"] == "%d of %s"


def test_libraries_are_heard_once_however_often_logs_are_configured(lines: Lines) -> None:
    configure_logs("info", lines.stream)
    logging.getLogger("some.library").warning("once")
    assert lines.one()["message"] == "once"
