"""An integrator's endpoint: receives requests, verifies their signatures, returns 200 or 401."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

from hookward.application.ports import Clock
from hookward.domain.signing.standard_webhooks import TOLERANCE_SECONDS, verify

_HOST = "127.0.0.1"
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request. ``event`` has the form ``appointment.updated``; ``message`` is its ``webhook-id``."""

    event: str
    attempt: str
    message: str
    body: bytes = field(repr=False)
    status: int
    verified: bool


class Receiver:
    """Listens on a free loopback port in its ``async with`` block; calls ``on_received`` for every request."""

    def __init__(self, clock: Clock, on_received: Callable[[Received], None]) -> None:
        self.on_received = on_received
        self._clock = clock
        self._secrets: dict[str, bytes] = {}
        app = web.Application(client_max_size=32 << 20)
        app.router.add_route("*", "/{name}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    def address(self, name: str) -> str:
        """Return the address that the watch of this name delivers to."""
        port = self._runner.addresses[0][1]
        return f"http://{_HOST}:{port}/{name}"

    def trust(self, name: str, secret: bytes) -> None:
        """Require from now on that requests to ``name`` are signed with ``secret``."""
        self._secrets[name] = secret

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = self._verified(request, body)
        status = 200 if verified else 401
        self.on_received(
            Received(
                event=request.headers.get("hookward-event", ""),
                attempt=request.headers.get("hookward-attempt", ""),
                message=request.headers.get("webhook-id", ""),
                body=body,
                status=status,
                verified=verified,
            )
        )
        return web.Response(status=status)

    def _verified(self, request: web.Request, body: bytes) -> bool:
        secret = self._secrets.get(request.match_info["name"])
        message = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "")
        if secret is None or not message or not (stamp.isascii() and stamp.isdigit()):
            return False
        age = self._clock.now_us() // _SECOND_US - int(stamp)
        given = request.headers.get("webhook-signature", "")
        return abs(age) <= TOLERANCE_SECONDS and verify(given, secret, message, int(stamp), body)
