"""Stand-ins for adapters, and harnesses that put use cases together on them.

A fake of a store passes the contract suite of the adapter that it stands for (``tests/contract``); one that cannot be
asked everything says what it leaves out in its package there. A fake keeps to the port: tests put things in and look at
its attributes, the code under test only calls. Nothing here reads a real clock, sleeps, or opens a socket or a file.

- ``delivery_store``, ``stores``, ``access``, ``authorizations``, ``resource_types``, ``oauth``: stores and peers
- ``null_log``, ``virtual_time``: the log, time and chance
- ``worker_harness``, ``token_harness``: a worker, and the processes that ask for tokens, on all of these
"""
