"""The randomness of this machine."""

import pytest

from hookward.adapters.clock import SystemRandom


@pytest.mark.parametrize("count", [0, 1, 8, 10, 12, 16, 17, 32, 5000])
def test_as_many_bytes_are_given_as_were_asked_for(count):
    random = SystemRandom()
    assert {len(random.bytes(count)) for _ in range(2000)} == {count}


def test_no_byte_is_given_twice_however_the_supply_is_used_up():
    random = SystemRandom()
    lengths = [7, 10, 12, 16, 32] * 2000
    assert len({random.bytes(length) for length in lengths}) == len(lengths)
