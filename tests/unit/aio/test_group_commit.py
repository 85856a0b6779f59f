"""Group commit: bounded groups, and an item that the store refuses spares its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hookward.application.aio.group_commit import GroupCommit

FATAL = RuntimeError("the lease has ended")


class Store:
    """Writes groups without an item of ``guilty``; ``groups`` are those written, and whether each was the last."""

    def __init__(self, *guilty: str) -> None:
        self.guilty = guilty
        self.groups: list[tuple[str, bool]] = []
        self.refused: list[str] = []
        self.substitute: str | None = None
        self.error: Exception | None = None

    async def write(self, group: Sequence[str], *, last: bool) -> None:
        if self.error is not None:
            raise self.error
        for each in group:
            if each in self.guilty:
                raise ValueError(each)
        self.groups.append(("".join(group), last))

    def refuse(self, item: str, error: Exception) -> str | None:
        self.refused.append(f"{item}: {error}")
        return self.substitute


def groups_of(store: Store, items: str = "", **limits: int) -> GroupCommit[str]:
    bounds = {"max_items": 100, "max_weight": 100, **limits}
    groups: GroupCommit[str] = GroupCommit(refuse=store.refuse, weight=ord, fatal=(RuntimeError,), **bounds)
    for item in items:
        groups.add(item)
    return groups


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        ({"max_items": 2, "max_weight": 1000}, ["ab", "cd", "e"]),
        ({"max_weight": 97}, ["a", "b", "c", "d", "e"]),
        ({"max_weight": 97 + 98 - 1}, ["a", "b", "c", "d", "e"]),
        ({"max_weight": 97 + 98}, ["ab", "c", "d", "e"]),
        ({"max_weight": 1000}, ["abcde"]),
    ],
)
def test_a_group_is_bounded_in_number_and_weight(limits: dict[str, int], taken: list[str]) -> None:
    groups = groups_of(Store(), "abcde", **limits)
    assert ["".join(groups.take()) for _ in taken] == taken
    assert (groups.take(), len(groups), groups.weight) == ([], 0, 0)


def test_the_weight_of_what_waits_is_known() -> None:
    groups = groups_of(Store(), "ab", max_items=1)
    assert (groups.weight, len(groups)) == (97 + 98, 2)
    groups.take()
    assert (groups.weight, len(groups)) == (98, 1)


async def test_a_group_is_written_in_one_piece() -> None:
    store = Store()
    await groups_of(store).commit("abcd", store.write)
    assert store.groups == [("abcd", True)]


async def test_an_item_that_the_store_refuses_spares_its_neighbours() -> None:
    store = Store("c")
    await groups_of(store).commit("abcdefgh", store.write)
    assert (store.groups, store.refused) == ([("ab", False), ("d", False), ("efgh", True)], ["c: c"])


async def test_only_the_part_that_is_written_last_is_the_last() -> None:
    store = Store("a", "e")
    store.substitute = "x"
    await groups_of(store).commit("abcde", store.write)
    assert store.groups == [("x", False), ("b", False), ("c", False), ("d", False), ("x", True)]


async def test_a_fatal_error_is_raised_and_no_item_is_blamed() -> None:
    store = Store()
    store.error = FATAL
    with pytest.raises(RuntimeError):
        await groups_of(store).commit("ab", store.write)
    assert store.refused == []


async def test_an_error_of_an_empty_group_is_raised() -> None:
    store = Store()
    store.error = ValueError("a defect")
    with pytest.raises(ValueError, match="a defect"):
        await groups_of(store).commit("", store.write)
