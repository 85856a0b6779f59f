"""Mistakes are told where they were made, all of one request at once."""

from __future__ import annotations

import uuid

import pytest

from tests.service import Service, event

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/api-keys", "/v1/crypto-keys", "/v1/resource-types"])
async def test_every_bad_parameter_of_a_list_is_named_at_once(service: Service, path: str) -> None:
    problem = await service.ask("GET", f"{path}?limit=0&cursor=*&colour=red", expect=400)
    assert sorted(each["parameter"] for each in problem["errors"]) == ["colour", "cursor", "limit"]
    assert all(each["message"].startswith(each["parameter"]) for each in problem["errors"])


async def test_what_is_wrong_with_an_idempotency_key_is_told_of_the_header(service: Service) -> None:
    refused = await service.ask(
        "POST", "/v1/events", expect=422, json=event("1", wrong=1), headers={"Idempotency-Key": "a b"}
    )
    key = {"Idempotency-Key": uuid.uuid4().hex}
    await service.ask("POST", "/v1/events", expect=202, json=event("1"), headers=key)
    again = await service.ask("POST", "/v1/events", expect=422, json=event("2"), headers=key)

    assert [each.get("pointer") or each["parameter"] for each in refused["errors"]] == ["/wrong", "Idempotency-Key"]
    assert refused["errors"][1]["message"].startswith("Idempotency-Key must be 1 to 255 visible ASCII")
    assert [each.get("parameter") for each in again["errors"]] == ["Idempotency-Key"]
