"""EndpointCache: the endpoints of all watches, each built when it is first needed."""

from __future__ import annotations

from hookward.application.aio.cache import LruCache
from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.delivery.endpoint import CompiledWatch, DocumentView, Endpoint, EndpointBuilder
from hookward.application.ports import Clock, Sealer
from hookward.application.records import WatchRecord
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.ids import CryptoKeyId, IdPrefix, WatchId, from_text
from hookward.domain.watches.model import WatchDefinition, WatchStatus


class EndpointCache:
    """Endpoints by watch, at most ``limit`` (G12); those used longest ago are dropped first.

    A change of any watch, key, time zone or type drops them all. What was compiled of a watch stays until the watch
    itself changes.
    """

    def __init__(
        self,
        registry: WatchRegistry,
        sealer: Sealer,
        signing_keys: SigningKeys,
        *,
        clock: Clock,
        user_agent: str,
        limit: int = 4096,
    ) -> None:
        self._registry = registry
        self._builder = EndpointBuilder(sealer, signing_keys, clock=clock, user_agent=user_agent)
        self._clock = clock
        self._endpoints: LruCache[WatchId, Endpoint] = LruCache(limit)
        self._compiled: LruCache[WatchId, tuple[int, CompiledWatch]] = LruCache(limit)
        registry.on_change(self._forget)

    def get(self, watch: WatchId) -> Endpoint | None:
        """Return the endpoint of a watch; ``None`` when the watch is gone or disabled.

        Raises what ``EndpointBuilder.build`` raises.
        """
        record = self._registry.watch(watch)
        if record is None or record.status == WatchStatus.DISABLED:
            return None
        known = self._endpoints.get(watch)
        if known is not None and known.version == record.version:
            valid_until_us = known.valid_until_us
            if valid_until_us is None or self._clock.now_us() < valid_until_us:
                return known
        endpoint = self._build(record)
        self._endpoints.put(watch, endpoint)
        return endpoint

    def reason_for_none(self, watch: WatchId) -> str:
        """Return why ``get`` returns ``None``."""
        record = self._registry.watch(watch)
        return (record.status_reason if record else None) or "the watch is disabled or was deleted"

    def _forget(self) -> None:
        self._endpoints.clear()
        self._builder.forget_keys()

    def _build(self, record: WatchRecord) -> Endpoint:
        registry = self._registry
        definition = record.read_definition()
        ids = [from_text(IdPrefix.CRYPTO_KEY, text) for text in definition.key_ids] if definition.signed else []
        keys = [registry.key(CryptoKeyId(id_)) for id_ in ids if id_ is not None]
        view = DocumentView.of(
            registry.document_options(record, definition),
            home=registry.account_zone(record.account),
            merged_versions=registry.merged_versions(record.account, record.resource_type),
        )
        return self._builder.build(
            record,
            definition,
            self._compile(record, definition),
            keys=[key for key in keys if key is not None],
            view=view,
        )

    def _compile(self, record: WatchRecord, definition: WatchDefinition) -> CompiledWatch:
        known = self._compiled.get(record.id)
        if known is not None and known[0] == record.version:
            return known[1]
        compiled = CompiledWatch.compile(definition)
        self._compiled.put(record.id, (record.version, compiled))
        return compiled
