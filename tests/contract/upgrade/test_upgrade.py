"""An operator upgrades the last release while it works: nothing is lost, and nothing has to wait.

The load is made by the code of this release. Once there is a revision that needs newer code, it has to come from the
code of the last release instead, which is what runs on the new schema until it is replaced.
"""

from __future__ import annotations

import pytest

from tests.contract.upgrade.upgrading import PUBLISH_SECONDS, copy_migrations, upgrade_problems

WORKS = {"0002": "ALTER TABLE watch ADD COLUMN note text; CREATE INDEX watch_note ON watch (note)"}
BAD = {
    "drops what the release reads": (
        "ALTER TABLE waiting DROP COLUMN number",
        ["waiting deliveries did not arrive"],
    ),
    "asks for what the release does not write": (
        "ALTER TABLE event ADD COLUMN origin text NOT NULL DEFAULT ''; ALTER TABLE event ALTER origin DROP DEFAULT",
        ["publishes were refused"],
    ),
    "deletes what waits": (
        "DELETE FROM waiting",
        ["waiting deliveries did not arrive"],
    ),
    "changes what was accepted": (
        "UPDATE event SET zone = 'UTC'",
        ["rows of event are gone or changed"],
    ),
    "locks what is published into": (
        f"LOCK TABLE event; SELECT pg_sleep({PUBLISH_SECONDS + 2})",
        ["a publish took too long"],
    ),
}


async def test_a_filled_store_of_the_last_release_is_upgraded_under_load(server, tmp_path):
    async with server.empty_database() as dsn:
        assert await upgrade_problems(dsn, copy_migrations(tmp_path)) == []


async def test_a_revision_that_adds_is_no_problem(server, tmp_path):
    async with server.empty_database() as dsn:
        assert await upgrade_problems(dsn, copy_migrations(tmp_path, **WORKS)) == []


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_revision_is_seen(server, tmp_path, kind):
    script, expected = BAD[kind]
    async with server.empty_database() as dsn:
        problems = await upgrade_problems(dsn, copy_migrations(tmp_path, **{"0002": script}), patience=2.0)

    assert set(expected) <= set(problems)
