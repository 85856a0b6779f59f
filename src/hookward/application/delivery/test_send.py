"""Try a watch: send one made-up event now and answer with the whole attempt; nothing is recorded."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from hookward.application.aio.limits import ConcurrencyLimit
from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.delivery.authorized import AuthorizedSender, Sender
from hookward.application.delivery.endpoints import Endpoint, EndpointCache
from hookward.application.delivery.request import SPAN_BYTES, attempt_of, composed, render
from hookward.application.delivery.task import LoadedEvent
from hookward.application.history.model import LoggedAttempt
from hookward.application.ids import make_id
from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock, Random, Sealer
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.registry import DefinitionDelta, WatchRegistry
from hookward.application.watches.service import WatchStore
from hookward.domain.delivery.model import Attempt, Payload
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.errors import TemplateFailed
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, CryptoKeyId, DeliveryId, IdPrefix, from_text
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.watches.model import WatchStatus
from hookward.domain.watches.test_send import preview, read_trial


class WatchTester:
    """Test sends and previews, as many at a time as leave the api to others (G6). ``timeout`` is seconds."""

    def __init__(
        self, store: WatchStore, sealer: Sealer, keys: SigningKeys, sender: Sender, tokens: TokenSource,
        *, timeout: float, user_agent: str, clock: Clock, random: Random,
    ) -> None:  # fmt: skip
        self._store = store
        self._sealer = sealer
        self._keys = keys
        self._sender = sender
        self._exchanges = AuthorizedSender(sender, tokens, clock=clock)
        self._timeout = timeout
        self._user_agent = user_agent
        self._clock = clock
        self._random = random
        self._sends = ConcurrencyLimit("test sends", retry_after=math.ceil(timeout))
        self._previews = ConcurrencyLimit("previews", retry_after=1)

    async def send(self, row: WatchRecord, known: CompiledType, given: Any) -> LoggedAttempt:
        """Send the type's sample, or what ``given`` says, whatever the watch's status.

        Raises Invalid, and TooManyPending while too many test sends are in flight.
        """
        change = read_trial(given, known, row.read_definition().scope)
        with self._sends.take(row.account):
            return _logged(await self._attempt(row, known, change))

    async def preview(self, account: AccountId, given: Any, types: Mapping[str, CompiledType]) -> bytes:
        """Render a template without saving it; raises Invalid, and TooManyPending while too many are being rendered."""
        with self._previews.take(account):
            return await asyncio.to_thread(preview, given, types, second=self._clock.now_us() // 1_000_000)

    async def _attempt(self, row: WatchRecord, known: CompiledType, change: ChangeEvent) -> Attempt:
        plan, zone = await self._plan(row, known), await self._store.zone(row.account)
        sent_us = self._clock.now_us()
        second = sent_us // 1_000_000
        shown: dict[str, str] = {}
        try:
            payload = await asyncio.to_thread(
                render, plan, LoadedEvent(change), second=second, zone=zone, shape=known.type.body
            )
        except TemplateFailed as error:
            payload = Payload(method=plan.method, address=plan.address, body=None)
            outcome = Outcome(duration_us=0, failure=Failure(kind=ErrorKind.TEMPLATE, message=str(error)))
        else:
            id_ = DeliveryId(make_id(self._clock, self._random))
            span = self._random.bytes(SPAN_BYTES)
            make = partial(composed, plan, change, payload, id_=id_, number=1, span=span, test=True)
            timeout = plan.timeout or self._timeout
            if plan.grant is None:
                request, shown = await make(second=second)
                outcome = await self._sender.send(request, timeout=timeout)
            else:
                exchange = await self._exchanges.make(plan.grant, make, seconds=timeout)
                sent_us, shown, outcome = exchange.sent_us, exchange.shown, exchange.outcome
        return attempt_of(1, payload, shown, sent_us, outcome, with_body=True, veil=plan.veil)

    async def _plan(self, row: WatchRecord, known: CompiledType) -> Endpoint:
        """The plan that a worker would make of the watch if it were enabled."""
        ids = [CryptoKeyId(from_text(IdPrefix.CRYPTO_KEY, text) or b"") for text in row.read_definition().key_ids]
        keys = await self._store.keys(row.account, ids, owner=None) if ids else []
        enabled = msgspec.structs.replace(row, status=WatchStatus.ENABLED)
        definitions = WatchRegistry(_Known(enabled, keys), {known.type.name: known.type})
        plans = EndpointCache(definitions, self._sealer, self._keys, user_agent=self._user_agent, clock=self._clock)
        await definitions.refresh()
        plan = await asyncio.to_thread(plans.get, row.id)  # its template may take a while to compile
        assert plan is not None
        return plan


class _Known:
    """A DefinitionSource of one watch and its keys."""

    def __init__(self, row: WatchRecord, keys: Sequence[KeyRecord]) -> None:
        self._changes = DefinitionDelta(version=1, watches=[row], keys=keys)

    async def changes_since(self, version: int) -> DefinitionDelta:  # noqa: ARG002
        return self._changes


def _logged(attempt: Attempt) -> LoggedAttempt:
    return LoggedAttempt(
        number=attempt.number,
        sent=datetime.fromtimestamp(attempt.sent_us / 1_000_000, UTC),
        duration_us=attempt.duration_us,
        code=attempt.code,
        error=attempt.error,
        message=attempt.message,
        request=attempt.request,
        request_body=attempt.request_body,
        response=attempt.response,
        response_body=attempt.response_body,
        truncated=attempt.truncated,
        remote=attempt.remote,
    )
