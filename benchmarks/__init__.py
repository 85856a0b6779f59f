"""Measures throughput, latency, memory and disk use against the budgets of docs/figures.md: ``python -m benchmarks``.

Every ratio compares Hookward with a bare aiohttp program under the same load, in the same run, in interleaved rounds;
every run also checks that each event arrived at the right path, exactly once. The parts: ``sink`` (the endpoints of all
integrators), ``bare`` (the aiohttp programs), ``raw_client`` (load on an api), ``stack`` (Hookward's own processes on a
temporary data directory), then one module for each figure, and ``report``. Tests of behaviour import nothing from here,
and no test asserts a time.
"""
