"""The store of record on PostgreSQL: all SQL of Hookward.

A module implements the ports of one subject and runs the statements of the ``.sql`` file beside it (``statements``
reads these files). ``pool`` opens connections and translates errors; ``history`` holds queries and changes of what was
delivered.

Rules for every statement: it names the account, or its scope says why it need not (G10); lanes are locked in id order;
rows that were picked are named by ``= ANY(array)``, never by a join; due times and leases are set and compared by
PostgreSQL's clock; every claim and record locks the row of its lease ``FOR KEY SHARE`` and changes nothing without it.
"""
