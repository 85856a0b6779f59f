"""A client that checks answers fails its test, whatever the test itself looks at."""

from __future__ import annotations

import aiohttp
import pytest

from tests.answers import checking
from tests.receiver import Receiver


async def test_an_answer_that_is_not_documented_fails_the_request() -> None:
    async with Receiver() as receiver, aiohttp.ClientSession(trace_configs=[checking("/api")]) as client:
        for path in ("/livez", "/api/livez"):
            with pytest.raises(AssertionError, match="GET /livez answered 200: the header X-Request-Id is missing"):
                await client.get(receiver.url + path)
