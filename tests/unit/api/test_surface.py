"""Nothing of the api is open by oversight."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from hookward.domain.access.callers import Scope
from hookward.entrypoints.api.http.responses import NotAuthenticated
from tests.api_surface import PUBLIC, Entry, surface

SURFACE = surface()


@pytest.mark.parametrize("entry", SURFACE, ids=str)
def test_every_route_declares_a_scope_or_is_known_to_be_public(entry: Entry) -> None:
    assert (entry.scope is None) == (entry.path in PUBLIC), "declare a scope for it, or make it known as public"
    assert entry.scope in {None, *Scope}


@pytest.mark.parametrize("entry", [each for each in SURFACE if each.scope is not None], ids=str)
async def test_no_route_with_a_scope_begins_its_work_without_a_key(entry: Entry) -> None:
    with pytest.raises(NotAuthenticated):
        await entry.handler(make_mocked_request(entry.method, "/"))


def test_the_walk_finds_the_routes() -> None:
    assert {"POST /v1/events", "GET /v1/accounts/{accountId}", "GET /livez"} <= {str(entry) for entry in SURFACE}
