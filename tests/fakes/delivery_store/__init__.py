"""The store that a worker session uses, in memory: one module for each port, over the same rows.

``tests/contract/delivery`` runs the same suite against this store and against PostgreSQL, and applies the same random
steps to both. What PostgreSQL does beyond it is listed in the docstring of that package.
"""

from tests.fakes.delivery_store.leases import FakeLeases
from tests.fakes.delivery_store.outbox import FakeOutbox
from tests.fakes.delivery_store.replays import FakeReplays
from tests.fakes.delivery_store.results import FakeResults
from tests.fakes.delivery_store.rows import LaneRow, Logged
from tests.fakes.delivery_store.waiting import FakeWaiting


class FakeStore(FakeLeases, FakeOutbox, FakeResults, FakeWaiting, FakeReplays):
    """Every port of a worker session, and the registry's source of watches."""


__all__ = ["FakeStore", "LaneRow", "Logged"]
