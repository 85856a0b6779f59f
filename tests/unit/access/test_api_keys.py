"""API keys as administrators manage them."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.application.access.api_keys import ApiKeyRecord, ApiKeys
from hookward.domain.access.callers import Scope, is_key_text, key_digest
from hookward.domain.errors import Forbidden, Invalid, NotFound
from hookward.domain.ids import AccountId, ApiKeyId
from tests.fakes.access import FakeApiKeys
from tests.fakes.virtual_time import FixedRandom, VirtualClock

pytestmark = pytest.mark.virtual_time

MINE, OTHER = AccountId(1), AccountId(2)


@pytest.fixture
def keys() -> ApiKeys:
    return ApiKeys(FakeApiKeys(), clock=VirtualClock(), random=FixedRandom())


async def make(keys: ApiKeys, *, may_operate: bool = False, **given: Any) -> tuple[ApiKeyRecord, str]:
    return await keys.create(MINE, {"name": "n", "scopes": ["publish"], **given}, may_operate=may_operate)


async def test_a_key_is_told_once_and_stored_as_its_digest(keys: ApiKeys) -> None:
    row, text = await make(keys, scopes=["watches", "publish"])
    assert is_key_text(text)
    assert (row.digest, row.scopes) == (key_digest(text), (Scope.PUBLISH, Scope.WATCHES))
    assert text not in repr(row)
    assert repr(row.digest) not in repr(row)


async def test_keys_are_read_listed_and_revoked(keys: ApiKeys) -> None:
    first, _ = await make(keys)
    second, _ = await make(keys, owner="integrator-7")
    assert await keys.get(MINE, first.id) == first
    assert await keys.list(MINE, limit=9) == [first, second]
    assert await keys.list(MINE, after=first.id, limit=9) == [second]
    assert await keys.list(MINE, owner="integrator-7", limit=9) == [second]
    await keys.revoke(MINE, first.id)
    assert await keys.list(MINE, limit=9) == [second]


@pytest.mark.parametrize("whose", ["unknown", "unreadable", "another account's", "revoked"])
async def test_a_key_that_is_not_there_is_not_found(keys: ApiKeys, whose: str) -> None:
    row, _ = await make(keys)
    id_: ApiKeyId | None = {"unknown": ApiKeyId(bytes(16)), "unreadable": None}.get(whose, row.id)
    account = OTHER if whose == "another account's" else MINE
    if whose == "revoked":
        await keys.revoke(MINE, row.id)
    with pytest.raises(NotFound):
        await keys.get(account, id_)
    with pytest.raises(NotFound):
        await keys.revoke(account, id_)


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        ({}, ["/name", "/scopes"]),
        ({"name": "\0", "owner": "", "scopes": [], "key": "x"}, ["/key", "/name", "/owner", "/scopes"]),
        ({"name": " ", "owner": 7, "scopes": ["publish"] * 6}, ["/name", "/owner", "/scopes"]),
        ({"name": "n" * 256, "owner": "o\n", "scopes": "publish"}, ["/name", "/owner", "/scopes"]),
        ({"name": "n", "scopes": ["publish", 7, "root", "publish", ["a"]]}, [f"/scopes/{i}" for i in (1, 2, 3, 4)]),
        ({"name": "n", "owner": "o", "scopes": ["operator", "admin", "watches"]}, ["/scopes/0", "/scopes/1"]),
        ({"name": "", "scopes": ["publish", "operator"]}, ["/name", "/scopes/1"]),
    ],
)
async def test_everything_wrong_with_a_key_is_named_at_once(keys: ApiKeys, given: Any, pointers: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await keys.create(MINE, given, may_operate=False)
    assert [problem.pointer for problem in refused.value.problems] == pointers


async def test_operator_is_granted_by_who_has_it_alone(keys: ApiKeys) -> None:
    with pytest.raises(Forbidden) as refused:
        await make(keys, scopes=["admin", "operator"])
    assert [problem.pointer for problem in refused.value.problems] == ["/scopes/1"]
    row, _ = await make(keys, scopes=["operator", "admin"], may_operate=True)
    assert row.scopes == (Scope.ADMIN, Scope.OPERATOR)
