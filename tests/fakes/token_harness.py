"""Processes that request tokens, on fakes: one store, one cache, one endpoint, virtual time."""

from __future__ import annotations

from hookward.application.oauth.tokens import Tokens
from hookward.domain.oauth.model import AccessToken
from tests.fakes.null_log import NullLog
from tests.fakes.oauth import FAR_US, FakeCredentials, FakeTokenCache, RotatingEndpoint, new_grant
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.worker_harness import NoSealing

TIMEOUT = 10.0
GRANT = new_grant()
OTHER = b"another process-"


class TokenHarness:
    """One store, one cache, one endpoint, and as many processes as a test starts."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = FakeCredentials(self.clock.monotonic)
        self.cache = FakeTokenCache()
        self.endpoint = RotatingEndpoint()
        self.log = NullLog()
        self.random = FixedRandom()
        self.processes: list[Tokens] = []

    def process(self, **limits: int) -> Tokens:
        tokens = Tokens(
            self.store, self.cache, self.endpoint, NoSealing(),
            timeout=TIMEOUT, clock=self.clock, random=self.random, log=self.log, **limits,
        )  # fmt: skip
        self.processes.append(tokens)
        return tokens

    def lock(self, seconds: float = 1000.0) -> None:
        """Lock the credential for another process."""
        self.store.holder, self.store.held_until = OTHER, self.clock.monotonic() + seconds


async def value(tokens: Tokens, *, seconds: float = 15.0) -> str:
    """Return the token that a process gets."""
    return (await tokens.get(GRANT, seconds=seconds)).value


def token(text: str) -> AccessToken:
    """Return a token that does not expire."""
    return AccessToken(value=text, until_us=FAR_US)
