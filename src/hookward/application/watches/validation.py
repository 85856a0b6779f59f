"""Validate watches away from the event loop, and check that the crypto keys that they name exist."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from hookward.application.aio.limits import FairSemaphore
from hookward.application.ports import Clock
from hookward.application.records import KeyRecord
from hookward.domain.errors import Invalid, Problem, pointer_to
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from hookward.domain.watches.model import WatchBounds
from hookward.domain.watches.oauth_rules import KeyCheck
from hookward.domain.watches.rules import PROBLEMS, WatchRequest, check_watch

CHECKS = 2
"""Watches that are validated at a time: a template may take a third of a second to compile."""


class KeyLookup(Protocol):
    """Where crypto keys are looked up."""

    async def keys(self, account: AccountId, ids: Sequence[CryptoKeyId], *, owner: str | None) -> list[KeyRecord]: ...


class WatchValidator:
    """Validates watches. ``bounds`` is what a watch may ask for, ``check_key`` validates private keys of clients."""

    def __init__(self, keys: KeyLookup, *, clock: Clock, bounds: WatchBounds, check_key: KeyCheck) -> None:
        self._keys = keys
        self._clock = clock
        self._bounds = bounds
        self._check_key = check_key
        self._checks = FairSemaphore(CHECKS)

    async def validate(
        self,
        account: AccountId,
        owner: str | None,
        given: Any,
        read: Callable[..., WatchRequest],
        *,
        named: Sequence[str] = (),
    ) -> WatchRequest:
        """Return what ``read`` makes of ``given`` in a thread. Raises Invalid with every problem.

        ``read`` takes ``second``, ``bounds`` and ``check_key`` of ``read_watch``. Crypto keys must exist and, with an
        ``owner``, be that owner's, except those that the watch already has (``named``): the account may have chosen
        one of its own.
        """
        second = self._clock.now_us() // 1_000_000
        options = partial(read, second=second, bounds=self._bounds, check_key=self._check_key)
        async with self._checks.turn(account, owner):
            check = await asyncio.to_thread(check_watch, given, options)
        problems = [*check.problems, *await self._key_problems(account, owner, check.key_ids, named)]
        if problems or check.request is None:
            raise Invalid(PROBLEMS, tuple(problems))
        return check.request

    async def _key_problems(
        self, account: AccountId, owner: str | None, ids: Mapping[int, CryptoKeyId], named: Sequence[str]
    ) -> Sequence[Problem]:
        if not ids:
            return ()
        found = await self._keys.keys(account, list(ids.values()), owner=None)
        usable = {
            key.id for key in found if owner in (None, key.owner) or to_text(IdPrefix.CRYPTO_KEY, key.id) in named
        }
        return [
            Problem(message="there is no such crypto key", pointer=pointer_to("signature", "cryptoKeyIds", index))
            for index, id_ in ids.items()
            if id_ not in usable
        ]
