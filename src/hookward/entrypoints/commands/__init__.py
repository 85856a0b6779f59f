"""Commands that manage what the service holds: one module a group, ``desk`` for where they take effect.

Each prints tables for people and, with ``--json``, one line of JSON for programs. Exit status: 0 done, 1 refused,
2 wrong usage or settings, 3 out of reach.
"""
