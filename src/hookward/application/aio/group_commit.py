"""GroupCommit: many items, one transaction, and an item that the store refuses never fails its neighbours (ADR 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")
Written_contra = TypeVar("Written_contra", contravariant=True)


class Write(Protocol[Written_contra]):
    """Writes a group, or a part of one, in one transaction; ``last`` is true for the part that is written last."""

    async def __call__(self, group: Sequence[Written_contra], *, last: bool) -> None: ...


class GroupCommit(Generic[Item]):
    """A queue of items that are written in groups of at most ``max_items`` and ``max_weight``; a heavier item is alone.

    ``weight`` returns the size of an item in bytes. A group is halved when writing it raises, until the guilty item is
    alone: ``refuse`` then gets it with the error, and returns what is to be written in its place, or ``None``. Errors
    of type ``fatal`` are no fault of an item and are raised, as is what ``refuse`` raises.
    """

    def __init__(
        self,
        *,
        refuse: Callable[[Item, Exception], Item | None],
        weight: Callable[[Item], int],
        max_items: int,
        max_weight: int,
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        self._refuse = refuse
        self._weigh = weight
        self._max_items = max_items
        self._max_weight = max_weight
        self._fatal = fatal
        self._pending: deque[Item] = deque()
        self.weight = 0
        """Bytes of the items that no group has taken yet."""

    def __len__(self) -> int:
        """Return the number of items that no group has taken yet."""
        return len(self._pending)

    def add(self, item: Item) -> None:
        """Add an item to the end of the queue."""
        self._pending.append(item)
        self.weight += self._weigh(item)

    def take(self) -> list[Item]:
        """Remove the next group from the queue and return it; empty when the queue is."""
        group: list[Item] = []
        weight = 0
        while self._pending and len(group) < self._max_items:
            more = self._weigh(self._pending[0])
            if group and weight + more > self._max_weight:
                break
            weight += more
            group.append(self._pending.popleft())
        self.weight -= weight
        return group

    async def commit(self, group: Sequence[Item], write: Write[Item], *, last: bool = True) -> None:
        """Write a group, in halves where the store refuses an item of it.

        What must not be stored before the whole group belongs into the transaction of the ``last`` part. An error
        while writing an empty group is raised.
        """
        try:
            await write(group, last=last)
        except self._fatal:
            raise
        except Exception as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self.commit(group[:middle], write, last=False)
                await self.commit(group[middle:], write, last=last)
                return
            if not group:
                raise
            substitute = self._refuse(group[0], error)
            if substitute is not None:
                await self.commit([substitute], write, last=last)
