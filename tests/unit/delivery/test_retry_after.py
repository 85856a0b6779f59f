"""What servers write into ``Retry-After``, and what we make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.delivery.retry import LONGEST, asked_wait

THEN = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
MINUTE_BEFORE = (THEN - timedelta(minutes=1)).timestamp()


def asked(*values: str, now: float = MINUTE_BEFORE) -> float:
    return asked_wait([("retry-AFTER", value) for value in values], now)


@pytest.mark.parametrize(
    "text",
    [
        "60", " 60\t", "00000000060", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_seconds_and_the_three_forms_of_a_date_are_read(text: str) -> None:
    assert asked(text) == 60


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "-60", "+60", "60.0", "1e3", "0x3c", "\u0666\u0660", "60, 60", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 2030 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 2030 25:49:37 GMT", "Sun, 06 nov 2030 08:49:37 GMT",
        "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:48:37 GMT", "Sun Nov  0 08:49:37 2030",
    ],
)  # fmt: skip
def test_what_is_neither_or_has_passed_asks_for_nothing(text: str) -> None:
    assert asked(text) == 0


@pytest.mark.parametrize("text", ["86401", "1000000", "9" * 8000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_nothing_asks_for_more_than_a_day(text: str) -> None:
    assert asked(text) == LONGEST


def test_a_leap_second_is_a_second() -> None:
    before = datetime(2016, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()
    assert asked("Sat, 31 Dec 2016 23:59:60 GMT", now=before) == 2


def test_two_digits_of_a_year_are_never_more_than_fifty_years_ahead() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert asked("Friday, 02-Jan-26 00:00:00 GMT", now=now) == 86_400
    assert asked("Friday, 02-Jan-77 00:00:00 GMT", now=now) == 0


def test_of_several_the_longest_counts_and_other_headers_do_not() -> None:
    assert asked("5", "nonsense", "70", "60") == 70
    assert asked_wait([("Retry-Before", "60")], 0) == 0


@given(st.text(), st.floats(0, 4e9))
def test_no_text_asks_for_anything_out_of_bounds(text: str, now: float) -> None:
    assert 0 <= asked(text, now=now) <= LONGEST


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)), st.integers(0, 86_400))  # noqa: DTZ001
def test_a_date_is_read_as_the_moment_that_it_names(moment: datetime, ahead: int) -> None:
    then = moment.replace(microsecond=0, tzinfo=UTC)
    text = f"{then:%a, %d %b} {then.year:04} {then:%H:%M:%S} GMT"
    assert asked(text, now=then.timestamp() - ahead) == ahead
