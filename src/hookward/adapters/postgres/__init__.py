"""The store of record: every SQL statement of Hookward, beside the function that runs it.

One module a noun: ``definitions`` (watches, keys, their version), ``inbox`` (accept), ``outbox`` (claim), ``ledger``
(record), ``lanes`` (slots, pulls), ``leases``, ``partitions``, ``log`` (what ops read). ``pool`` opens connections and
translates foreign errors. Rules that every statement keeps: lanes are locked in id order; picked rows are named by
``= ANY(array)``, never by a join; due times and leases are set and compared by PostgreSQL's clock; every claim and
record holds its lease row ``FOR KEY SHARE`` and changes nothing without it.
"""
