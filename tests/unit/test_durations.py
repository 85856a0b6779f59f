from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.durations import duration_text, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "50ms"), (1.5, "1500ms"), (4, "4s"), (90, "90s"), (120, "2m"), (7200, "2h"), (86400, "1d"), (0, "0ms")],
)
def test_seconds_are_told_in_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(0, 10**12))
def test_what_is_told_reads_back_the_same(milliseconds: int) -> None:
    assert round(parse_duration(duration_text(milliseconds / 1000)) * 1000) == milliseconds
