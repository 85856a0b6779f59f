"""The delivery log: queries, replays, erasures and retention."""
