"""Watches that deliver with OAuth2 to the resources of the peers in ``tests/peers``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.acceptance.chaos import QUICK_RETRIES
from tests.peers import Peer
from tests.service import Service, event, wait_until

FOUR_WORKERS = {
    "HOOKWARD_WORKER__PROCESSES": "4",
    "HOOKWARD_DELIVERY__SCHEDULE": QUICK_RETRIES,
    "HOOKWARD_OAUTH__TIMEOUT": "2s",
    "HOOKWARD_LOG__LEVEL": "info",
}
METHODS = {"post": "client_secret_post", "none": "none"} | dict.fromkeys(("rsa", "pss", "ec", "ed"), "private_key_jwt")


async def minted(peer: Peer, client: str = "basic") -> str:
    """A refresh token from a consent just given."""
    return str((await peer.ask(do="mint", client=client))["token"])


def authorization(peer: Peer, client: str = "basic", *, refresh_token: str | None = None) -> dict[str, Any]:
    """``oauth2Auth`` of a client of the peer: by a refresh token where one is given, else by its own credentials."""
    given: dict[str, Any] = {
        "grantType": "client_credentials" if refresh_token is None else "refresh_token",
        "clientId": f"{client}:1",
        "clientAuthMethod": METHODS.get(client, "client_secret_basic"),
        "accessTokenUrl": peer.told["token"],
    }
    secret = peer.told.get("secrets", {}).get(client, None if client == "none" else "s")
    if secret is not None:
        given["clientSecret"] = secret
    if refresh_token is not None:
        given["refreshToken"] = refresh_token
    if "api" in peer.told:
        given |= {"scope": "read", "extraParameters": {"resource": peer.told["api"]}}
    return given


@dataclass
class Crowd:
    """Watches of companies of their own, and what is published for them; ``name`` tells them from others'."""

    service: Service
    peer: Peer
    name: str
    watches: list[str] = field(default_factory=list)
    companies: dict[str, None] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    _published: int = 0

    async def watch(self, oauth: Mapping[str, Any], *, company: str = "1", resource: str = "") -> str:
        """A watch on a company that delivers to the peer's resource of that name; answers its id."""
        resource = f"{self.name}{resource}"
        address, company = f"{self.peer.told['resource']}/{resource}", f"{self.name}-{company}"
        id_ = await self.service.create_watch(address, company=company, oauth2Auth=dict(oauth))
        self.watches.append(id_)
        self.companies[company] = None
        self.expected.setdefault(resource, 0)
        return id_

    async def four(self, oauth: Mapping[str, Any], *, resource: str = "") -> None:
        """Four watches that share what they authorize with: as many workers want a token at a time."""
        for number in range(1, 5):
            await self.watch(oauth, company=str(number), resource=resource)

    async def publish(self, count: int) -> None:
        """Publish so many events a company, each alone and all at once, so that many workers have something to send."""
        self._published += 1
        given = [
            event(f"{self._published}-{number}", company=company)
            for company in self.companies
            for number in range(count)
        ]
        await asyncio.gather(*[self.service.publish(each) for each in given])

    async def burst(self, count: int) -> dict[str, Any]:
        """Publish and wait until every resource has seen its share; answers the peer's counts."""
        await self.publish(count)
        share = len(self.watches) * count // len(self.expected)
        self.expected = {resource: seen + share for resource, seen in self.expected.items()}
        return await self.arrived(self.expected)

    async def arrived(self, expected: Mapping[str, int]) -> dict[str, Any]:
        """Wait until the peer's resources have let so many requests pass; answers its counts."""
        counts: dict[str, Any] = {}

        async def all_there() -> bool:
            nonlocal counts
            counts = await self.peer.ask(do="counts")
            return all(counts["resource"].get(name, {}).get("ok", 0) >= count for name, count in expected.items())

        try:
            await wait_until(all_there, every=0.01)
        except AssertionError as error:
            error.add_note(f"expected {dict(expected)}; {counts}; {await self._states()}")
            raise
        return counts

    async def delivered(self, count: int) -> int:
        """Wait until so many deliveries have arrived, and assert that there are no others; answers the attempts."""
        ids = [UUID(hex=id_.removeprefix("wat_")) for id_ in self.watches]
        over = """SELECT count(*) FILTER (WHERE status = 3) = $1 AND count(*) = $1 FROM delivery
          WHERE watch_id = ANY($2)"""
        made = "SELECT count(*) FROM attempt JOIN delivery ON id = delivery_id WHERE watch_id = ANY($1)"
        async with self.service.database() as connection:
            try:
                await wait_until(lambda: connection.fetchval(over, count, ids))
            except AssertionError as error:
                error.add_note(str(await self._states()))
                raise
            return int(await connection.fetchval(made, ids))

    async def _states(self) -> list[Any]:
        query = """SELECT w.name, d.status, d.reason, a.code, a.error, a.message, count(*)
          FROM delivery d LEFT JOIN attempt a ON d.id = a.delivery_id, (SELECT $1 AS name) AS w
          GROUP BY 1, 2, 3, 4, 5, 6"""
        async with self.service.database() as connection:
            return [dict(row) for row in await connection.fetch(query, self.name)]


def askers(service: Service, since: int) -> set[str]:
    """The workers that asked for tokens, by the log from that byte on."""
    lines = service.log.read_bytes()[since:].splitlines()
    read = [json.loads(line) for line in lines if line.startswith(b"{") and b"token.asked" in line]
    return {str(line["worker"]) for line in read if line["event"] == "token.asked"}
