"""Accounts of their own for tests, each with keys."""

from __future__ import annotations

import uuid
from typing import Any

from tests.service import Service


class Tenant:
    """An account, and what its keys may do. ``key`` is its first admin key."""

    def __init__(self, service: Service, made: dict[str, Any]) -> None:
        self.service = service
        self.id: str = made["id"]
        self.key: str = made["key"]

    async def ask(self, method: str, path: str, *, expect: int, key: str | None = None, **more: Any) -> Any:
        """A request with one of its keys (else the first), whose status is asserted."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return await self.service.ask(method, path, expect=expect, headers=headers, **more)

    async def new_key(self, *scopes: str, owner: str | None = None) -> str:
        """Another key; only a key of the operator's may grant ``operator``."""
        given = {"name": "made by a test", "scopes": list(scopes), "owner": owner}
        if "operator" in scopes:  # on the account default: that of the bootstrap key
            return str((await self.service.ask("POST", "/v1/api-keys", expect=201, json=given))["key"])
        return str((await self.ask("POST", "/v1/api-keys", expect=201, json=given))["key"])


async def new_tenant(service: Service, **given: Any) -> Tenant:
    """A fresh account."""
    return Tenant(
        service, await service.ask("POST", "/v1/accounts", expect=201, json={"name": uuid.uuid4().hex, **given})
    )
