from tests.contract.world import events_of, ids, new_event


async def test_a_claim_takes_from_one_account_after_the_other(world):
    await world.accept_each(95, account=1)
    small = await world.accept_each(5, account=2)

    claims = await world.outbox.claim(await world.lease(), limit=10)

    assert len(set(events_of(claims)) & set(ids(small))) == 5


async def test_every_account_is_served_however_many_are_busy(world):
    for account in range(1, 41):
        await world.accept(*(new_event(account) for _ in range(64 * 3)))
    token = await world.lease()

    claims = [claim for _ in range(10) for claim in await world.outbox.claim(token, limit=256)]

    served = await world.value("SELECT count(DISTINCT account_id) FROM outbox WHERE token IS NOT NULL")
    assert (len(claims), served) == (40, 40)


async def test_accounts_with_old_backlogs_do_not_hold_up_a_fresh_event(world):
    for account in range(1, 9):
        await world.accept(*(new_event(account) for _ in range(64 * 4)))
    fresh = await world.accept(new_event(9))
    token = await world.lease()

    claims = [claim for _ in range(3) for claim in await world.outbox.claim(token, limit=256)]

    assert fresh[0].id in events_of(claims)
