"""Wake-ups over arq and Valkey (or Redis), which may be lost at any time (G2).

A wake-up is an arq job without arguments or id, due in the past so that clock skew cannot delay it. It carries no data:
the worker that gets it looks into PostgreSQL. A lost wake-up costs a poll interval, never an event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import msgpack
from arq.connections import ArqRedis
from arq.constants import default_queue_name
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hookward.application.ports import Clock, Log

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

WAKE = "wake"
_ENOUGH_QUEUED = 8
_EARLIER_SECONDS = 3600
_AWAY_SECONDS = 0.5
_AWAY = (RedisError, OSError, TimeoutError)


def _pack(value: dict[str, Any]) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=True, default=str))


def _unpack(data: bytes) -> dict[str, Any]:
    return dict(msgpack.unpackb(data, raw=False))


def open_queue(url: str) -> ArqRedis:
    """Open a client with short timeouts and without retries."""
    pool = ConnectionPool.from_url(
        url, socket_timeout=2, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0), max_connections=16
    )
    return ArqRedis(connection_pool=pool, job_serializer=_pack, job_deserializer=_unpack)


class QueueWakeupSender:
    """The ``WakeupSender`` port: at most one wake-up is being sent at a time."""

    def __init__(self, redis: ArqRedis, *, clock: Clock, log: Log) -> None:
        self._redis = redis
        self._clock = clock
        self._log = log
        self._wanted = asyncio.Event()
        self.healthy = True

    def wake(self) -> None:
        """Request a wake-up. Returns at once and never fails."""
        self._wanted.set()

    async def run(self) -> None:
        """Send wake-ups until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                if await self._redis.zcard(default_queue_name) < _ENOUGH_QUEUED:
                    earlier = self._clock.now_us() / 1e6 - _EARLIER_SECONDS
                    await self._redis.enqueue_job(WAKE, _defer_until=datetime.fromtimestamp(earlier, UTC))
                self._tell(healthy=True)
            except _AWAY as error:
                self._tell(healthy=False, error=type(error).__name__)
                await asyncio.sleep(_AWAY_SECONDS)

    async def ping(self) -> bool:
        """Return whether Valkey responds."""
        try:
            return bool(await self._redis.ping())
        except _AWAY:
            return False

    def _tell(self, *, healthy: bool, error: str = "") -> None:
        if healthy != self.healthy:
            self.healthy = healthy
            if healthy:
                self._log.info("queue.back")
            else:
                self._log.warning("queue.away", error=error)


class WakeupReceiver:
    """Receives wake-ups for one worker, also across outages of Valkey.

    ``on_wake`` is called for each wake-up, ``on_health`` when Valkey becomes reachable or unreachable, so that polling
    can replace it.
    """

    def __init__(self, url: str, *, on_wake: Callable[[], None], on_health: Callable[[bool], None], log: Log) -> None:
        self._url = url
        self._on_wake = on_wake
        self._on_health = on_health
        self._log = log

    async def run(self) -> None:
        """Receive wake-ups until cancelled."""
        healthy = True
        while True:
            redis = open_queue(self._url)
            try:
                await redis.ping()
                self._on_health(True)
                if not healthy:
                    self._log.info("queue.back")
                healthy = True
                await self._take(redis)
            except _AWAY as error:
                if healthy:
                    self._log.warning("queue.away", error=type(error).__name__)
                healthy = False
                self._on_health(False)
                await asyncio.sleep(_AWAY_SECONDS)
            finally:
                with contextlib.suppress(*_AWAY):
                    await redis.aclose(close_connection_pool=True)

    async def _take(self, redis: ArqRedis) -> None:
        async def wake(_context: dict[Any, Any], *_arguments: Any, **_more: Any) -> None:
            self._on_wake()

        worker = Worker(
            functions=[func(cast("WorkerCoroutine", wake), name=WAKE, keep_result=0, max_tries=2)],
            redis_pool=redis,
            handle_signals=False,
            max_jobs=4,
            job_timeout=20,
            keep_result=0,
            poll_delay=0.005,
            health_check_interval=60,
            job_serializer=_pack,
            job_deserializer=_unpack,
            log_results=False,
        )
        try:
            await worker.main()
        finally:
            for task in worker.tasks.values():
                task.cancel()
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
