"""The order in which PostgreSQL makes changes of definitions visible (G5)."""

import asyncio

from hookward.application.watches.registry import WatchQuery
from hookward.domain.ids import WatchId
from tests.contract.world import ACCOUNT, World, new_event, new_watch


async def test_creators_at_the_same_time_get_versions_of_their_own(world):
    watches = await asyncio.gather(*(world.watch() for _ in range(30)))

    assert sorted(watch.version for watch in watches) == list(range(2, 32))


async def test_who_knows_a_version_has_seen_everything_up_to_it(world):
    creating = asyncio.gather(*(create_some(world) for _ in range(4)))
    seen: dict[bytes, int] = {}
    version = 0
    gaps = []
    while not creating.done() or version < 41:
        changes = await world.definitions.changes_since(version)
        seen |= {watch.id: watch.version for watch in changes.watches}
        version = changes.version
        if sorted(seen.values()) != list(range(2, version + 1)):
            gaps.append(version)

    await creating
    assert (gaps, version) == ([], 41)


async def create_some(world: World) -> None:
    for _ in range(10):
        await world.watch()


async def test_a_change_is_not_told_before_it_is_committed(world):
    async with world.session() as other:
        changing = other.transaction()
        await changing.start()
        await other.execute("UPDATE definition_version SET version = version + 1")
        creating = asyncio.create_task(world.watch())
        await world.wait_until("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")

        assert (await world.definitions.changes_since(0)).version == 1

        await changing.commit()
    assert (await creating).version == 3


async def test_an_event_is_stamped_with_a_version_that_covers_every_watch_before_it(world):
    watch = await world.watch()
    [event] = await world.accept(new_event())

    assert await world.value("SELECT version FROM event WHERE id = $1", event.id) >= watch.active_since


async def test_a_watch_reads_as_it_was_stored_by_its_account_only(world):
    watch = await world.watch()

    assert [await world.definitions.watch(account, watch.id) for account in (1, 2)] == [watch, None]


async def test_watches_are_listed_page_by_page_oldest_first(world):
    await world.value("INSERT INTO account (name) VALUES ('other')")
    watches = [await world.watch() for _ in range(5)]
    await world.watch(2)
    await world.definitions.delete_watch(ACCOUNT, watches[2].id, reason="why")
    listed: list[bytes] = []
    after = None

    while page := await world.definitions.watches(WatchQuery(account=ACCOUNT, after=after, limit=2)):
        listed += [watch.id for watch in page]
        after = WatchId(listed[-1])

    assert listed == [watch.id for watch in watches if watch != watches[2]]


async def test_watches_are_listed_by_resource_type(world):
    await world.watch()

    found = [
        len(await world.definitions.watches(WatchQuery(account=ACCOUNT, resource_type=name, limit=9)))
        for name in ("appointment", "queue.registration")
    ]

    assert found == [1, 0]


async def test_a_watch_that_cannot_be_stored_leaves_no_lane_and_no_version(world):
    watch = new_watch(account=99)
    before = await world.everything()

    outcome = await asyncio.gather(
        world.definitions.add_watch(watch, slots=None, paused=False, key=None), return_exceptions=True
    )

    assert type(outcome[0]).__name__ == "ForeignKeyViolationError"
    assert await world.everything() == before


async def test_deleting_a_watch_closes_its_lane_at_once(world):
    watch = await world.watch()

    await world.definitions.delete_watch(ACCOUNT, watch.id, reason="the watch was deleted")

    assert await world.lane_row(watch.lane) == {
        "in_use": 0,
        "behind": False,
        "paused": False,
        "closing": "the watch was deleted",
        "wake": "now",
    }
