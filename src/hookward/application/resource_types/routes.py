"""The paths of accounts' own types that an api process keeps in memory, to find the type of a request's path.

Like a ``ResourceTypeCache``, this cache may be outdated: look at the newest version of the type that was found here,
and refuse a path that belongs to no type only after the store was asked (``fresh``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hookward.application.aio.cache import LruCache
from hookward.application.aio.loader import BatchLoader
from hookward.application.resource_types.service import ResourceTypeStore, TypeOutline
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, ResourceType, TypePaths
from hookward.domain.resource_types.operations import parameters_of
from hookward.domain.resource_types.paths import operations_of
from hookward.domain.resource_types.routing import OperationIndex

MAX_ACCOUNTS = 4096
MAX_CACHED_SEGMENTS = 1 << 16  # about 20 MB of them
_BATCH = 16


class _AccountRoutes(msgspec.Struct, frozen=True):
    """The paths of one account, the outlines that they come from, and the number of their segments."""

    outlines: Sequence[TypeOutline]
    index: OperationIndex
    segments: int


class AccountRouteCache:
    """An index of paths for each account, made when it is first needed and again when the paths have changed.

    At most ``max_accounts`` indexes are kept, with ``max_segments`` path segments in total.
    """

    def __init__(
        self, store: ResourceTypeStore, *, max_accounts: int = MAX_ACCOUNTS, max_segments: int = MAX_CACHED_SEGMENTS
    ) -> None:
        self._store = store
        self._routes: LruCache[AccountId, _AccountRoutes] = LruCache(
            max_accounts, max_weight=max_segments, weight=lambda routes: routes.segments
        )
        self._loader = BatchLoader(self._load_indexes, limit=_BATCH, name="routes.load")

    async def index(self, account: AccountId, *, fresh: bool) -> OperationIndex:
        """Return the paths of an account: as they are in memory, or with ``fresh`` as they are in the store now.

        Its types are outlines without schema: they have a name and paths only.
        """
        known = None if fresh else self._routes.get(account)
        if known is not None:
            return known.index
        index = await self._loader.load(account)
        assert index is not None  # there is one for every account
        return index

    async def close(self) -> None:
        """Wait for the look-ups that were asked for."""
        await self._loader.close()

    async def _load_indexes(self, accounts: Sequence[AccountId]) -> Mapping[AccountId, OperationIndex]:
        return {account: (await self._load(account)).index for account in accounts}

    async def _load(self, account: AccountId) -> _AccountRoutes:
        outlines = [each for each in await self._store.type_outlines(account) if each.paths is not None]
        routes = self._routes.get(account)
        if routes is None or routes.outlines != outlines:
            routes = _account_routes(outlines)
            self._routes.put(account, routes)
        return routes


def _account_routes(outlines: Sequence[TypeOutline]) -> _AccountRoutes:
    pairs = [(each.name, each.paths) for each in outlines if each.paths is not None]
    segments = sum(paths.collection.count("/") + paths.item.count("/") for _, paths in pairs)
    return _AccountRoutes(outlines, OperationIndex([_outline_type(name, paths) for name, paths in pairs]), segments)


def _outline_type(name: str, paths: TypePaths) -> ResourceType:
    scope = parameters_of(paths.collection)
    identity = tuple(each for each in parameters_of(paths.item) if each not in scope)
    return ResourceType(
        name=name, scope=tuple(scope), identity=identity, body=BodyShape.WRAPPED, schema={}, sample={}, paths=paths,
        watch_routes=(paths.watch_route,), operations=operations_of(paths, identity),
    )  # fmt: skip
