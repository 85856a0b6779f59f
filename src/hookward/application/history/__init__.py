"""What was delivered: queries, replays, erasures and retention."""
