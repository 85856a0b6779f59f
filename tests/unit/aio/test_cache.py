"""The LRU cache: bounded by the number of its values, and by their weight."""

from __future__ import annotations

import pytest

from hookward.application.aio.cache import LruCache


def full(limit: int = 3) -> LruCache[str, str]:
    cache: LruCache[str, str] = LruCache(limit)
    for key in "abc":
        cache.put(key, key.upper())
    return cache


def test_a_value_is_returned_by_its_key() -> None:
    assert [full().get(key) for key in "abcd"] == ["A", "B", "C", None]


def test_the_value_that_was_used_longest_ago_is_dropped_first() -> None:
    cache = full()
    cache.get("a")
    cache.put("d", "D")
    assert [key for key in "abcd" if key in cache] == ["a", "c", "d"]


def test_asking_whether_a_value_is_kept_is_no_use_of_it() -> None:
    cache = full()
    assert "a" in cache
    cache.put("d", "D")
    assert "a" not in cache


def test_a_value_that_is_put_again_replaces_the_old_one_and_counts_as_used() -> None:
    cache = full()
    cache.put("a", "new")
    cache.put("d", "D")
    assert (cache.get("a"), cache.get("b"), len(cache)) == ("new", None, 3)


def test_a_value_can_be_removed() -> None:
    cache = full()
    assert [cache.pop("a"), cache.pop("a"), len(cache)] == ["A", None, 2]
    cache.clear()
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [([4, 4], [0, 1]), ([4, 4, 4], [1, 2]), ([4, 4, 10], [2]), ([4, 11], []), ([1, 1, 1, 1], [1, 2, 3])],
)
def test_the_weight_of_all_values_is_bounded_as_well(lengths: list[int], kept: list[int]) -> None:
    cache: LruCache[int, bytes] = LruCache(3, max_weight=10, weight=len)
    for number, length in enumerate(lengths):
        cache.put(number, bytes(length))
    assert [number for number in range(len(lengths)) if number in cache] == kept


def test_a_value_that_is_gone_weighs_nothing() -> None:
    cache: LruCache[int, bytes] = LruCache(9, max_weight=10, weight=len)
    cache.put(1, bytes(10))
    cache.put(1, bytes(6))
    cache.put(2, bytes(4))
    assert len(cache) == 2
    cache.pop(1)
    cache.put(3, bytes(6))
    assert [number for number in (1, 2, 3) if number in cache] == [2, 3]
    cache.clear()
    cache.put(4, bytes(10))
    assert 4 in cache


def test_a_cache_without_room_keeps_nothing() -> None:
    cache: LruCache[str, int] = LruCache(0)
    cache.put("a", 1)
    assert cache.get("a") is None
