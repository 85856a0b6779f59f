from hookward.application.ids import make_id
from hookward.domain.ids import unix_ms_of, uuid7
from tests.fakes.virtual_time import FixedRandom, VirtualClock


async def test_an_id_carries_the_millisecond_of_the_clock_and_ten_random_bytes() -> None:
    clock = VirtualClock()
    assert make_id(clock, FixedRandom()) == uuid7(clock.now_us() // 1000, FixedRandom().bytes(10))


async def test_the_millisecond_is_rounded_down() -> None:
    clock = VirtualClock()
    assert unix_ms_of(make_id(clock, FixedRandom())) * 1000 <= clock.now_us()
