"""What the ports of a worker session do: the same tests on PostgreSQL and on the store in memory.

The tests speak to ports and look at a ``Snapshot``. ``test_random_walks`` applies the same random steps to both stores
and compares all of their state after each step.

What the store in memory leaves out, and why:

- Bounds by bytes of a claim and of a pull (``test_outbox_bounds``, ``test_pull_bounds``): it has no sizes to read.
- Where the walk over more than 32 accounts begins (``test_outbox_fairness``): no unit test has that many.
- Locks, statements and connections (``test_lease_fence``, ``test_ledger_again``, ``test_outages``, and the tests of
  concurrent callers): its calls do not interleave.
- The 10 seconds after PostgreSQL's start in which a lease can be renewed late (``test_leases``): it never starts.
- Changes of watches by their owners (``test_watch_status``): these have a fake of their own, ``FakeDefinitions``.
- What columns hold beyond a ``Snapshot``, and everything that reads the log (``test_ledger``, ``test_log``).
"""
