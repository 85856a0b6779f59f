"""Queries and changes of what was delivered: deliveries, events, replays, erasures and retention."""
