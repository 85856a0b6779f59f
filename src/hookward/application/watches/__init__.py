"""Create, change, delete and authorize watches, and keep a replica of them in memory for matching."""
