"""Processes that want tokens, on fakes: one store, one shelf, one endpoint, time that jumps."""

from __future__ import annotations

from hookward.application.oauth.tokens import Tokens
from hookward.domain.oauth.model import AccessToken
from tests.fakes.oauth import FAR_US, FakeCredentials, FakeShelf, RotatingEndpoint, new_grant
from tests.fakes.virtual_time import FixedRandom, SilentLog, VirtualClock
from tests.fakes.worker_harness import NoSealing

TIMEOUT = 10.0
GRANT = new_grant()
OTHER = b"somebody else---"


class TokenHarness:
    """One store, one shelf, one endpoint, and as many processes as a test begins."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = FakeCredentials(self.clock.monotonic)
        self.shelf = FakeShelf()
        self.endpoint = RotatingEndpoint()
        self.log = SilentLog()
        self.random = FixedRandom()
        self.processes: list[Tokens] = []

    def process(self) -> Tokens:
        tokens = Tokens(
            self.store, self.shelf, self.endpoint, NoSealing(),
            timeout=TIMEOUT, clock=self.clock, random=self.random, log=self.log,
        )  # fmt: skip
        self.processes.append(tokens)
        return tokens

    def hold(self, seconds: float = 1000.0) -> None:
        """Let somebody else hold the row."""
        self.store.holder, self.store.held_until = OTHER, self.clock.monotonic() + seconds


async def value(tokens: Tokens, *, seconds: float = 15.0) -> str:
    """The token that a process gives."""
    return (await tokens.get(GRANT, seconds=seconds)).value


def token(text: str) -> AccessToken:
    """One that lasts."""
    return AccessToken(value=text, until_us=FAR_US)
