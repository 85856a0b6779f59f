from hookward.application.ids import make_id, make_ids
from hookward.domain.ids import unix_ms_of, uuid7
from tests.fakes.virtual_time import FixedRandom


class StoppedClock:
    """The Clock port at one moment, in the middle of a millisecond."""

    def now_us(self) -> int:
        return 1_780_000_000_123_999

    def monotonic(self) -> float:
        return 0.0


def test_an_id_carries_the_millisecond_of_the_clock_and_ten_random_bytes() -> None:
    assert make_id(StoppedClock(), FixedRandom()) == uuid7(1_780_000_000_123, FixedRandom().bytes(10))


def test_several_ids_carry_the_same_millisecond_and_differ() -> None:
    ids = make_ids(StoppedClock(), FixedRandom(), 3)
    assert ({unix_ms_of(each) for each in ids}, len(set(ids))) == ({1_780_000_000_123}, 3)
