"""WatchTester: sends one made-up event now and returns the whole attempt; nothing is recorded."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hookward.application.aio.limits import ConcurrencyLimit
from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.delivery.authorized import AuthorizedSender, build_request
from hookward.application.delivery.endpoint import CompiledWatch, DocumentView, Endpoint, EndpointBuilder
from hookward.application.delivery.task import LoadedEvent
from hookward.application.history.model import LoggedAttempt
from hookward.application.ids import make_id
from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock, Random, Sealer, Sender
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.watches.registry import document_options_of
from hookward.application.watches.service import WatchStore
from hookward.domain.delivery.attempt import SentAttempt, record_attempt
from hookward.domain.delivery.model import Attempt, Payload
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import SPAN_BYTES, RequestBuilder
from hookward.domain.errors import NotFound, TemplateFailed
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, CryptoKeyId, DeliveryId, IdPrefix, from_text
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.watches.model import WatchDefinition
from hookward.domain.watches.test_send import preview, read_trial

_US = 1_000_000


class WatchTester:
    """Test sends and previews, bounded in number so that the api stays free for others (G6). ``timeout`` is seconds."""

    def __init__(
        self,
        store: WatchStore,
        types: ResourceTypeCache,
        sealer: Sealer,
        signing_keys: SigningKeys,
        sender: Sender,
        tokens: TokenSource,
        *,
        timeout: float,
        user_agent: str,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._types = types
        self._sealer = sealer
        self._signing_keys = signing_keys
        self._sender = sender
        self._authorized = AuthorizedSender(sender, tokens, clock=clock)
        self._timeout = timeout
        self._user_agent = user_agent
        self._clock = clock
        self._random = random
        self._sends = ConcurrencyLimit("test sends", retry_after=math.ceil(timeout))
        self._previews = ConcurrencyLimit("previews", retry_after=1)

    async def send(self, row: WatchRecord, given: Any) -> LoggedAttempt:
        """Send the sample of the watch's type, or what ``given`` says, whatever the watch's status.

        Raises NotFound when the type is gone, Invalid, and TooManyPending while too many test sends are in flight.
        """
        known = await self._types.find(row.account, row.resource_type)
        if known is None:
            raise NotFound("the resource type of the watch is gone")
        change = read_trial(given, known, row.read_definition().scope)
        with self._sends.take(row.account):
            return _logged(await self._attempt(row, known, change))

    async def preview(self, account: AccountId, given: Any) -> bytes:
        """Render a template without saving it. Raises Invalid, and TooManyPending while too many are being rendered."""
        own = await self._types.find(account, given.get("resourceType") if isinstance(given, dict) else None)
        types = self._types.built_in if own is None else {**self._types.built_in, own.type.name: own}
        with self._previews.take(account):
            return await asyncio.to_thread(preview, given, types, second=self._clock.now_us() // 1_000_000)

    async def _attempt(self, row: WatchRecord, known: CompiledType, change: ChangeEvent) -> Attempt:
        endpoint = await self._endpoint(row, known)
        sent_us = self._clock.now_us()
        masked: dict[str, str] = {}
        try:
            payload = await asyncio.to_thread(endpoint.render, LoadedEvent(change), sent_us // _US)
        except TemplateFailed as error:
            payload = Payload(method=endpoint.method, address=endpoint.address, body=None)
            outcome = Outcome(duration_us=0, failure=Failure(kind=ErrorKind.TEMPLATE, message=str(error)))
        else:
            builder = RequestBuilder(
                payload=payload,
                headers=endpoint.headers,
                signer=endpoint.signer,
                connection_owner=endpoint.connection_owner,
                event_name=change.name,
                id=DeliveryId(make_id(self._clock, self._random)),
                number=1,
                span=self._random.bytes(SPAN_BYTES),
                test=True,
            )
            timeout = endpoint.compiled.timeout or self._timeout
            if endpoint.token_grant is None:
                request, masked = await build_request(builder, sent_us // _US)
                outcome = await self._sender.send(request, timeout=timeout)
            else:
                made = await self._authorized.send(endpoint.token_grant, builder, seconds=timeout)
                sent_us, masked, outcome = made.sent_us, made.masked_headers, made.outcome
        sent = SentAttempt(number=1, payload=payload, masked_headers=masked, sent_us=sent_us, mask=endpoint.mask)
        return record_attempt(sent, outcome)

    async def _endpoint(self, row: WatchRecord, known: CompiledType) -> Endpoint:
        """Build the endpoint that a worker would build if the watch were enabled."""
        definition = row.read_definition()
        ids = [CryptoKeyId(from_text(IdPrefix.CRYPTO_KEY, text) or b"") for text in definition.key_ids]
        stored = await self._store.keys(row.account, ids, owner=None) if ids else []
        by_id = {key.id: key for key in stored if not key.retired}
        zone = await self._store.zone(row.account)
        view = DocumentView.of(document_options_of(definition, known.type.body), home=zone)
        keys = [by_id[id_] for id_ in ids if id_ in by_id]
        return await asyncio.to_thread(self._build, row, definition, keys, view)  # its template may take a while

    def _build(
        self, row: WatchRecord, definition: WatchDefinition, keys: Sequence[KeyRecord], view: DocumentView
    ) -> Endpoint:
        builder = EndpointBuilder(self._sealer, self._signing_keys, clock=self._clock, user_agent=self._user_agent)
        return builder.build(row, definition, CompiledWatch.compile(definition), keys=keys, view=view)


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
