"""The paths of accounts' own types, as an api process knows them, to find the type that a request's path belongs to.

What is kept may be old, as in a ``ResourceTypeCache``: a type that was found here has to be
looked at in its newest version, and a path that is nobody's is refused only once the store has been asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from hookward.application.aio.loader import BatchLoader
from hookward.application.resource_types.service import ResourceTypeStore, TypeOutline
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import BodyShape, ResourceType, TypePaths
from hookward.domain.resource_types.operations import parameters_of
from hookward.domain.resource_types.paths import operations_of
from hookward.domain.resource_types.routing import OperationIndex

MAX_KNOWN_SEGMENTS = 1 << 16  # some 20 MB of them
MAX_KNOWN_ACCOUNTS = 4096
_BATCH = 16


class _Page(msgspec.Struct, frozen=True):
    """The paths of one account, what they are made of, and how long they are together."""

    outlines: Sequence[TypeOutline]
    index: OperationIndex
    segments: int


class AccountRouteCache:
    """An index of paths for each account, made when it is first needed and again when its paths have changed."""

    def __init__(self, store: ResourceTypeStore) -> None:
        self._store = store
        self._pages: OrderedDict[AccountId, _Page] = OrderedDict()
        self._segments = 0
        self._questions = BatchLoader(self._ask, most=_BATCH, name="routes.ask")

    async def index(self, account: AccountId, *, fresh: bool) -> OperationIndex:
        """The paths of an account: as they are kept, or with ``fresh`` as they are in the store now.

        The types in it are outlines without schema: they say no more than name and paths.
        """
        if fresh or account not in self._pages:
            await self._questions.put(account)
        page = self._pages.get(account)
        if page is None:  # so many came at once that it was dropped already
            return _page(await self._store.type_outlines(account)).index
        self._pages.move_to_end(account)
        return page.index

    async def close(self) -> None:
        """Wait for the look-up that is under way."""
        await self._questions.close()

    async def _ask(self, accounts: set[AccountId]) -> None:
        for account in sorted(accounts):
            outlines = [each for each in await self._store.type_outlines(account) if each.paths is not None]
            known = self._pages.get(account)
            if known is None or known.outlines != outlines:
                self._keep(account, _page(outlines))

    def _keep(self, account: AccountId, page: _Page) -> None:
        old = self._pages.pop(account, None)
        self._segments += page.segments - (old.segments if old else 0)
        self._pages[account] = page
        while self._segments > MAX_KNOWN_SEGMENTS or len(self._pages) > MAX_KNOWN_ACCOUNTS:
            _, dropped = self._pages.popitem(last=False)
            self._segments -= dropped.segments


def _page(outlines: Sequence[TypeOutline]) -> _Page:
    pairs = [(each.name, each.paths) for each in outlines if each.paths is not None]
    segments = sum(paths.collection.count("/") + paths.item.count("/") for _, paths in pairs)
    return _Page(outlines, OperationIndex([_sketch(name, paths) for name, paths in pairs]), segments)


def _sketch(name: str, paths: TypePaths) -> ResourceType:
    scope = parameters_of(paths.collection)
    identity = tuple(each for each in parameters_of(paths.item) if each not in scope)
    return ResourceType(
        name=name, scope=tuple(scope), identity=identity, body=BodyShape.WRAPPED, schema={}, sample={}, paths=paths,
        watch_routes=(paths.watch_route,), operations=operations_of(paths, identity),
    )  # fmt: skip
