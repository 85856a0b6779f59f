"""Measure the budgets of docs/figures.md: ``python -m benchmarks``.

Every ratio compares us with a bare aiohttp program under the same load, in the same run, in interleaved rounds; every
run also checks that each event arrived exactly where it should, exactly once. The parts: ``sink`` (the endpoints of
all integrators), ``bare`` (what we are compared with), ``raw_client`` (load on an api), ``stack`` (our own processes
on a data directory that is thrown away), then one module a figure, and ``report``. Nothing here is imported by tests
of behaviour, and no test asserts a time.
"""
