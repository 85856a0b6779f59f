"""A path takes the methods that are its own, whatever other paths would fit as well."""

from __future__ import annotations

import pytest

from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/watches/preview", "POST"), ("OPTIONS", "/v1/watches/preview", "POST"),
        ("GET", "/v1/events/batch", "POST"), ("OPTIONS", "/v1/watches", "GET,POST"),
        ("OPTIONS", "/companies/1/appointments/watch", "POST"), ("OPTIONS", "/registrations/1/batch", "POST"),
        ("OPTIONS", "/api/2.3/queues/1/registrations/next", "POST"), ("POST", "/livez", "GET,HEAD"),
    ],
)  # fmt: skip
async def test_another_paths_methods_are_not_allowed(service: Service, method: str, path: str, allowed: str) -> None:
    async with service.client.request(method, path) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/v1/watches/wat_1", "/v1/events/none", "/v1/nothing", "/v1/resource-types/none"])
async def test_what_is_not_there_is_still_not_found(service: Service, path: str) -> None:
    await service.ask("GET", path, expect=404)
